# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin for users' own tests: its fixtures, its options, and that it disturbs no other run."""

import re
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.project import VARIABLE, project_root
from blsh_codegen.spec.hard_signals import EDGE_SIGNALS
from blsh_firmware.build.images import generate_firmware, generated_folder
from blsh_firmware.build.project_files import copy_project
from blsh_hil.boards.host import HOST, build_host
from blsh_hil.prove.compare import HopSource
from blsh_suite import pytest_plugin, shared_fixtures, user_board, user_pace, user_recordings
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.boxed_models import boxed_models
from blsh_trainer.signals.geometry import CLASSES

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.xdist_group("pytest plugin")  # its firmware is built once

ROOT = project_root()
PAGE = ROOT / "docs" / "howto" / "own-ci.md"
MODEL = "intercom-small"
ONE_TEST = "def test_mine(blsh_proof, blsh_recording): assert blsh_proof(blsh_recording).differences == 0"
USED_ELSEWHERE = (user_board, user_pace, user_recordings)
"""Modules that pytester would forget after a run, and NumPy with them, unless they are imported before it."""


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the plugins of other packages, which take a second to import anew in each run of pytester."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "blsh-hil", *arguments)


@pytest.fixture(scope="module")
def own_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose firmware is generated, and built for this machine."""
    root = copy_project(project_root(), tmp_path_factory.mktemp("project"))
    generate_firmware(load_model(boxed_models()[MODEL]), GenerateOptions(), generated_folder(root))
    build_host(generated_folder(root), root=root)
    return root


@pytest.mark.heavy
@pytest.mark.needs("gcc")
def test_the_example_of_the_page(pytester: pytest.Pytester, own_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(own_project))
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    wrong = """
        from dataclasses import replace
        from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
        def test_a_wrong_reference_is_noticed(blsh_proof, blsh_recordings):
            recording = next(each for each in blsh_recordings if each.name == "speech_like")
            model = blsh_proof.reference.model
            blsh_proof.reference = VectorisedDenoiser(replace(model, projection_q7=-model.projection_q7))
            comparison = blsh_proof(recording)
            assert comparison.first.stage == "accumulators" and comparison.differences == 0
    """
    pytester.makepyfile(test_denoiser=example, test_wrong=wrong)
    options = (f"--blsh-board={HOST}", f"--blsh-model={MODEL}", "--blsh-seconds=0.1")
    result = run(pytester, *options, "--junitxml=found.xml", "-W", "error")
    result.assert_outcomes(passed=len(EDGE_SIGNALS) + 2, failed=1)
    result.stdout.re_match_lines([r".*Difference\(stage='accumulators'.*"])
    told = rf"blsh-hil: .* does [\d,]+ hops a second; {len(EDGE_SIGNALS)} tests of 0\.1 s of sound each take about 1 s"
    result.stdout.re_match_lines([told])
    found = (pytester.path / "found.xml").read_text(encoding="utf-8")
    hops = CLASSES["intercom"].hops_of(1600)
    assert found.count(f'<property name="counts" value="{{\'hops\': {hops}, ') == len(EDGE_SIGNALS) + 1


@pytest.mark.heavy
@pytest.mark.needs("gcc")
def test_firmware_of_another_model_fails_the_tests_that_ask_for_it(
    pytester: pytest.Pytester, own_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(own_project))
    pytester.makepyfile(test_own=f"{ONE_TEST}\ndef test_beside(): pass")
    result = run(pytester, f"--blsh-board={HOST}", "--blsh-model=intercom", "-k", "silence or beside")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.re_match_lines([r"the code in .* was generated from model .*; run blsh generate with the model .*"])
    result.stdout.no_re_match_line(".*During handling.*")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--blsh-board=nucleo", "--blsh-board: board 'nucleo' is unknown, .*; known boards: .*"),
        ("--blsh-model=none", "--blsh-model: there is no file none, and no model of that name in the box, .*"),
        ("--blsh-model=none.npz", "--blsh-model: there is no model artifact none.npz; .*"),
        ("--blsh-port=tcp://here", "--blsh-port: cannot open tcp://here: tcp:// is no kind of port, .*"),
        ("--blsh-seconds=nan", "--blsh-seconds nan; choose above 0 to 3,600"),
        ("--blsh-seconds=0", "--blsh-seconds 0.0; choose above 0 to 3,600"),
        ("--blsh-recordings=none", "--blsh-recordings: there is no folder none"),
    ],
)
def test_wrong_options_end_the_run(pytester: pytest.Pytester, option: str, expected: str) -> None:
    pytester.makepyfile("def test_mine(blsh_client, blsh_recordings): pass")
    result = run(pytester, option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.re_match_lines([f"ERROR: {expected}"])
    result.assert_outcomes()


def test_a_wrong_folder_is_named_where_tests_are_made_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ONE_TEST)
    result = run(pytester, "--blsh-recordings=none")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["--blsh-recordings: there is no folder none"])


def test_other_runs_are_not_disturbed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_other(): pass")
    run(pytester, "--blsh-board=nucleo", "--blsh-model=none").assert_outcomes(passed=1)


def test_the_plugin_costs_no_import_at_start() -> None:
    program = "import sys, pytest; before = set(sys.modules); import blsh_suite.pytest_plugin; "
    program += "print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["blsh_suite", "blsh_suite.pytest_plugin"]


def test_every_name_has_the_prefix(pytestconfig: pytest.Config) -> None:
    """Nothing of the plugin has the name of another fixture, in the suite or in a user's tests."""
    assert pytestconfig.pluginmanager.get_plugin("blsh-hil") is pytest_plugin
    marks = ("_fixture_function_marker", "_pytestfixturefunction")  # of pytest from 8.4 on, and before
    found = {name for name, value in vars(pytest_plugin).items() if any(hasattr(value, mark) for mark in marks)}
    page = PAGE.read_text(encoding="utf-8")
    assert found == pytest_plugin._FIXTURES == set(re.findall(r"^\| `(blsh_\w+)` \|", page, re.MULTILINE))
    assert all(name.startswith("blsh_") for name in found)
    for option in re.findall(r"^\| `(--[\w-]+)=", page, re.MULTILINE):
        assert option.startswith("--blsh-")
        pytestconfig.getoption(option)  # raises ValueError for an option that does not exist


