# SPDX-License-Identifier: Apache-2.0
"""Lock an open file against other programs: by flock, on Windows by its own locks.

The system gives a lock up when its holder ends, in whatever way. OSError where a file system knows no locks.
"""

import os
import sys
import time

_AGAIN_S = 0.1

if sys.platform == "win32":
    import msvcrt

    _PLACE = 1 << 30  # bytes into the file: what is locked there can be read by nobody else, so it lies past the end

    def try_lock(file: int) -> bool:
        """Lock the open `file`, unless another program has it locked; return whether it is locked now."""
        os.lseek(file, _PLACE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def wait_for_lock(file: int) -> None:
        """Lock the open `file` as soon as no other program has it locked."""
        while not try_lock(file):
            time.sleep(_AGAIN_S)
else:
    import fcntl

    def try_lock(file: int) -> bool:
        """Lock the open `file`, unless another program has it locked; return whether it is locked now."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def wait_for_lock(file: int) -> None:
        """Lock the open `file` as soon as no other program has it locked."""
        fcntl.flock(file, fcntl.LOCK_EX)


def rewrite(file: int, text: str) -> None:
    """Put `text` in place of what the open `file` holds."""
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, text.encode())
