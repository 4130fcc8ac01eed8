# SPDX-License-Identifier: Apache-2.0
"""Encode and decode frames: 0x00 | COBS(header, payload, crc32) | 0x00. The C side is firmware/app/frame.c."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from blsh_hil.wire.codes import FrameError
from blsh_hil.wire.protocol import CRC, HEADER, MAX_PAYLOAD, OVERHEAD, VERSION

DELIMITER: Final = b"\0"
BLOCK: Final = 254
"""The most bytes that one code byte of COBS announces."""


class StuffingError(ValueError):
    """The bytes are no COBS, or too many. error: which of the two."""

    def __init__(self, error: FrameError) -> None:
        super().__init__(error.text)
        self.error = error


@dataclass(frozen=True)
class Frame:
    """A frame that arrived whole."""

    type: int
    sequence: int
    payload: bytes


@dataclass(frozen=True)
class BadFrame:
    """Bytes between two delimiters that are no frame. version: the sender's, where error is FrameError.VERSION."""

    error: FrameError
    version: int | None = None


def cobs_encode(data: bytes) -> bytes:
    """Return `data` without zeros: Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999)."""
    encoded = bytearray()
    *before_zeros, last = data.split(b"\0")
    for run in before_zeros:
        encoded += _full_blocks(run) + _short_block(run)
    encoded += _full_blocks(last)
    if not last or len(last) % BLOCK:
        encoded += _short_block(last)
    return bytes(encoded)


def _full_blocks(run: bytes) -> bytes:
    return b"".join(b"\xff" + run[at : at + BLOCK] for at in range(0, len(run) - BLOCK + 1, BLOCK))


def _short_block(run: bytes) -> bytes:
    """Return the last block of `run`, which implies a zero behind it. It may be empty: a full block implies no zero."""
    rest = len(run) % BLOCK
    return bytes([rest + 1]) + run[len(run) - rest :]


def cobs_decode(encoded: bytes, limit: int) -> bytes:
    """Return the bytes that `encoded` (without delimiters) stands for. Raises StuffingError.

    More than `limit` bytes are LONG, whatever else is wrong: the firmware decodes byte by byte and meets that first.
    """
    decoded = bytearray()
    place, implied_zero = 0, False
    while place < len(encoded):
        if implied_zero:
            decoded.append(0)
        code = encoded[place]
        decoded += encoded[place + 1 : place + code]
        if len(decoded) > limit:
            raise StuffingError(FrameError.LONG)
        place += code
        implied_zero = code <= BLOCK
    if place > len(encoded):
        raise StuffingError(FrameError.COBS)
    return bytes(decoded)


def encode(type: int, sequence: int, payload: bytes = b"", version: int = VERSION) -> bytes:
    """Return a frame, delimiters included. Raises ValueError if the payload is too long."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"payload of {len(payload)} bytes, the limit is {MAX_PAYLOAD}")
    body = HEADER.pack(version, type, sequence, len(payload)) + payload
    return DELIMITER + cobs_encode(body + CRC.pack(zlib.crc32(body))) + DELIMITER


class Decoder:
    """Makes frames of bytes that come in pieces of any size. Never waits: a partial frame stays partial.

    After a bad frame, decoding starts again at the next delimiter. bad_frames: how many frames were dropped.
    """

    def __init__(self, max_payload: int = MAX_PAYLOAD) -> None:
        self.bad_frames = 0
        self._limit = max_payload + OVERHEAD
        self._encoded_limit = self._limit + self._limit // BLOCK + 2  # a longer frame is surely too long
        self._partial = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame | BadFrame]:
        """Yield the frames, good and bad, that `data` completes."""
        *ends, rest = data.split(DELIMITER)
        for end in ends:
            self._collect(end)
            if self._partial:
                found = self._finish()
                self._partial.clear()
                self.bad_frames += isinstance(found, BadFrame)
                yield found
        self._collect(rest)

    def _collect(self, piece: bytes) -> None:
        self._partial += piece
        del self._partial[self._encoded_limit :]  # noise without end must not fill the memory

    def _finish(self) -> Frame | BadFrame:
        try:
            body = cobs_decode(bytes(self._partial), self._limit)
        except StuffingError as bad:
            return BadFrame(bad.error)
        if len(body) < OVERHEAD:
            return BadFrame(FrameError.SHORT)
        version, type, sequence, length = HEADER.unpack_from(body)
        if length != len(body) - OVERHEAD:
            return BadFrame(FrameError.LENGTH)
        (crc,) = CRC.unpack_from(body, len(body) - CRC.size)
        if crc != zlib.crc32(body[: -CRC.size]):
            return BadFrame(FrameError.CRC)
        if version != VERSION:
            return BadFrame(FrameError.VERSION, version)
        return Frame(type, sequence, body[HEADER.size : -CRC.size])
