# SPDX-License-Identifier: Apache-2.0
"""Start and watch processes."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .blsh_command import TIMEOUT_S, Blsh


@contextmanager
def running(blsh: Blsh, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Yield a command that runs; it is killed at the end of the block, whatever happens."""
    with blsh.start(*arguments) as process:
        try:
            yield process
        finally:
            process.kill()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.05)
