# SPDX-License-Identifier: Apache-2.0
"""Digests of what an output depends on: files and folders by content, and the sources of the program itself."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Final

_SETTLED_S: Final = 2.0
"""A file that changed less than this ago may change again within one tick of its time: it is read every time."""
_LEARNING: Final = ("blsh_trainer",)
_ALL: Final = ("blsh_trainer", "blsh_codegen", "blsh_hil", "blsh_firmware", "blsh_suite", "blsh_tools")

Seen = dict[str, tuple[int, int, str]]
"""The size, the time of the last change in ns and the digest of files that were read before, by path."""


class Digests:
    """The digests of files and folders. seen: of files that were read before; a file with the same size and time is
    not read again.
    """

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._asked: set[str] = set()

    def asked(self) -> Seen:
        """Return what is known of the files that were asked for."""
        return {path: known for path, known in self._seen.items() if path in self._asked}

    def of(self, path: Path) -> str | None:
        """Return the digest of a file's content, or of the names and contents in a folder; None if nothing is there."""
        if not path.is_dir():
            return self._file(path)
        whole = hashlib.sha256()
        for file in sorted(each for each in path.rglob("*") if each.is_file()):
            whole.update(f"{file.relative_to(path).as_posix()}\0{self._file(file)}\n".encode())
        return whole.hexdigest()

    def _file(self, path: Path) -> str | None:
        try:
            status = path.stat()
            self._asked.add(str(path))
            known = self._seen.get(str(path))
            if known is not None and tuple(known[:2]) == (status.st_size, status.st_mtime_ns):
                return known[2]
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if time.time() - status.st_mtime > _SETTLED_S:
            self._seen[str(path)] = (status.st_size, status.st_mtime_ns, found)
        return found


@cache
def learning_sources() -> str:
    """Return version and digest of the sources that learn and tune a model."""
    return _sources(_LEARNING)


@cache
def all_sources() -> str:
    """Return version and digest of all sources of the program, those of the firmware included."""
    from blsh_codegen.project import project_data
    from blsh_firmware.build.project_files import firmware_digest

    return f"{_sources(_ALL)} {firmware_digest(project_data())[:16]}"


def _sources(packages: Iterable[str]) -> str:
    whole = hashlib.sha256()
    for name, file in _source_files(packages):
        whole.update(f"{name}\0".encode() + file.read_bytes())
    return f"{version('blsh-mcu')} {whole.hexdigest()[:16]}"


def _source_files(packages: Iterable[str]) -> Iterator[tuple[str, Path]]:
    for package in packages:
        folder = Path(str(import_module(package).__file__)).parent
        for file in sorted(folder.rglob("*")):
            if file.suffix in (".py", ".j2") and "project_data" not in file.parts:
                yield f"{package}/{file.relative_to(folder).as_posix()}", file
