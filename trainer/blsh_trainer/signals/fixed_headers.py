# SPDX-License-Identifier: Apache-2.0
"""Read how many bytes of samples the header of an old container promises, where the header is one fixed block."""

import re
import struct
from collections.abc import Callable
from typing import BinaryIO

from blsh_trainer.signals.extents import Extent, bytes_at, numbers_at

Span = tuple[int, int] | None
"""The offset of the samples, and the bytes of samples that the header promises; None if the header is damaged."""

_MAT4_BYTES = (8, 4, 4, 2, 2, 1)  # bytes of a number, by the tens digit of a matrix's type
_VOC_LEADS = {1: 2, 9: 12}  # bytes before the samples in a block with sound, by the type of the block
_SDS_HEAD, _SDS_PACKET, _SDS_DATA = 21, 127, 120


def fixed_extent(stream: BinaryIO, size: int) -> Extent | None:
    """Return where the samples of a file of `size` bytes lie; None for a container that is none of _CONTAINERS."""
    for magic, find in _CONTAINERS.items():
        if bytes_at(stream, 0, len(magic)) == magic:
            span = find(stream)
            return None if span is None else Extent(span[0], span[1], max(0, size - span[0]))
    return None


def _sphere(stream: BinaryIO) -> Span:
    header = bytes_at(stream, 0, 1024)
    found = [
        re.search(rb"^%s -i (\d{1,18})\s*$" % name, header, re.MULTILINE)
        for name in (b"sample_count", b"channel_count", b"sample_n_bytes")
    ]
    start = re.match(rb"NIST_1A\s+(\d{1,9})", header)
    if start is None or found[0] is None:
        return None
    count, channels, width = (1 if number is None else int(number[1]) for number in found)
    return int(start[1]), count * channels * width


def _avr(stream: BinaryIO) -> Span:
    numbers = numbers_at(stream, 12, ">HH10xI")
    return None if numbers is None else (128, numbers[2] * (2 if numbers[0] else 1) * (numbers[1] // 8))


def _mpc2000(stream: BinaryIO) -> Span:
    numbers = numbers_at(stream, 21, "<B8xI")
    return None if numbers is None else (42, numbers[1] * 2 * (numbers[0] + 1))


def _psion(stream: BinaryIO) -> Span:
    numbers = numbers_at(stream, 18, ">I")
    return None if numbers is None else (32, numbers[0])


def _voc(stream: BinaryIO) -> Span:
    at = (numbers_at(stream, 20, "<H") or (0,))[0]
    while head := numbers_at(stream, at, "<I"):
        kind, length = head[0] & 0xFF, head[0] >> 8
        if kind in _VOC_LEADS:
            lead = _VOC_LEADS[kind]
            return at + 4 + lead, length - lead
        if kind == 0 or length == 0:
            return None
        at += 4 + length
    return None


def _mat4(stream: BinaryIO, order: str) -> Span:
    at = 0
    for last in (False, True):  # the rate, then the samples
        numbers = numbers_at(stream, at, order + "5I")
        if numbers is None or numbers[0] % 1000 // 10 >= len(_MAT4_BYTES):
            return None
        kind, rows, columns, _, name = numbers
        at += 20 + name
        length = rows * columns * _MAT4_BYTES[kind % 1000 // 10]
        if last:
            return at, length
        at += length
    return None


def _mat5(stream: BinaryIO) -> Span:
    order = "<" if bytes_at(stream, 126, 2) == b"IM" else ">"
    rate = numbers_at(stream, 128, order + "II")
    if rate is None:
        return None
    at = 144 + rate[1]  # the second matrix: its flags, dimensions and name, then its numbers
    for _ in range(3):
        part = numbers_at(stream, at, order + "II")
        if part is None:
            return None
        at += 8 if part[0] >> 16 else 8 + -(-part[1] // 8) * 8  # up to four bytes stand within the tag itself
    numbers = numbers_at(stream, at, order + "II")
    return None if numbers is None else (at + 8, numbers[1])


def _sds(stream: BinaryIO) -> Span:
    head = bytes_at(stream, 0, _SDS_HEAD)
    if len(head) < _SDS_HEAD or head[6] == 0:
        return None
    frames = head[10] | head[11] << 7 | head[12] << 14
    packets = -(-frames * -(-head[6] // 7) // _SDS_DATA)
    return _SDS_HEAD, packets * _SDS_PACKET


def _mat4_of(order: str) -> Callable[[BinaryIO], Span]:
    return lambda stream: _mat4(stream, order)


_CONTAINERS: dict[bytes, Callable[[BinaryIO], Span]] = {
    b"NIST_1A": _sphere,
    b"2BIT": _avr,
    b"\x01\x04": _mpc2000,
    b"ALawSoundFile**": _psion,
    b"Creative Voice File": _voc,
    struct.pack("<5I", 0, 1, 1, 0, 11): _mat4_of("<"),
    struct.pack(">5I", 1000, 1, 1, 0, 11): _mat4_of(">"),
    b"MATLAB 5.0 MAT-file": _mat5,
    b"\xf0\x7e": _sds,
}
