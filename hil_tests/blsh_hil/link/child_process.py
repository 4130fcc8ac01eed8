# SPDX-License-Identifier: Apache-2.0
"""Run a board that is a process of this machine: it lives as long as a `with` block, whatever happens in the block."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import IO, Self

from blsh_hil.link.board_lock import EMULATOR, Lock, sweep
from blsh_trainer.errors import BlshError

STOP_TIMEOUT_S = 2.0
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> Callable[[], None] | None:
    """Return a preexec_fn for Popen that has the process killed when the thread that starts it ends.

    None on systems other than Linux, which cannot do so: there a process outlives a parent that is killed.
    """
    prepare: Callable[[], None] | None = None
    if sys.platform == "linux":
        parent = os.getpid()
        libc = ctypes.CDLL(None)

        def die() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # the parent died before the line above
                os._exit(1)

        prepare = die
    return prepare


def run_child(
    command: Sequence[str],
    leave_s: float,
    output: int | IO[str] | None = None,
    environment: dict[str, str] | None = None,
) -> int:
    """Run a program to its end and return its exit code, negative for a signal. It never outlives this process.

    On Ctrl-C it has leave_s seconds to end in order. output: where its standard output goes, None: as ours.
    environment: its variables, None: ours.
    """
    with subprocess.Popen(command, stdout=output, env=environment, preexec_fn=die_with_parent()) as process:
        try:
            return process.wait()
        except BaseException:
            if sys.platform != "win32":  # there the console has sent Ctrl-C to both
                process.send_signal(signal.SIGINT)
            try:
                process.wait(leave_s)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


def require_posix(what: str) -> None:
    """Raise BlshError on Windows, which cannot hand an open port to a child process; `what` needs it."""
    if sys.platform == "win32":
        raise BlshError(f"{what} runs on Linux and macOS; on Windows use WSL, or a real board: --port COM3")


class ChildBoard(ABC):
    """A process that answers at `url`. It runs while the `with` block does, and is gone afterwards."""

    name: str
    """The name of the board."""

    restarts = False
    """Whether the program that runs the board starts it anew on SIGHUP."""

    def __init__(self) -> None:
        self._lock: Lock | None = None
        self._cleanup = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._url: str | None = None
        self._said = ""

    @abstractmethod
    def _start(self, output: IO[bytes], cleanup: ExitStack) -> tuple[str, subprocess.Popen[bytes]]:
        """Start the process, which writes to `output`; return its url and the process."""

    def _started(self) -> None:
        """Check that the process runs; by now it is sure to be stopped later. Raises BlshError if it does not run."""
        self.check()

    @abstractmethod
    def _ended(self) -> BlshError:
        """Return the error for a process that has ended, with the process's own words."""

    def __enter__(self) -> Self:
        require_posix(f"the board {self.name}")
        with ExitStack() as cleanup:  # undoes everything at once if the start fails half-way
            # The file has no name, so that nothing is left behind even when this process is killed.
            self._stderr = cleanup.enter_context(tempfile.TemporaryFile())
            cleanup.callback(self.stderr_tail)  # keeps the output of the process
            self._url, self._process = self._start(self._stderr, cleanup)
            cleanup.callback(self._stop)
            sweep()
            self._show()
            self._started()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()
        self._url = None

    def _show(self) -> None:
        """Take a lock, so that other programs see the process (`blsh boards`)."""
        assert self._process is not None
        self._lock = Lock(f"{EMULATOR}{self._process.pid}", board=self.name, url=self.url, restarts=self.restarts)
        self._lock.__enter__()

    def _stop(self) -> None:
        if self._lock is not None:
            self._lock.release()
        _stop(self.process)

    @property
    def url(self) -> str:
        """The URL for pyserial's serial_for_url. The port may be opened again after it was closed."""
        if self._url is None:
            raise RuntimeError(f"a {type(self).__name__} has a url inside its `with` block only")
        return self._url

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process; available after it has ended, too."""
        if self._process is None:
            raise RuntimeError(f"a {type(self).__name__} has a process once its `with` block was entered")
        return self._process

    def stderr_tail(self, lines: int = 20) -> str:
        """Return the last lines that the process wrote, for example a sanitizer's report; after it has ended, too."""
        if sys.platform != "win32" and self._stderr is not None and not self._stderr.closed:
            self._said = os.pread(self._stderr.fileno(), 1 << 20, 0).decode(errors="replace")
        return "\n".join(self._said.splitlines()[-lines:])

    def check(self) -> None:
        """Raise BlshError with the process's own words if it has ended. Ask when the port falls silent."""
        if self.process.poll() is not None:
            raise self._ended()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process by SIGTERM, then by SIGKILL: an emulator may hang in a write without a reader."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
