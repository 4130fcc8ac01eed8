# SPDX-License-Identifier: Apache-2.0
"""Run an external program: take each line that it writes, end it when its time is up, and leave no child of it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

VERBOSE: Final = "BLSH_VERBOSE"
"""The variable that asks programs that we run to show what they run themselves."""

_TAIL_LINES = 25
_LOOK_S = 0.5
"""Seconds until the end of a program is noticed while its children still hold its output."""


@dataclass(frozen=True)
class Ended:
    """The end of a program. code: its exit code, None where its time was up and it was killed. said: its last lines."""

    code: int | None
    said: str


def run_watched(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: Callable[[str], None],
    timeout_s: float | None = None,
) -> Ended:
    """Run `command` in `folder` to its end; `log` takes its output, line by line.

    The program and its children are killed after timeout_s seconds, and when this call is interrupted.
    """
    deadline = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
    tail: deque[str] = deque(maxlen=_TAIL_LINES)

    def take(line: str) -> None:
        tail.append(line)
        log(line)

    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a session of its own lets us kill its children with it
    ) as process:
        try:
            late = not _follow(process, deadline, take)
            if late:
                _kill_group(process)
            process.wait()
        except BaseException:
            _kill_group(process)
            raise
    return Ended(None if late else process.returncode, "\n".join(line for line in tail if line))


def _follow(process: subprocess.Popen[bytes], deadline: float, take: Callable[[str], object]) -> bool:
    """Hand each line of the process to `take` until it ends; return False when `deadline` comes first."""
    output, rest = _output_of(process), b""
    ended = False
    while True:
        ready = False
        left = deadline - time.monotonic()
        data = b""
        with suppress(Empty):
            data = output.get(timeout=min(max(left, 0.0), _LOOK_S))
            ready = True
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            take(line.decode(errors="replace").rstrip())
        if (ready and not data) or (ended and not ready):
            break
        if left <= 0:
            return False
        ended = process.poll() is not None
    if rest:
        take(rest.decode(errors="replace").rstrip())
    while process.poll() is None:  # the program has closed its output, and runs on
        if time.monotonic() >= deadline:
            return False
        with suppress(subprocess.TimeoutExpired):
            process.wait(min(_LOOK_S, max(deadline - time.monotonic(), 0.01)))
    return True


def _output_of(process: subprocess.Popen[bytes]) -> SimpleQueue[bytes]:
    """Return a queue that takes what the process writes, and b"" at the end.

    A thread reads, because Windows cannot wait for a pipe with a time limit. It has a handle of its own, which nobody
    closes under it where children hold the output open.
    """
    assert process.stdout is not None
    handle = os.dup(process.stdout.fileno())
    chunks: SimpleQueue[bytes] = SimpleQueue()

    def read() -> None:
        try:
            while data := os.read(handle, 65536):
                chunks.put(data)
        finally:
            os.close(handle)
            chunks.put(b"")

    threading.Thread(target=read, daemon=True).start()
    return chunks


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
