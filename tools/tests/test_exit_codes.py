# SPDX-License-Identifier: Apache-2.0
"""The exit codes are those of the table in docs/commands.md."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from .blsh_command import Blsh

TABLE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
ENDING = {128 + number: number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}


def test_the_table_has_all_codes_that_are_tested_here() -> None:
    rows = re.findall(r"^\| ([0-9, ]+) \| ", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    listed = [int(code) for row in rows for code in row.split(",")]
    assert sorted(listed) == sorted({0, 1, 2, *ENDING})


def test_done(blsh: Blsh) -> None:
    assert [blsh(*line).code for line in (["--version"], ["--help"], ["card", "hearing"])] == [0, 0, 0]


def test_done_but_not_passed(blsh: Blsh) -> None:
    outcome = Blsh(blsh.cwd, blsh.project, {"PATH": "/nowhere"})("doctor")
    assert outcome.code == 1 and "error" not in outcome.stderr, str(outcome)


@pytest.mark.parametrize("line", ["card nowhere.npz", "nonsense", "card --nonsense", "denoise in.wav", "-q -v models"])
def test_wrong_input(blsh: Blsh, line: str) -> None:
    outcome = blsh(*line.split())
    assert outcome.code == 2 and outcome.stdout == "" and outcome.stderr, str(outcome)


@pytest.mark.parametrize("code", sorted(ENDING))
def test_ended_by_a_signal(blsh: Blsh, code: int) -> None:
    with blsh.start("-v", "denoise", "-", "out.wav", stdin=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert "blsh-mcu" in process.stderr.readline(), "it has begun, and waits for the recording"
        process.send_signal(ENDING[code])
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (code, ""), stderr
    assert "Traceback" not in stderr and not (blsh.cwd / "out.wav").exists()
