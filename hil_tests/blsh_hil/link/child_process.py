"""A board that is a process of ours: started and ended with a `with` block, whatever happens in it."""

import ctypes
import os
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO, Self

from blsh_hil.link.board_lock import EMULATOR, Lock, sweep
from blsh_trainer.errors import BlshError

STOP_TIMEOUT_S = 2.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with_parent() -> Callable[[], None]:
    """For Popen's preexec_fn: the process is killed when the thread that starts it ends, however that ends."""
    parent = os.getpid()

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return prepare


class ChildBoard(ABC):
    """A running process that answers at `url`, as a context manager; on leaving it is gone, whatever happened."""

    name: str
    """The board's."""

    restarts = False
    """Whether who has it starts it anew on SIGHUP."""

    def __init__(self) -> None:
        self._lock: Lock | None = None
        self._cleanup = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._url: str | None = None
        self._said = ""

    @abstractmethod
    def _start(self, output: IO[bytes], cleanup: ExitStack) -> tuple[str, subprocess.Popen[bytes]]:
        """Start the process, which writes to `output`; its url and the process."""

    def _started(self) -> None:
        """See that it runs, once it is sure to be stopped. Raises BlshError if it does not."""
        self.check()

    @abstractmethod
    def _ended(self) -> BlshError:
        """The error for a process that has ended, with its own words."""

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:  # undone at once when the start fails half-way
            # Unnamed, so that nothing is left behind even when this process is killed.
            self._stderr = cleanup.enter_context(tempfile.TemporaryFile())
            cleanup.callback(self.stderr_tail)  # keeps what was said
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
        """Let other processes see that it runs (`blsh boards`)."""
        assert self._process is not None
        self._lock = Lock(f"{EMULATOR}{self._process.pid}", board=self.name, url=self.url, restarts=self.restarts)
        self._lock.__enter__()

    def _stop(self) -> None:
        if self._lock is not None:
            self._lock.release()
        _stop(self.process)

    @property
    def url(self) -> str:
        """What pyserial's serial_for_url opens. It may be opened again after it was closed."""
        if self._url is None:
            raise RuntimeError(f"a {type(self).__name__} has a url inside its `with` block only")
        return self._url

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, also after it has ended."""
        if self._process is None:
            raise RuntimeError(f"a {type(self).__name__} has a process once its `with` block was entered")
        return self._process

    def stderr_tail(self, lines: int = 20) -> str:
        """The last lines that the process wrote, such as a sanitizer's report; also after it has ended."""
        if self._stderr is not None and not self._stderr.closed:
            self._said = os.pread(self._stderr.fileno(), 1 << 20, 0).decode(errors="replace")
        return "\n".join(self._said.splitlines()[-lines:])

    def check(self) -> None:
        """Raise BlshError with the process's own words if it has ended: for when the port falls silent."""
        if self.process.poll() is not None:
            raise self._ended()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process: politely, then by force (an emulator may be stuck in a write that nobody reads)."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
