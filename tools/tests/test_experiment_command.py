# SPDX-License-Identifier: Apache-2.0
"""`blsh experiment`: its files and its command, an interrupt and what follows it, and what it refuses."""

import json
from pathlib import Path

import pytest

from .blsh_command import Blsh

pytestmark = pytest.mark.heavy

FAST = ("--fast", "--mixtures=2", "--jobs=1", "--work=work", "--output=results")


def test_a_picture_and_its_index_name_the_command_that_made_them(blsh: Blsh, corpus: Path) -> None:
    found = blsh.json("experiment", "fig4", corpus, *FAST)
    assert found["command"].startswith("blsh experiment fig4 ") and found["command"].endswith(" --mixtures 2 --fast")
    assert sorted(path.name for path in (blsh.cwd / "results").iterdir()) == [
        "README.md",
        "fig4.csv",
        "fig4.json",
        "fig4.png",
    ]
    assert found["command"] in (blsh.cwd / "results" / "README.md").read_text()
    assert json.loads((blsh.cwd / "results" / "fig4.json").read_text()) == found


@pytest.mark.slow
def test_an_interrupted_experiment_goes_on(blsh: Blsh, corpus: Path) -> None:
    outcome = blsh.interrupt("cells 1 to", "experiment", "fig4", corpus, *FAST)
    assert (outcome.code, outcome.stdout) == (130, "")
    assert "Traceback" not in outcome.stderr
    assert not (blsh.cwd / "results" / "fig4.json").exists()
    kept = {path: path.read_bytes() for path in (blsh.cwd / "work").rglob("*.npz")}
    assert kept
    outcome = blsh.succeed("experiment", "fig4", corpus, *FAST)
    assert "mixing" not in outcome.stderr and "fitting" not in outcome.stderr
    assert {path: path.read_bytes() for path in (blsh.cwd / "work").rglob("*.npz")} == kept


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fig7"], "experiment 'fig7' is unknown, did you mean .*; choose one of table1, table2"),
        (["fig2", "--seeds=3"], "--seeds 3 is of no use to fig2; it is for table1"),
        (["table1", "--baselines=fc"], "architecture 'fc' is unknown"),
        (["table3", "--voicebank=missing"], "there is no corpus folder missing"),
        (["bars", "--model=missing.npz"], "missing.npz"),
        (["dense"], "the dense network has the cost of a voting model; give one as --model"),
        (["dense", "--seeds=2"], "--seeds 2 is of no use to dense; it is for table1"),
        (["fig3", "--output=/dev/null/results"], "/dev/null is a file; choose a folder"),
    ],
)
def test_what_cannot_be_run_is_refused(blsh: Blsh, corpus: Path, arguments: list[str], words: str) -> None:
    name, *options = arguments
    blsh.refuse(words, "experiment", name, corpus, "--fast", *options)


def test_recorded_mixtures_must_be_pairs(blsh: Blsh, corpus: Path) -> None:
    words = "--voicebank .*: layout manifest has no pairs of clean and noisy recordings"
    blsh.refuse(words, "experiment", "table3", corpus, "--fast", "--voicebank", corpus)
