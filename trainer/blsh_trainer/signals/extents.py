"""Where a container keeps its samples and what its header promises of them; numbers read from a header."""

import struct
from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True)
class Extent:
    """Where a container keeps its samples, in bytes: `promised` is None where its header leaves the length open.

    `fixes` are the bytes of the header that give the length, by offset, as they should be for what is there.
    """

    start: int
    promised: int | None
    there: int
    fixes: tuple[tuple[int, bytes], ...] = ()
    rate_hz: int | None = None
    channels: int | None = None
    chunks: int = 1  # with samples, where one is allowed

    @property
    def shortfall(self) -> str:
        """What is missing, in words; empty when all is there."""
        if self.promised is None or self.promised <= self.there:
            return ""
        return f"its header promises {self.promised} bytes of samples, {self.there} are there"

    @property
    def fixed(self) -> bool:
        """Whether the header must be set right before libsndfile reads it."""
        return self.promised is None or self.promised > self.there


def bytes_at(stream: BinaryIO, at: int, count: int) -> bytes:
    """Return the `count` bytes at `at`, or as many as there are."""
    stream.seek(at)
    return stream.read(count)


def numbers_at(stream: BinaryIO, at: int, form: str) -> tuple[int, ...] | None:
    """Return the numbers of struct's `form` at `at`, or None where the file ends before them."""
    data = bytes_at(stream, at, struct.calcsize(form))
    return struct.unpack(form, data) if len(data) == struct.calcsize(form) else None
