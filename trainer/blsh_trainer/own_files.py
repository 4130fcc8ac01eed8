# SPDX-License-Identifier: Apache-2.0
"""Read files that these tools wrote themselves, though anything may lie in their place by now."""

import errno
import stat
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 1 << 28
"""The size of the largest file that these tools write and read whole again, 256 MiB."""


def read_own(path: Path) -> bytes:
    """Return the bytes of `path`. OSError for files that we never write: pipes, devices, more than MOST_BYTES."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    if status.st_size > MOST_BYTES:
        raise OSError(errno.EFBIG, f"its {status.st_size:,} bytes are more than we ever write", str(path))
    return path.read_bytes()
