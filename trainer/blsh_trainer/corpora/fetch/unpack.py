# SPDX-License-Identifier: Apache-2.0
"""Unpack archives from strangers: every name is checked, and the folder appears only when all is unpacked."""

import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from blsh_trainer.corpora.fetch.download import DISK_FULL
from blsh_trainer.errors import BlshError
from blsh_trainer.progress import Progress

_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError, RuntimeError)
_MIB = 1 << 20

Member = tuple[str, IO[bytes]]


def unpack(archive: Path, target: Path, inside: str, scratch: Path, progress: Progress, what: str) -> int:
    """Unpack the files that lie `inside` a tar or zip archive into the new folder `target`; return how many.

    With an empty `inside` all files are unpacked, without a folder that only wraps them. Links, devices and files that
    macOS adds are left out. The files go to a temporary folder in `scratch`, which must be on the disk of `target`, and
    the folder is renamed at the end. BlshError for a broken archive, one without files `inside`, and one with a name
    that leads out of the folder.
    """
    building = Path(tempfile.mkdtemp(prefix="unpacking-", dir=scratch))
    try:
        count = 0
        for name, stream in _members(archive, progress, what):
            path = building / "all" / _checked(archive, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as out:
                shutil.copyfileobj(stream, out, _MIB)
            count += 1
        wanted = building / "all" / inside if inside else _unwrapped(building / "all")
        if not count or not wanted.is_dir():
            raise BlshError(f"{archive} holds no files{f' in {inside}' if inside else ''}; it is another archive")
        target.parent.mkdir(parents=True, exist_ok=True)
        wanted.rename(target)
        return sum(path.is_file() for path in target.rglob("*"))
    except (FileExistsError, NotADirectoryError) as error:
        raise BlshError(f"{archive} holds a file and a folder of one name; it is broken, fetch another") from error
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise BlshError(
            f"cannot unpack {archive}: {error.strerror}; free some space and start again, the archive is kept"
        ) from error
    except _BROKEN as error:
        raise BlshError(f"{archive} is a broken archive ({error}); fetch it again") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _members(archive: Path, progress: Progress, what: str) -> Iterator[Member]:
    """Yield the names and the contents of an archive's files, one after the other."""
    if zipfile.is_zipfile(archive):
        yield from _zipped(archive, progress, what)
    else:
        yield from _tarred(archive, progress, what)


def _zipped(archive: Path, progress: Progress, what: str) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as opened:
        infos = opened.infolist()
        for number, info in enumerate(infos, start=1):
            kind = stat.S_IFMT(info.external_attr >> 16)
            _checked(archive, info.filename)
            if not info.is_dir() and kind in (0, stat.S_IFREG) and not _is_clutter(info.filename):
                with opened.open(info) as stream:
                    yield info.filename, stream
            progress(what, number, len(infos))


def _tarred(archive: Path, progress: Progress, what: str) -> Iterator[Member]:
    total = max(1, archive.stat().st_size // _MIB)
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:*") as opened:
        for member in opened:
            _checked(archive, member.name)
            if member.isreg() and not _is_clutter(member.name):
                stream = opened.extractfile(member)
                assert stream is not None  # a regular file has contents
                with closing(stream):
                    yield member.name, stream
            progress(what, min(raw.tell() // _MIB, total), total)
    progress(what, total, total)


def _checked(archive: Path, name: str) -> PurePosixPath:
    """Return a member's path. BlshError when the path leads out of the folder that the archive is unpacked to."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name or name[1:2] == ":":
        raise BlshError(f"{archive} holds the name {name!r}, which leaves the folder; nothing of it was unpacked")
    return path


def _is_clutter(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not parts or "__MACOSX" in parts or parts[-1] == ".DS_Store" or parts[-1].startswith("._")


def _unwrapped(folder: Path) -> Path:
    if not folder.is_dir():
        return folder
    below = list(folder.iterdir())
    return below[0] if len(below) == 1 and below[0].is_dir() else folder
