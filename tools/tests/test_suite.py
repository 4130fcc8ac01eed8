# SPDX-License-Identifier: Apache-2.0
"""The suite from outside: what it says of a wrong board, that its line finds the same again, and how it ends."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blsh_codegen.emit.generate import generate, integer_model
from blsh_codegen.emit.generated_record import read_record
from blsh_codegen.project import project_root
from blsh_firmware.build.compiler_alone import build_where_it_fits
from blsh_hil.boards.host import HOST, HostBoard, HostImage, build_host
from blsh_hil.boards.session import Expected, connect
from blsh_hil.boards.table import find_board
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.prove.recipes import DEFAULT_RECIPES, Recipe
from blsh_hil.prove.regression_vectors import Vector
from blsh_tools.suite import run_suite as suite
from blsh_tools.suite.run_suite import SUITE, SuiteOptions
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import load_model

from .blsh_command import TIMEOUT_S, Blsh, tree
from .projects import BOARD

pytestmark = pytest.mark.heavy

WRONG_BIT = 7


# ---- a board that computes something else --------------------------------------------------------------------


@pytest.fixture
def wrong_board(built: Blsh, model: Path, tmp_path: Path) -> HostImage:
    """Return a host board that says it is the right one, with the sign of a row of projections turned."""
    generated = built.project / "firmware" / "generated"
    artifact = load_model(model)
    options = read_record(generated, artifact).options
    integers = integer_model(artifact, options)
    rows = integers.projection_q7.copy()
    rows[WRONG_BIT] = -rows[WRONG_BIT]
    folder = tmp_path / "mutated"
    generate(replace(integers, projection_q7=rows), options, folder)
    right = build_host(generated, root=built.project)
    wrong = build_host(folder, root=built.project)
    assert wrong.build_id != right.build_id, "an honest board would be refused"
    return _with_build_id(wrong, right.build_id, tmp_path / "lying-host")


def _with_build_id(image: HostImage, build_id: int, lying: Path) -> HostImage:
    """Write the program with another build id in place of its own 32 bits, and return it."""
    program = image.program.read_bytes()
    own, other = (value.to_bytes(4, "little") for value in (image.build_id, build_id))
    assert program.count(own) == 1
    lying.write_bytes(program.replace(own, other))
    lying.chmod(0o755)
    return HostImage(lying, build_id)


def rerun_line(output: str) -> str:
    """Return the one line in `output` that reruns a failure."""
    lines = set(re.findall(r"rerun: (.*)", output))
    assert len(lines) == 1, output
    return lines.pop()


def run_line(line: str, folder: Path, project: Path) -> subprocess.CompletedProcess[str]:
    """Run a line as a user would paste it, where the suite ran."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BLSH_", "PYTEST_"))}
    environment = {**inherited, "BLSH_PROJECT": str(project), "COLUMNS": "200"}
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_a_wrong_board_is_told_by_hop_bit_and_values_and_found_again_by_the_line(
    built: Blsh, model: Path, wrong_board: HostImage
) -> None:
    with HostBoard(wrong_board) as board:
        arguments = (
            "--board=host",
            f"--port={board.url}",
            "--model",
            model,
            "--minutes=0.005",
            "-k",
            "edge and speech_like",
        )
        outcome = built.apart()("hil", *arguments)
        assert outcome.code == 1, str(outcome)
        difference = re.search(
            rf"accumulators: hop (\d+), row {WRONG_BIT}: expected (-?\d+), board (-?\d+)", outcome.stdout
        )
        assert difference, str(outcome)
        assert "differing values in 14 hops: accumulators 14" in outcome.stdout
        assert re.search(r"model: tiny \([0-9a-f]{12}\); seed: \d+", outcome.stdout)
        vector = Vector.load(next(built.cwd.glob("out/hil/vectors/*.json")))
        assert (vector.stage, vector.recipe) == ("accumulators", None)
        assert vector.hop <= int(difference[1]), "no longer than it needs to be"

        line = rerun_line(outcome.stdout)
        again = run_line(line, built.cwd, built.project)
        assert again.returncode == 1, again.stdout + again.stderr
        same = f"row {WRONG_BIT}: expected {difference[2]}, board {difference[3]}"
        assert same in again.stdout, again.stdout
        assert "1 failed" in again.stdout
    right = build_host(built.project / "firmware" / "generated", root=built.project)
    with HostBoard(right) as mended:
        passed = run_line(line.replace(board_of(line), mended.url), built.cwd, built.project)
        assert passed.returncode == 0 and "1 passed" in passed.stdout, passed.stdout + passed.stderr


def board_of(line: str) -> str:
    (port,) = [word.removeprefix("--port=") for word in shlex.split(line) if word.startswith("--port=")]
    return port


