# SPDX-License-Identifier: Apache-2.0
"""Check the files and folders that a command is going to write, before its work and not after it."""

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from blsh_trainer.errors import BlshError
from blsh_trainer.files import UnwritableError, landing, temporary_beside

if TYPE_CHECKING:  # imported when a command runs, so that `blsh --help` is quick
    from blsh_trainer.corpora.corpus import Corpus

_PATH_BYTES = 4096 - 1  # PATH_MAX of Linux, less the NUL at the end
_NAME_BYTES = 255


def check_output(path: Path, **inputs: Path | None) -> None:
    """Raise BlshError unless a file can be written at `path`. Folders may be missing; the trial leaves nothing behind.

    inputs: the files that the command reads, by the names that messages give them, as in `model=`; None is skipped.
    `path` must be none of them, neither by another name nor by a symbolic or hard link.
    """
    _check_name(path)
    target, through = landing(path)
    for name, given in inputs.items():
        if given is not None and same_file(path, given):
            raise BlshError(f"{path} is the {name} itself; name another file for the output")
    if through:
        if not os.access(target, os.W_OK):
            raise BlshError(f"cannot write {path}: it is not writable; choose another place")
        return
    if _is_standard_output(target):
        raise BlshError(f"cannot write {path}: standard output goes there already; name another file")
    _check_folder(path, target.parent)


def check_outside(corpus: "Corpus", *paths: Path | None) -> None:
    """Raise BlshError where one of `paths` is a recording of `corpus` or a manifest of it, by whatever name."""
    for path in paths:
        if path is None or not path.exists():
            continue
        for part in corpus.parts or (corpus,):  # a part has the recordings that are left out, too
            for file in (part.root / "manifest.csv", *map(part.path, part.entries)):
                if same_file(path, file):
                    raise BlshError(f"{path} is {file} of the corpus itself; name another file for the output")


def check_output_folder(path: Path, *, replaced: bool = False) -> None:
    """Raise BlshError unless `path` is a folder that files can be written into, or can be made one.

    replaced: whether the folder is replaced as a whole. Then the folder around it must be writable.
    """
    _check_name(path)
    whole = Path(os.path.realpath(path))
    _check_folder(path, whole.parent if replaced else whole)


def same_file(one: Path, other: Path) -> bool:
    """Return whether both paths are one file, by links too, or would be once it is made. A device is not a file."""
    with suppress(OSError):
        found = one.stat()
        return os.path.samestat(found, other.stat()) and not stat.S_ISCHR(found.st_mode)
    return os.path.realpath(one) == os.path.realpath(other)


def _check_name(path: Path) -> None:
    """Raise BlshError for a name that is too long for a file or folder, in bytes: a letter may take four."""
    if path == Path("-"):
        raise BlshError("cannot write -: standard output is for the results, see --json; give a name")
    try:
        whole = Path(os.path.realpath(path))
    except OSError as error:
        raise UnwritableError(path, error) from error
    for name in (*path.parts, *whole.parts):
        if (length := len(os.fsencode(name))) > _NAME_BYTES:
            raise BlshError(f"cannot write {path}: a name of {length} bytes; choose one of {_NAME_BYTES} at most")
    if (length := max(len(os.fsencode(each)) for each in (path, whole, temporary_beside(whole)))) > _PATH_BYTES:
        raise BlshError(f"cannot write {path}: a path of {length} bytes; choose one of {_PATH_BYTES} at most")


def _check_folder(path: Path, folder: Path) -> None:
    """Raise BlshError, which names `path`, unless files can be written into `folder`; it may have to be made."""
    try:
        nearest = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
        if not stat.S_ISDIR(nearest.stat().st_mode):
            raise BlshError(f"cannot write {path}: {nearest} is a file; choose a folder")
        trial = temporary_beside(nearest / "trial")
        try:
            trial.touch(exist_ok=False)  # rights are no proof: /proc, quotas and full disks refuse, too
        finally:
            with suppress(OSError):  # there is no trial file to remove
                trial.unlink()
    except OSError as error:
        raise UnwritableError(path, error) from error


def _is_standard_output(target: Path) -> bool:
    """Return whether a shell has sent standard output to the file `target`."""
    with suppress(OSError, ValueError):  # the stream of a test has no handle
        return target.exists() and os.path.samestat(target.stat(), os.fstat(sys.stdout.fileno()))
    return False