def test_files_of_a_folder_are_recordings(tmp_path: Path, rng: np.random.Generator) -> None:
    soundfile.write(tmp_path / "stereo.wav", rng.normal(0, 0.1, (44_100, 2)), 44_100)
    soundfile.write(tmp_path / "short.flac", rng.normal(0, 0.1, 800), 8_000)
    geometry = CLASSES["phone"]
    found = user_recordings.recordings_of(tmp_path, geometry, 0.5)
    assert [each.name for each in found] == user_recordings.recording_names(tmp_path) == ["short.flac", "stereo.wav"]
    assert [len(each.samples) for each in found] == [800, 4_000]
    assert all(each.samples.dtype == np.int16 and each.samples.any() for each in found)


def test_signals_are_the_same_in_every_run() -> None:
    first, second = (user_recordings.recordings_of(None, CLASSES["hearing"], 0.05) for _ in range(2))
    assert [each.name for each in first] == user_recordings.recording_names(None)
    assert all(np.array_equal(one.samples, other.samples) for one, other in zip(first, second, strict=True))
    assert {len(each.samples) for each in first} == {800}


class SlowBoard:
    """A board whose hops take 1.25 s each, and the clock that shows it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def reset_stream(self) -> None:
        """Do nothing: no hop is kept."""

    def hop(self, _samples: object, **_asked: object) -> None:
        self.now += 1.25


def test_a_slow_board_gets_less_sound_and_the_run_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    board = SlowBoard()
    monkeypatch.setattr(user_pace, "time", board)
    pace = user_pace.measured_pace(cast(HopSource, board), "slow", CLASSES["intercom"])
    assert pace.rate == 0.8 and board.now == 2.5
    assert pace.default_seconds == 8 * 256 / 16_000
    assert pace.told(14, pace.default_seconds, named=False) == (
        "slow does 0.8 hops a second; 14 tests of 0.13 s of sound each take about 2 minutes. "
        "A faster board gets 1 s each: --blsh-seconds=1 sends as much here, in about 18 minutes"
    )
    assert pace.told(0, 1.0, named=True) == "slow does 0.8 hops a second; a recording of 1 s takes about 78 s"
    assert user_pace.Pace("fast", CLASSES["intercom"], 39.0).default_seconds == user_pace.LONGEST_S == 1.0


def test_a_long_comparison_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    board, told = SlowBoard(), list[str]()
    monkeypatch.setattr(user_pace, "time", board)
    teller = user_pace.Teller(told.append, "test_mine[click]")
    for done in range(1, 22):
        teller("comparing", done, 21)
        board.hop(None)
    assert told == [
        "test_mine[click]: comparing, hop 9 of 21, about 15 s left",
        "test_mine[click]: comparing, hop 17 of 21, about 5 s left",
    ]


def test_every_mark_of_the_suite_is_registered_without_pytest_xdist() -> None:
    told: list[str] = []

    class Config:
        addinivalue_line = staticmethod(lambda _name, line: told.append(re.split(r"[:(]", line)[0]))

    shared_fixtures.pytest_configure(cast(pytest.Config, Config()))
    suite = "".join(path.read_text(encoding="utf-8") for path in Path(shared_fixtures.__file__).parent.glob("*.py"))
    used = set(re.findall(r"pytest\.mark\.(\w+)", suite)) - {"parametrize", "skipif", "usefixtures"}
    assert "xdist_group" in used and used <= set(told)