@pytest.mark.slow
def test_generated_signals_that_fail_are_shrunk_and_found_again(
    built: Blsh, model: Path, wrong_board: HostImage
) -> None:
    """The failing signals are shrunk for half a minute."""
    with HostBoard(wrong_board) as board:
        arguments = ("--board=host", f"--port={board.url}", "--model", model, "-k", "generated_signals")
        outcome = built.apart()("hil", *arguments)
        assert outcome.code == 1, str(outcome)
        assert [path.name for path in built.cwd.iterdir()] == ["out"], "hypothesis keeps its own files elsewhere"
        vector = Vector.load(next(built.cwd.glob("out/hil/vectors/*.json")))
        assert vector.hop <= 3
        again = run_line(rerun_line(outcome.stdout), built.cwd, built.project)
        assert again.returncode == 1 and f"row {WRONG_BIT}: expected" in again.stdout, again.stdout + again.stderr


@pytest.mark.slow
def test_one_stage_is_compared_alone(built: Blsh, model: Path, wrong_board: HostImage) -> None:
    """The stages before the wrong one are right; tests of other things do not count."""
    with HostBoard(wrong_board) as board:
        tests = "hello or recordings or edge or quiet"
        arguments = ("--board=host", f"--port={board.url}", "--model", model, "--minutes=0.005", "-k", tests)
        right = built.apart().json("hil", *arguments, "--stage", "features", "--output", "apart")
        assert right["passed"] and right["failures"] == 0 and right["hops"] > 200
        assert (built.cwd / "apart" / "host" / "report.json").is_file() and not (built.cwd / "out").exists()
        wrong = built.apart()("hil", *arguments, "--stage", "code", "--json")
        assert wrong.code == 1, str(wrong)
        assert json.loads(wrong.stdout)["failures"] >= 5
        assert "word 0: expected" in wrong.stderr and "accumulators:" not in wrong.stderr


# ---- refused -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_as_pytest_too_a_wrong_board_is_refused_before_any_test_and_once(generated: Blsh, other_model: Path) -> None:
    """The board holds the one model, the firmware was generated anew from the other."""
    right = build_host(generated.project / "firmware" / "generated", root=generated.project)
    with HostBoard(right) as board:
        generated.succeed("generate", other_model)
        line = shlex.join(
            [
                sys.executable,
                "-m",
                "pytest",
                str(SUITE),
                "--board=host",
                f"--port={board.url}",
                f"--model={other_model}",
            ]
        )
        done = run_line(line, generated.cwd, generated.project)
    assert done.returncode == 2, done.stdout
    said = re.findall(r"refused before any test: .*", done.stdout + done.stderr)
    assert len(said) == 1 and "model (SHA-256) of the board" in said[0], done.stdout + done.stderr
    assert not re.search(r"\d+ (passed|failed|error)", done.stdout)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--stage sound", "--stage sound is unknown; choose one of window, spectrum, features"),
        ("--minutes nan", "--minutes nan; choose above 0 to 10,000"),
        ("--generated -1", "--generated -1; choose 0 to 10,000"),
        ("--vector nowhere.json", "no vector nowhere.json; the suite names those that it keeps"),
        ("--board all --port /dev/ttyACM0", "--port /dev/ttyACM0 is one board; name it by --board instead of `all`"),
        ("--baud 9600", "--baud 9600: for a board outside boards.toml, with --port and without --board"),
        (
            "--board host --library lib",
            "--library lib: for a board outside boards.toml, with --port and without --board",
        ),
        ("--coverage --board mps2-an386", "--coverage with --board mps2-an386: gcov counts on this machine only"),
        ("--coverage --board host --port x", "--coverage with --port x: gcov counts on this machine only"),
    ],
)
def test_what_cannot_be_compared_is_refused(blsh: Blsh, model: Path, arguments: str, expected: str) -> None:
    blsh.refuse(expected, "hil", "--model", model, *arguments.split())


def test_help_and_page_name_the_number_of_generated_models_that_the_suite_takes(blsh: Blsh) -> None:
    said = " ".join(re.sub("[│╭╮╰╯─]", " ", blsh.succeed("hil", "--help").stdout).split())
    assert f"Generated models to build for the board and compare [default: {DEFAULT_RECIPES}]" in said
    page = (project_root() / "docs" / "hil.md").read_text(encoding="utf-8")
    assert f"| `--generated N` | how many generated models | {DEFAULT_RECIPES} |" in page


def test_as_pytest_an_unknown_stage_is_refused_once(blsh: Blsh) -> None:
    done = run_line(shlex.join([sys.executable, "-m", "pytest", str(SUITE), "--stage=sound"]), blsh.cwd, blsh.project)
    assert done.returncode == 4, done.stdout
    assert (done.stdout + done.stderr).count("--stage sound is unknown; choose one of window, spectrum") == 1


# ---- all boards ----------------------------------------------------------------------------------------------


