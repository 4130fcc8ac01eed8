# SPDX-License-Identifier: Apache-2.0
"""What `blsh hil` tells of the time left: lines on stderr, which do not stand behind the dots of pytest."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from blsh_tools import console
from blsh_tools.suite import run_suite
from blsh_tools.suite.suite_progress import SuiteProgress

from .blsh_command import Blsh


class Writer:
    """Takes the place of pytest's own writer. width: of the line that it is in. calls: what was asked of it."""

    def __init__(self, width: int) -> None:
        self.width_of_current_line = width
        self.calls: list[str] = []

    def line(self) -> None:
        self.calls.append("newline")

    def flush(self) -> None:
        self.calls.append("flush")


@pytest.mark.parametrize("writer", [Writer(12), Writer(0), None])
def test_the_time_left_is_told_now_and_then(
    writer: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0.0, 6.0)
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    suite, session = SuiteProgress(writer), SimpleNamespace(items=[None] * 4)
    suite.pytest_runtestloop(session)  # type: ignore[arg-type]
    for _ in session.items:
        suite.pytest_runtest_logfinish()
    caught = capsys.readouterr()
    assert caught.err.splitlines() == ["tests: 4 to do", "tests: 2 of 4, some 12 s left", "tests: done"]
    assert caught.out == ""
    if writer is not None:
        assert writer.calls == [*["newline"] * bool(writer.width_of_current_line), "flush"] * 3


def test_nothing_is_told_of_no_tests(capsys: pytest.CaptureFixture[str]) -> None:
    SuiteProgress(None).pytest_runtestloop(SimpleNamespace(items=[]))  # type: ignore[arg-type]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("quiet", [False, True])
def test_pytest_tells_it_unless_it_shall_be_quiet(quiet: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], _quiet: bool) -> int:
        commands.append(command)
        raise KeyboardInterrupt

    monkeypatch.setattr(run_suite, "_run_pytest", run)
    monkeypatch.setattr(console._remarks, "quiet", quiet)
    options = run_suite.SuiteOptions(model=tmp_path / "model.npz", reports=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_suite._run_tests(options, None, "host", [], False)  # type: ignore[arg-type]
    assert ("blsh_tools.suite.suite_progress" in commands[0]) is not quiet


def test_the_suite_s_own_option_makes_it_quiet_too(blsh: Blsh, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = []

    def keep(options: run_suite.SuiteOptions, *_others: object, **_named: object) -> dict[str, bool]:
        quiet.append((console.is_quiet(), options.arguments))
        return {"passed": True}

    monkeypatch.setattr(console._remarks, "quiet", False)
    monkeypatch.setattr(run_suite, "run_suite", keep)
    blsh.json("hil", "--board", "host")
    blsh.json("hil", "--board", "host", "-q")
    assert quiet == [(False, ()), (True, ("-q",))]
