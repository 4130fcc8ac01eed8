# SPDX-License-Identifier: Apache-2.0
"""What commands print where nobody looks: plain text in a pipe, lines of progress with the time left, or nothing."""

import itertools
import json
import re
import shutil

import pytest

from blsh_tools import console
from blsh_tools.console import progress, say, show

from .blsh_command import Blsh

ROWS = [("flash", "10 KiB"), ("a long name", "of a value with " + "many words " * 20)]


def test_a_table_in_a_pipe_is_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    show(None, False, ROWS, "Needs", ("what", "how much"))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [line.rstrip() for line in lines]
    assert lines[:3] == ["Needs", "what         how much", "flash        10 KiB"]
    assert len(lines) == 4 and all(line.isascii() for line in lines)


def test_a_title_in_a_pipe_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    title = "Estimate of a board: a title that is wider than its table"
    show(None, False, [("a", "b")], title)
    assert capsys.readouterr().out.splitlines() == [title, "a  b"]


def test_progress_without_a_terminal_tells_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0.0, 6.0)
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with progress() as advance:
        for done in range(5):
            advance("mixing", done, 4)
    assert capsys.readouterr().err.splitlines() == ["mixing: 4 to do", "mixing: 2 of 4, some 12 s left", "mixing: done"]


def test_quiet_leaves_errors_alone(blsh: Blsh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console._remarks, "quiet", False)  # it is put back
    outcome = blsh("-q", "denoise", "none.wav", "out.wav")
    assert outcome.code == 2 and outcome.stderr.startswith("error: ")
    say("nobody hears this")
    with progress() as advance:
        advance("mixing", 0, 1)
    assert console._remarks.quiet


def test_verbose_tells_what_is_run_read_and_written(blsh: Blsh) -> None:
    told = blsh.succeed("-v", "export", "--to", "lib").stderr
    assert re.search(r"^\[ +\d+\.\d\d s\] reads .*intercom\.npz$", told, re.MULTILINE), told
    assert re.search(r"^\[ +\d+\.\d\d s\] ends with exit code 0$", told, re.MULTILINE), told
    outcome = blsh("--verbose", "doctor", "--json")
    assert "] runs qemu-system-arm --version\n" in outcome.stderr or shutil.which("qemu-system-arm") is None
    assert json.loads(outcome.stdout)["findings"], "results alone go to standard output"
    assert blsh("--verbose", "card", "nowhere.npz").stderr.endswith("] ends with exit code 2\n")
    assert "] " not in blsh("export", "--to", "other").stderr, "the next command is brief again"


def test_quiet_and_verbose_exclude_each_other(blsh: Blsh) -> None:
    blsh.refuse("--quiet and --verbose exclude each other", "-q", "-v", "models")