def test_all_boards_go_on_when_one_cannot_be_tested(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def run_board(_options: object, _model: object, board: str, port: str | None, _quiet: bool) -> dict[str, Any]:
        asked.append((board, port))
        if board == "microbit":
            raise BlshError("the build for microbit failed: region `FLASH' overflowed by 12 bytes")
        return {"board": board, "passed": True}

    monkeypatch.setattr(suite, "_run_board", run_board)
    result = suite.run_all(SuiteOptions(model), None, quiet=True)
    boards = [board for board, _ in asked]
    assert boards[0] == HOST and {"microbit", BOARD, "mps3-an547"} < set(boards)
    assert len(set(boards)) == len(boards) and all(port is None for _, port in asked)
    assert not result["passed"]
    assert [row["board"] for row in result["boards"] if not row["passed"]] == ["microbit"]
    assert "overflowed" in capsys.readouterr().err

    monkeypatch.setattr(suite, "_run_board", lambda *arguments: {"board": arguments[2], "passed": True})
    assert suite.run_all(SuiteOptions(model), None, quiet=True)["passed"]


@pytest.mark.slow
def test_all_boards_are_built_started_and_compared(built: Blsh, model: Path, emulator: None) -> None:
    """Every board is built with PlatformIO, which takes two minutes."""
    arguments = ("--board", "all", "--model", model, "--minutes", 0.01, "-k", "hello or (edge and silence)")
    result = built.apart().json("hil", *arguments)
    assert result["passed"]
    assert len(result["boards"]) >= 8
    for row in result["boards"]:
        assert (row["failures"], row["errors"], row["mismatches"]) == (0, 0, 0), row
        assert row["tests"] >= 2 and row["values"] > 10_000, row


# ---- generated models -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_model_too_large_for_a_micro_bit_runs_as_code_of_its_core_elsewhere(tmp_path: Path, emulator: None) -> None:
    large = Recipe(1, "stft", 300, 10, 1200).model()
    small = Recipe(1, "mel", 9, 2, 40).model()
    assert build_where_it_fits(find_board("microbit"), small, tmp_path / "small").board == find_board("microbit")
    build = build_where_it_fits(find_board("microbit"), large, tmp_path / "large")
    assert (build.board.name, build.board.core) == ("mps2-an385", "cortex-m0")
    with connect(VirtualBoard(build.board, build.elf), Expected(large.model_sha256)) as client:
        assert (client.hello().core, client.hello().bits) == ("cortex-m3", 300), "board.h is of the machine"


# ---- coverage ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_suite_reaches_the_core_s_lines_and_branches(built: Blsh, model: Path, corpus: Path) -> None:
    """The bars of coverage are met, by the command of `make coverage`; it takes half a minute."""
    result = built.apart().json(
        "hil", "--board", "host", "--coverage", "--model", model, "--corpus", corpus, "--minutes", 0.1
    )
    coverage = result["coverage"]
    print(f"lines {coverage['lines']:.1%}, branches {coverage['branches']:.1%}")
    assert result["passed"]
    assert coverage["lines"] >= 0.95 and coverage["branches"] >= 0.90
    core = {path.name for path in (built.project / "firmware" / "core").glob("*.c")}
    assert core <= set(coverage["files"]), "every file of the core"
    assert json.loads((built.cwd / "out" / "hil" / "coverage.json").read_text()) == coverage


# ---- the end -------------------------------------------------------------------------------------------------


def processes_of(project: Path) -> set[int]:
    """Return the processes that work on `project`: blsh itself, pytest, and emulators of its images."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            except OSError:  # it has ended, or is not ours
                continue
            if str(project).encode() in text:
                found.add(int(folder.name))
    return found


@contextmanager
def long_run(built: Blsh, model: Path, corpus: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield the process of a suite that would go on for days, once its emulator runs."""
    arguments = ("--model", model, "--minutes", 5000, "--corpus", corpus, "--generated", 0)
    with built.start("hil", *arguments, "--json") as process:
        deadline = time.monotonic() + TIMEOUT_S
        while not any("qemu" in name_of(each) for each in processes_of(built.project)):
            assert process.poll() is None and time.monotonic() < deadline, "it never started its board"
            time.sleep(0.2)
        yield process


def name_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8")
    except OSError:
        return ""


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGTERM, signal.SIGKILL))],
    ids=lambda number: number.name,
)
def test_no_emulator_outlives_the_command(
    built: Blsh, model: Path, corpus: Path, emulator: None, number: signal.Signals
) -> None:
    """The signal goes to the command alone, not to the processes that it started."""
    with long_run(built, model, corpus) as process:
        process.send_signal(number)
        process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    deadline = time.monotonic() + TIMEOUT_S
    while left := processes_of(built.project):
        assert time.monotonic() < deadline, [(each, name_of(each)) for each in left]
        time.sleep(0.1)
    reports = {
        built.cwd / "out" / "hil" / name
        for name in ("report.html", BOARD, f"{BOARD}/report.json", f"{BOARD}/junit.xml")
    }
    assert {Path(name) for name in tree(built.cwd)} <= {*reports, built.cwd / "out", built.cwd / "out" / "hil"}
