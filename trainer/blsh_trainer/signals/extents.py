# SPDX-License-Identifier: Apache-2.0
"""The extent of the samples in a file's container, and numbers read from its header."""

import struct
from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True)
class Extent:
    """The place of the samples in a container.

    start: the offset of the first sample, in bytes. promised: the bytes of samples that the header gives; None where
    it leaves the length open. there: the bytes from `start` to the end of the file. fixes: the bytes of the header
    that give the length, by offset, as they should be for the samples that are there. chunks: how many chunks have
    samples; one is allowed.
    """

    start: int
    promised: int | None
    there: int
    fixes: tuple[tuple[int, bytes], ...] = ()
    rate_hz: int | None = None
    channels: int | None = None
    chunks: int = 1

    @property
    def shortfall(self) -> str:
        """A phrase that says how many bytes are missing; empty when none is."""
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
