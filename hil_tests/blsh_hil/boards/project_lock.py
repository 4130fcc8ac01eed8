"""The lock of a project folder: held by whoever generates C in it, builds from it, or reads what was built.

    with project_lock(root):
        ...

It is a file that is locked by flock, so the kernel gives it up when its holder ends, however that happens. The thread
that holds it may take it again.
"""

import fcntl
import json
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from blsh_hil.link.board_lock import Holder, read_holder, running_command

LOCK_FILE: Final = Path(".pio") / "blsh.lock"
"""Under the project folder."""

_log = logging.getLogger(__name__)


class _Turn:
    """The threads of this process, one at a time; `depth`: how often the one whose turn it is has taken the lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.depth = 0


_turns: dict[Path, _Turn] = defaultdict(_Turn)


@contextmanager
def project_lock(root: Path) -> Iterator[None]:
    """Hold the lock of the project `root`; who waits for another program is told, by a warning, which one it is.

    Where nothing can be written and no lock file lies, nobody can generate or build: there it does nothing.
    Not to be held while a child process runs that takes it, too.
    """
    path = root.resolve() / LOCK_FILE
    turn = _turns[path]
    with turn.lock:
        file = _opened(path) if turn.depth == 0 else None
        turn.depth += 1
        try:
            if file is not None:
                _wait(file, path)
            yield
        finally:
            turn.depth -= 1
            if file is not None:
                os.close(file)


def _opened(path: Path) -> int | None:
    try:
        path.parent.mkdir(exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:  # somebody else's folder, or a read-only one: a lock file there can be locked all the same
        with suppress(OSError):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return None


def _wait(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = read_holder(path)
        _log.warning(
            "waiting for %s, which generates or builds in %s",
            holder if holder is not None else "another program",
            path.parents[1],
        )
        fcntl.flock(file, fcntl.LOCK_EX)
    with suppress(OSError):  # opened to be read alone
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(asdict(Holder(str(path), os.getpid(), running_command(), time.time()))).encode(), 0)
