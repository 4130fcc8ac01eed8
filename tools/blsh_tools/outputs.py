"""Where a command is about to write: refused before the work, not after it."""

import os
from pathlib import Path

from blsh_trainer.errors import BlshError


def check_output(path: Path) -> None:
    """Raise BlshError unless a file can be written at `path`; nothing is made. Missing folders are no obstacle."""
    try:
        if path.is_dir():
            raise BlshError(f"cannot write {path}: it is a folder; name a file")
        nearest = next(folder for folder in path.absolute().parents if folder.exists())
    except OSError as error:
        raise BlshError(f"cannot write {path}: {error.strerror or error}; choose a writable folder") from error
    if not nearest.is_dir():
        raise BlshError(f"cannot write {path}: {nearest} is a file; choose a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise BlshError(f"cannot write {path}: {nearest} is not writable; choose a writable folder")
