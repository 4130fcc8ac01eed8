# SPDX-License-Identifier: Apache-2.0
"""Lock a project folder while C is generated in it, firmware built from it, or a build read.

    with project_lock(root):
        ...

The lock is a file that its holder keeps locked, so the system gives the lock up when its holder ends, in
whatever way. The thread that holds the lock may take it again.
"""

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
from blsh_trainer.file_lock import rewrite, try_lock, wait_for_lock

LOCK_FILE: Final = Path(".pio") / "blsh.lock"
"""The lock file, relative to the project folder."""

_log = logging.getLogger(__name__)


class _Turn:
    """Lets one thread of this process at a time have the lock. depth: how often that thread has taken it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.depth = 0


_turns: dict[Path, _Turn] = defaultdict(_Turn)


@contextmanager
def project_lock(root: Path) -> Iterator[None]:
    """Hold the lock of the project `root`. While another program has it, wait, and log a warning that names it.

    In a folder that cannot be written to and has no lock file, no program can generate or build, and no lock is taken.
    Do not hold the lock while a child process runs that takes it, too.
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
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:  # the folder cannot be written to; a lock file that is there can still be locked
        with suppress(OSError):
            return os.open(path, os.O_RDONLY)
    return None


def _wait(file: int, path: Path) -> None:
    if not try_lock(file):
        holder = read_holder(path)
        _log.warning(
            "waiting for %s, which generates or builds in %s",
            holder if holder is not None else "another program",
            path.parents[1],
        )
        wait_for_lock(file)
    with suppress(OSError):  # the file was opened for reading alone
        rewrite(file, json.dumps(asdict(Holder(str(path), os.getpid(), running_command(), time.time()))))
