# SPDX-License-Identifier: Apache-2.0
"""External programs, such as compilers and uploaders: their output comes line by line, and each of them is ended."""

import os
import signal
from pathlib import Path

import pytest

from blsh_firmware.build.external_program import run_watched


def watch(script: str, said: list[str], folder: Path, timeout_s: float | None = None) -> int | None:
    environment = {"PATH": os.environ["PATH"]}
    command = ["sh", "-c", script]
    return run_watched(command, folder=folder, environment=environment, log=said.append, timeout_s=timeout_s).code


def test_output_is_handed_over_line_by_line(tmp_path: Path) -> None:
    said: list[str] = []
    assert watch(r"printf 'one\r\ntwo\n\377\n'; printf end; exit 3", said, tmp_path) == 3
    assert said == ["one", "two", "\N{REPLACEMENT CHARACTER}", "end"]


def test_program_that_leaves_somebody_with_its_output_has_ended(tmp_path: Path) -> None:
    said: list[str] = []
    assert watch("setsid sleep 30 & echo $!", said, tmp_path) == 0
    os.kill(int(said[0]), signal.SIGKILL)


@pytest.mark.parametrize("script", ["sleep 600 & sleep 600", "exec >&- 2>&-; sleep 600", "setsid sleep 30 & sleep 600"])
def test_program_that_takes_too_long_is_killed(script: str, tmp_path: Path) -> None:
    assert watch(script, [], tmp_path, timeout_s=0.5) is None


def test_interrupted_program_is_killed(tmp_path: Path) -> None:
    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_watched(["sh", "-c", "echo $$; sleep 600"], folder=tmp_path, environment={}, log=interrupt)
