# SPDX-License-Identifier: Apache-2.0
"""Read archives of numpy arrays (.npz) without trusting them; errors name the true kind of a wrong file."""

import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from blsh_trainer.arrays import AnyArray
from blsh_trainer.files import NOT_FETCHED, NOT_FETCHED_TEXT

_UNREADABLE = (  # errors that zipfile and numpy were seen to raise on damaged bytes; RuntimeError means "encrypted"
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError, struct.error, SyntaxError, TypeError),
    *(ValueError, OSError, EOFError, KeyError, RuntimeError, MemoryError, OverflowError),
)
_ZIP = b"PK"
_HEAD_BYTES = 64
_MOST_NAMED = 3
_EXPECTED = "expected a zip archive of numpy's arrays"
_KINDS = (  # first bytes of files that users give by mistake
    (b"\x93NUMPY", "a single array of numpy's"),
    (b"RIFF", "a WAV file"),
    (b"fLaC", "a FLAC file"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "an MP3 file"),
    (b"\x7fELF", "an ELF file"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"\x80", "a pickle of Python's"),
    (NOT_FETCHED, NOT_FETCHED_TEXT),
)


class NpzError(Exception):
    """A file is no archive of arrays, or an array cannot be read; the text is to be put after "FILE: "."""


class Npz:
    """An open archive of arrays; `names` are the names of its arrays."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.names = tuple(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))

    def lacks(self, name: str) -> str:
        """Return in words that there is no array called `name`, and which arrays there are."""
        more = " and more" if len(self.names) > _MOST_NAMED else ""
        return f"no {name} in it, it holds {', '.join(self.names[:_MOST_NAMED]) or 'no arrays'}{more}"

    def read(self, name: str) -> AnyArray:
        """Return the array called `name`. NpzError where there is none, or it is damaged or holds Python objects."""
        if name not in self.names:
            raise NpzError(self.lacks(name))
        try:
            with self._archive.open(f"{name}.npy") as member:
                return np.asarray(np.lib.format.read_array(member, allow_pickle=False))
        except _UNREADABLE as error:
            said = "it is encrypted" if "encrypted" in str(error) else "it cannot be read"
            raise NpzError(f"its array {name!r} is damaged: {said}") from error


@contextmanager
def opened_npz(file: Path) -> Iterator[Npz]:
    """Open an archive of arrays. NpzError, naming the true kind, for another kind of file or a cut one."""
    try:
        archive = zipfile.ZipFile(file)
    except _UNREADABLE as error:
        raise NpzError(_what_it_is(file)) from error
    with archive:
        yield Npz(archive)


def _what_it_is(file: Path) -> str:
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if not head:
        return "it is empty"
    if head.startswith(_ZIP):
        return "it begins as a zip archive and has no end of one"
    for beginning, kind in _KINDS:
        if head.startswith(beginning):
            return f"it is {kind}, {_EXPECTED}"
    is_text = all(byte >= 32 or byte in b"\t\n\r" for byte in head)
    return f"it is {'text' if is_text else 'of no known kind'}, {_EXPECTED}"
