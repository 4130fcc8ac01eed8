# SPDX-License-Identifier: Apache-2.0
"""Look files up, with words for the fault of a path, and write files that appear whole or not at all."""

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from blsh_trainer.errors import BlshError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # errors that only a write raises
_ADVICE = {
    **dict.fromkeys(_FULL, "free some space or choose another place"),
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "its symbolic links lead to each other, choose another place",
    errno.EPIPE: "its reader has gone, start both again",
}
_KINDS = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFREG: "file"}

NOT_FETCHED = b"version https://git-lfs"
"""How a file begins whose content Git LFS has not fetched yet."""
NOT_FETCHED_TEXT = "a pointer of Git LFS, whose file is still to be fetched"

_RANDOM_LETTERS, _LEAST_RANDOM_LETTERS = 8, 4
_MOST_SUFFIX_BYTES = 16  # no library has a format with a longer suffix


def require_folder(path: Path, missing: str) -> None:
    """Raise BlshError with the text `missing` unless `path` is a folder."""
    if not _ask(path, Path.is_dir):
        raise BlshError(missing)


def require_file(path: Path, missing: str) -> None:
    """Raise BlshError unless `path` is a file that may be read; with the text `missing` if nothing is there."""
    if not _ask(path, Path.is_file):
        if _ask(path, Path.exists):
            raise BlshError(f"{path} is a {_kind(path.stat().st_mode)}; name a file")
        raise BlshError(missing)
    _ask(path, _opens)


def landing(path: str | os.PathLike[str]) -> tuple[Path, bool]:
    """Return the file that writing to `path` changes, and whether to write into it (True) or to replace it (False).

    Symbolic links are followed, also to files that do not exist yet. Pipes and character devices are written into.
    BlshError for a folder, a socket, another device, links in a circle and a path that the system refuses.
    """
    try:
        mode = _mode(path)
        whole = Path(os.path.realpath(path))
    except OSError as error:
        raise UnwritableError(path, error) from error
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return Path(path), True
    if not stat.S_ISREG(mode):
        raise BlshError(f"cannot write {path}: it is a {_kind(mode)}; name a file")
    return whole, False


def _mode(path: str | os.PathLike[str]) -> int:
    """Return the mode of the file behind `path`; a file's mode if nothing is there or a folder is missing."""
    try:
        return Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return stat.S_IFREG


def _kind(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "device")


def temporary_beside(target: Path) -> Path:
    """Return a hidden path beside `target` at which nothing is.

    Its name ends in the suffix of `target`. It is no longer than the name of `target`, or than the suffix and 5 bytes
    before it. So a name that is short enough for `target` is short enough here.
    """
    suffix = target.suffix if len(os.fsencode(target.suffix)) <= _MOST_SUFFIX_BYTES else ""
    room = len(os.fsencode(target.name)) - len(os.fsencode(suffix)) - len(".")
    letters = min(max(room, _LEAST_RANDOM_LETTERS), _RANDOM_LETTERS)
    while True:
        path = target.with_name(f".{secrets.token_hex(_RANDOM_LETTERS)[:letters]}{suffix}")
        if not os.path.lexists(path):
            return path


class UnwritableError(BlshError):
    """A file or folder cannot be written, with a remedy. path: which; fault: what the system said."""

    def __init__(self, path: str | os.PathLike[str], fault: OSError) -> None:
        advice = _ADVICE.get(fault.errno or 0, "choose a writable folder") + _free_space(Path(path), fault)
        super().__init__(f"cannot write {os.fspath(path)}: {fault.strerror or fault}; {advice}")
        self.path = Path(path)
        self.fault = fault


@contextmanager
def written_for(path: Path, scratch: Path) -> Iterator[None]:
    """Turn an UnwritableError of the block about a file in the temporary folder `scratch` into one about `path`.

    The user knows `path`, and not where its content is made meanwhile.
    """
    try:
        yield
    except UnwritableError as error:
        if not error.path.is_relative_to(scratch):
            raise
        raise UnwritableError(path, error.fault) from error


def full_temporary(work: str, error: OSError) -> BlshError:
    """Return the error for `work` (as "build host") that the folder for temporary files cannot take."""
    place = tempfile.gettempdir()
    return BlshError(
        f"cannot {work}: the folder for temporary files, {place}: {error.strerror or error}"
        f"{_free_space(Path(place), error)}; free some space there, or set TMPDIR to a roomy folder"
    )


def _free_space(path: Path, fault: OSError) -> str:
    """Return how many bytes are free on the disk of `path`, if the disk is full; "" else, and for a device."""
    if fault.errno != errno.ENOSPC or (path.exists() and not (path.is_file() or path.is_dir())):
        return ""
    place = next((folder for folder in (path, *path.absolute().parents) if folder.is_dir()), Path("/"))
    return f" ({shutil.disk_usage(place).free:,} bytes are free there)"


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it onto `path` if the block succeeds, else remove it.

    The temporary name keeps the suffix of `path`, because libraries choose a format by it. Missing parent folders are
    made. Where `path` is a symbolic link, the file that it leads to is replaced. A pipe or a character device is not
    replaced: the content is copied into it at the end of the block.

    BlshError if the folder cannot be written or the disk is full, and as `landing` says. Two kinds of OSError from the
    block become a BlshError, too: one that names the temporary file, and one that tells of a full disk and names no
    file, as a failed write does. Any other may concern another file and passes as it is.
    """
    target, through = landing(path)
    temporary = temporary_beside(Path(tempfile.gettempdir()) / target.name if through else target)
    try:
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch(exist_ok=False)
        except OSError as error:
            raise UnwritableError(path, error) from error
        try:
            yield temporary
        except OSError as error:
            if not _is_of(temporary, error):
                raise
            _remove(temporary)  # before the free space is told
            raise UnwritableError(path, error) from error
        try:
            if through:
                _write_through(temporary, target)
            else:
                temporary.replace(target)
        except OSError as error:
            raise UnwritableError(path, error) from error
    finally:
        _remove(temporary)


def _remove(temporary: Path) -> None:
    with suppress(OSError):  # the file was not made, is in its place, or the disk takes no changes any more
        temporary.unlink()


def _is_of(temporary: Path, error: OSError) -> bool:
    return error.errno in _FULL if error.filename is None else os.fspath(error.filename) == os.fspath(temporary)


def _write_through(source: Path, device: Path) -> None:
    # Opened without creating it: a device that has gone meanwhile must not become a file.
    with source.open("rb") as content, os.fdopen(os.open(device, os.O_WRONLY), "wb") as stream:
        shutil.copyfileobj(content, stream)


def write_text_if_changed(path: Path, text: str) -> Path:
    """Make `path` hold `text` (UTF-8, line ends as they are) and return `path`; see `replacing`.

    A file that holds the text already is left alone and keeps its time, so that no file that depends on it is rebuilt.
    """
    content = text.encode("utf-8")
    try:
        same = path.is_file() and path.read_bytes() == content
    except OSError:
        same = False  # the file cannot be read: the write raises the error
    if not same:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    return path


def _ask(path: Path, look: Callable[[Path], bool]) -> bool:
    """Return look(path), or False for a name that is too long to exist. BlshError where the system refuses to look."""
    try:
        return look(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise BlshError(f"cannot read {path}: {error.strerror or error}; check its permissions") from error


def _opens(file: Path) -> bool:
    with file.open("rb"):
        return True
