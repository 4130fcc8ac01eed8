"""What every process that we start for a board needs: an end that comes for sure, and its last words."""

import os
import subprocess
from typing import IO

STOP_TIMEOUT_S = 2.0


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process: politely, then by force (an emulator may be stuck in a write that nobody reads)."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def written(output: IO[bytes]) -> str:
    """What was written to the file `output` so far, wherever its reading position is."""
    return os.pread(output.fileno(), 1 << 20, 0).decode(errors="replace")


def last_lines(text: str, lines: int) -> str:
    """The last lines of `text`."""
    return "\n".join(text.splitlines()[-lines:])
