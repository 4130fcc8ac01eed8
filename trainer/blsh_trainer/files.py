"""Files that are looked up with words for what is wrong, and files that appear whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from blsh_trainer.errors import BlshError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of all system calls only those that write give them


def require_folder(path: Path, missing: str) -> None:
    """Raise BlshError, with the text `missing` if there is none, unless `path` is a folder."""
    if not _ask(path, Path.is_dir):
        raise BlshError(missing)


def require_file(path: Path, missing: str) -> None:
    """Raise BlshError, with the text `missing` if there is none, unless `path` is a file that may be read."""
    if not _ask(path, Path.is_file):
        raise BlshError(missing)
    _ask(path, _opens)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` if the block succeeds, else remove it.

    The temporary name keeps the suffix of `path`, because libraries choose a format by it.
    Missing parent folders are made. Raises BlshError if the folder cannot be written or the disk is full;
    of the block's own errors, those become one that name the temporary file or tell of a full disk without
    naming a file, which is how a failed write looks. Others may concern another file and pass as they are.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise BlshError(f"cannot write {target}: {error.strerror or error}; choose a writable folder") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes 0600, a user's own file would not be
        temporary.replace(target)
    except OSError as error:
        ours = error.errno in _FULL if error.filename is None else os.fspath(error.filename) == name
        if not ours:
            raise
        raise BlshError(
            f"cannot write {target}: {error.strerror or error}; free some space or choose another place"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text_if_changed(path: Path, text: str) -> Path:
    """Make `path` hold `text` (UTF-8, line ends as they are) and return it; see `replacing`.

    A file that holds it already is left alone, with its time: what is built from it is not built again.
    """
    content = text.encode("utf-8")
    try:
        same = path.read_bytes() == content
    except OSError:
        same = False  # missing, or no file to read: writing will tell
    if not same:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    return path


def _ask(path: Path, look: Callable[[Path], bool]) -> bool:
    """Return look(path); False for a name too long to exist, BlshError when the system refuses the look."""
    try:
        return look(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise BlshError(f"cannot read {path}: {error.strerror or error}; check its permissions") from error


def _opens(file: Path) -> bool:
    with file.open("rb"):
        return True
