"""Files that these tools wrote and read again: what lies in the place of one may be anything."""

import errno
import stat
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 1 << 28
"""No file that is read whole again is larger."""


def read_own(path: Path) -> bytes:
    """Return the bytes of `path`. Raises OSError for what we never wrote: a pipe, a device, more than MOST_BYTES."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    if status.st_size > MOST_BYTES:
        raise OSError(errno.EFBIG, f"its {status.st_size:,} bytes are more than we ever write", str(path))
    return path.read_bytes()
