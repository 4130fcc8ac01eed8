# SPDX-License-Identifier: Apache-2.0
"""Run an external program: take each line that it writes, end it when its time is up, and leave no child of it."""

import os
import select
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
    assert process.stdout is not None
    output, rest = process.stdout.fileno(), b""
    ended = False
    while True:
        left = deadline - time.monotonic()
        ready = select.select([output], [], [], min(max(left, 0.0), _LOOK_S))[0]
        data = os.read(output, 65536) if ready else b""
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


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
