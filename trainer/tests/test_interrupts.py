# SPDX-License-Identifier: Apache-2.0
"""Signals that end a program: what it writes is cleaned up, and its exit code tells the signal."""

import signal
import subprocess
import sys

import pytest

from blsh_trainer.files import replacing
from blsh_trainer.interrupts import ENDING, deaf_children, ended_in_order

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, *ENDING], ids=lambda number: number.name)


@pytest.fixture(autouse=True)
def usual_handlers():
    """Install the handlers of a program that a shell starts in the foreground."""
    usual = {signal.SIGINT: signal.default_int_handler, **dict.fromkeys(ENDING, signal.SIG_DFL)}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    after = {number: signal.signal(number, handler) for number, handler in before.items()}
    assert after == usual


@SIGNALS
def test_nothing_half_written_stays(tmp_path, number):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(SystemExit) as end, ended_in_order(), replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        signal.raise_signal(number)
    assert end.value.code == 128 + number
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


@pytest.mark.parametrize("second", ENDING)
def test_hanging_up_twice_does_not_break_off_the_cleaning_up(second):
    cleaned = []
    with pytest.raises(SystemExit) as end, ended_in_order():
        try:
            signal.raise_signal(signal.SIGHUP)
        finally:
            signal.raise_signal(second)
            cleaned.append(True)
    assert end.value.code == 128 + signal.SIGHUP and cleaned


def test_the_exit_code_tells_the_signal_whoever_makes_one_of_the_interrupt():
    with pytest.raises(SystemExit) as end, ended_in_order():
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            sys.exit(130)  # as Typer does
    assert end.value.code == 143
    with pytest.raises(SystemExit) as end, ended_in_order():
        sys.exit(2)
    assert end.value.code == 2


def test_what_nohup_ignores_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with ended_in_order():
        signal.raise_signal(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@SIGNALS
def test_processes_that_are_started_do_not_hear_it(number):
    script = f"import signal; signal.raise_signal({int(number)}); print('goes on')"
    with deaf_children():
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.communicate()[0] == "goes on\n" and process.returncode == 0
