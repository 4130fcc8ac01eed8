# SPDX-License-Identifier: Apache-2.0
"""Let SIGTERM and SIGHUP end a program as Ctrl-C does: it cleans up and leaves no half-written file."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING: tuple[int, ...] = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals besides Ctrl-C's SIGINT that ask a program to end; Windows knows no SIGHUP."""


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt within the block, and an interrupt into an exit code after it.

    The exit code is 128 + the signal's number, the shells' convention. Only the first signal counts: a shell that hangs
    up sends SIGHUP twice, and the second must not break off the cleaning up. A signal that has a handler already, or
    that the parent ignores (nohup), is left alone. Outside of the main thread all signals are left alone.
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
        if received and end.code:  # Typer has turned the interrupt into exit code 130
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def deaf_children() -> Iterator[None]:
    """Make processes that are started in the block ignore interrupts, which a terminal sends them, too.

    Their parent ends them. Within the block the parent ignores interrupts, too, and loses those that come: the block
    should start the processes and do nothing else.
    """
    if not _in_main_thread():
        yield
        return
    # Children inherit the handlers.
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *ENDING)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
