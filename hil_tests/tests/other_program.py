# SPDX-License-Identifier: Apache-2.0
"""Another Python program, which holds something until it is killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

HELD = "print('held', flush=True); sys.stdin.read()"
"""What a program's `code` ends with: it tells that it holds what it should, and waits."""


@contextmanager
def other_program(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `code` until it has said "held"; kill it on leaving."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()
