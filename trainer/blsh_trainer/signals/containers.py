# SPDX-License-Identifier: Apache-2.0
"""Find the samples of an audio file from the bytes of its container, and compare them with what its header promises.

libsndfile takes as many samples as there are. It says nothing where the header promises more, and it finds no sample
where a recorder or a pipe never finished the header. This module tells the two cases apart and sets the sizes in the
header right.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from blsh_trainer.signals.extents import Extent, bytes_at, numbers_at
from blsh_trainer.signals.fixed_headers import fixed_extent

_MOST_CHUNKS = 10_000  # walking through a file of nothing but empty chunks would take minutes
# For "unknown", recorders and pipes write one of _OPEN_LIMITS or at most _SLACK less: the limit less the length of the
# header, or the limit rounded to a page. In 64 bits they write -1 or the largest number: _OPEN_WIDE or more.
_OPEN_LIMITS = (0x7F010000, 1 << 31, 1 << 32)
_SLACK = 1 << 16
_OPEN_WIDE = 1 << 62
_OGG_PAGE = 65_307  # bytes of the longest page, its header included
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # the end of every W64 identifier except that of the file


@dataclass(frozen=True)
class _Family:
    """The notation of chunks in a family of containers: an identifier, a size, a body.

    first: the offset of the first chunk, in bytes. number: struct's format of a size. sound: the identifier of the
    chunk with the samples, and lead: the bytes before the samples in its body. wide: the identifier of the chunk that
    holds the sizes in 64 bits, if there is one. whole: whether a size counts the identifier and itself. align: chunks
    begin at multiples of `align` bytes.
    """

    first: int
    number: str
    sound: bytes
    lead: int = 0
    wide: bytes = b""
    whole: bool = False
    align: int = 2

    @property
    def head(self) -> int:
        """The bytes of a chunk before its body: identifier and size."""
        return len(self.sound) + struct.calcsize(self.number)


_RIFF = _Family(12, "<I", b"data")
_RF64 = _Family(12, "<I", b"data", wide=b"ds64")
_RIFX = _Family(12, ">I", b"data")
_AIFF = _Family(12, ">I", b"SSND", lead=8)
_SVX = _Family(12, ">I", b"BODY")
_CAF = _Family(8, ">Q", b"data", lead=4, align=1)
_W64 = _Family(40, "<Q", b"data" + _W64_TAIL, whole=True, align=8)


@dataclass(frozen=True)
class _Chunk:
    """A chunk by its identifier, the offset of its body in the file, and the size that its head gives the body."""

    name: bytes
    body: int
    size: int


def find_extent(stream: BinaryIO) -> Extent | None:
    """Return where the samples of the file `stream` lie; None for a container that gives no length in bytes.

    The heads of chunks are read, never their bodies.
    """
    size = stream.seek(0, io.SEEK_END)
    base = _after_id3(stream)
    magic = bytes_at(stream, base, 12)
    kind = magic[8:12]
    if magic[:4] in (b"RIFF", b"RF64") and kind == b"WAVE":
        return _chunked(stream, base, size, _RIFF if magic[:4] == b"RIFF" else _RF64)
    if magic[:4] == b"RIFX" and kind == b"WAVE":
        return _chunked(stream, base, size, _RIFX)
    if magic[:4] == b"FORM" and kind in (b"AIFF", b"AIFC"):
        return _chunked(stream, base, size, _AIFF)
    if magic[:4] == b"FORM" and kind in (b"8SVX", b"16SV"):
        return _chunked(stream, base, size, _SVX)
    if magic[:4] == b"riff":
        return _chunked(stream, base, size, _W64)
    if magic[:4] == b"caff":
        return _chunked(stream, base, size, _CAF)
    if magic[:4] in (b".snd", b"dns."):
        return _au(stream, base, size, ">" if magic[:4] == b".snd" else "<")
    return fixed_extent(stream, size)


def ogg_shortfall(file: Path) -> str:
    """Return a phrase that names the part that an Ogg file lacks at its end.

    It is empty when the last page is there and is marked as the last one, and for a file that is not Ogg.
    """
    with file.open("rb") as stream:
        if stream.read(4) != b"OggS":
            return ""
        size = stream.seek(0, io.SEEK_END)
        tail = bytes_at(stream, max(0, size - 2 * _OGG_PAGE), 2 * _OGG_PAGE)
    at = tail.rfind(b"OggS")
    head = tail[at : at + 27]
    if at < 0 or len(head) < 27:
        return "it ends within a page"
    lengths = tail[at + 27 : at + 27 + head[26]]
    page = 27 + head[26] + sum(lengths)
    if len(lengths) < head[26] or page > len(tail) - at:
        return f"its last page promises {page} bytes, {len(tail) - at} are there"
    return "" if head[5] & 4 else "its last page is not marked as the end of the stream"


class CorrectedFile(io.RawIOBase):
    """A file with other bytes in its header than on disk, as one of soundfile's virtual files."""

    def __init__(self, stream: BinaryIO, fixes: tuple[tuple[int, bytes], ...]) -> None:
        self._stream = stream
        self._fixes = fixes

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` from where the file stands; return how many bytes were read."""
        at = self._stream.tell()
        data = bytearray(self._stream.read(len(buffer)))
        for offset, fix in self._fixes:
            first, last = max(offset, at), min(offset + len(fix), at + len(data))
            if first < last:
                data[first - at : last - at] = fix[first - offset : last - offset]
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to `offset`."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return where the file stands."""
        return self._stream.tell()


def _chunked(stream: BinaryIO, base: int, size: int, family: _Family) -> Extent | None:
    rate_hz = channels = wide = extent = None
    for chunk in _chunks(stream, base, size, family):
        if chunk.name == b"fmt " and family.sound == b"data":
            _, channels, rate_hz = numbers_at(stream, chunk.body, family.number[0] + "HHI") or (None, None, None)
        elif chunk.name == family.wide:
            wide = chunk
        elif chunk.name == family.sound and extent is not None:
            return replace(extent, chunks=2)
        elif chunk.name == family.sound:
            extent = _sound_chunk(stream, chunk, family, size, wide)
            if extent.fixed:
                break
    return replace(extent or Extent(size, 0, 0), rate_hz=rate_hz, channels=channels)


def _chunks(stream: BinaryIO, base: int, size: int, family: _Family) -> Iterator[_Chunk]:
    """Yield the chunks whose heads are in the file."""
    at = base + family.first
    for _ in range(_MOST_CHUNKS):
        name = bytes_at(stream, at, len(family.sound))
        number = numbers_at(stream, at + len(name), family.number)
        if number is None:
            return
        length = number[0] - (family.head if family.whole else 0)
        yield _Chunk(name, at + family.head, length)
        at += family.head + max(0, length)
        at = base + -(-(at - base) // family.align) * family.align
        if at + family.head > size:
            return


def _sound_chunk(stream: BinaryIO, chunk: _Chunk, family: _Family, size: int, wide: _Chunk | None) -> Extent:
    """Return the extent of the chunk with the samples; `wide` is RF64's chunk of 64-bit sizes."""
    start = chunk.body + family.lead
    there = max(0, size - start)
    promised, field = chunk.size - family.lead, (chunk.body - struct.calcsize(family.number), family.number)
    whole = there + family.lead + (family.head if family.whole else 0)
    if wide is not None:
        numbers = numbers_at(stream, wide.body + 8, "<Q")
        promised, field, whole = (numbers[0] if numbers else 0), (wide.body + 8, "<Q"), there
    bits = 8 * struct.calcsize(field[1])
    fixes = ((field[0], struct.pack(field[1], min(whole, (1 << bits) - 1))),)
    known = None if _left_open(stream, start, promised, there, bits) else promised
    return Extent(start, known, there, fixes)


def _au(stream: BinaryIO, base: int, size: int, order: str) -> Extent | None:
    numbers = numbers_at(stream, base + 4, order + "5I")
    if numbers is None:
        return None
    start, promised, _, rate_hz, channels = numbers
    start += base
    there = max(0, size - start)
    known = None if _left_open(stream, start, promised, there, 32) else promised
    fixes = ((base + 8, struct.pack(order + "I", min(there, (1 << 32) - 1))),)
    return Extent(start, known, there, fixes, rate_hz, channels)


def _left_open(stream: BinaryIO, start: int, promised: int, there: int, bits: int) -> bool:
    """Return whether a length is a placeholder, so that the samples go on to the end of the file."""
    if promised <= 0:
        return there > 0 and not _is_chunk(stream, start, there)
    if promised <= there:
        return False
    return promised >= _OPEN_WIDE if bits == 64 else any(0 <= limit - promised <= _SLACK for limit in _OPEN_LIMITS)


def _is_chunk(stream: BinaryIO, at: int, there: int) -> bool:
    """Return whether a further chunk begins at `at`: then the chunk before it is really empty."""
    name = bytes_at(stream, at, 4)
    sizes = [numbers_at(stream, at + 4, order + "I") for order in "<>"]
    return name.isascii() and name.decode("ascii").isprintable() and any(n and n[0] <= there - 8 for n in sizes)


def _after_id3(stream: BinaryIO) -> int:
    """Return the offset at which the container begins: 0, or the end of an ID3 tag."""
    head = bytes_at(stream, 0, 10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte & 0x7F
    return 10 + length
