"""SIGTERM and SIGHUP end a program as Ctrl-C does: it cleans up, and what it was writing does not stay half-written."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a program to end, beside Ctrl-C's SIGINT."""


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt within the block, and an interrupt into an exit code after it.

    The exit code is 128 + the signal's number, as shells tell it. The first of the signals counts: a shell that hangs
    up sends SIGHUP twice, and the second must not break off the cleaning up. A signal that the parent had ignored
    (nohup) or that has a handler already is left alone, and so are all outside of the main thread.
    """
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            raise KeyboardInterrupt

    ours = [number for number in ENDING if _in_main_thread() and signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(128 + (received[0] if received else signal.SIGINT)) from None
    except SystemExit as end:
        if received and end.code:  # Typer has made 130 of the interrupt
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def deaf_children() -> Iterator[None]:
    """Keep interrupts from processes that are started in the block: a terminal sends them to these as well.

    Their parent ends them. What it ignores itself meanwhile is lost, so the block should start them and do no more.
    """
    if not _in_main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *ENDING)}  # is inherited
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
