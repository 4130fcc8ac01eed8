# SPDX-License-Identifier: Apache-2.0
"""Keep a virtual board running for other programs to talk to."""

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from blsh_hil.boards.virtual import VirtualBoard
from blsh_trainer.errors import BlshError

_LOOK_S = 0.5


def keep_running(virtual: VirtualBoard, ready: Callable[[str], None], log: Callable[[str], None]) -> None:
    """Run `virtual`, made with restarts=True, until SIGTERM or Ctrl-C; start it anew on SIGHUP.

    ready: is called with the url once it runs. Only the main thread may call this function, because it handles signals.
    Raises BlshError if the emulator ends by itself.
    """
    again, woken = threading.Event(), threading.Event()
    leave = threading.Event()

    def restart(_number: int, _frame: FrameType | None) -> None:
        again.set()
        woken.set()

    def end(_number: int, _frame: FrameType | None) -> None:
        leave.set()
        woken.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    if sys.platform != "win32":
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, restart)
    try:
        with virtual:
            ready(virtual.url)
            while not leave.is_set():
                if woken.wait(_LOOK_S):
                    woken.clear()
                if again.is_set():
                    again.clear()
                    _restart(virtual, log)
                virtual.check()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _restart(virtual: VirtualBoard, log: Callable[[str], None]) -> None:
    try:
        virtual.restart()
    except BlshError as error:
        raise BlshError(f"the new image does not run: {error}") from error
    log(f"restarted with {virtual.elf}")
