# SPDX-License-Identifier: Apache-2.0
"""Cut training frames into segments, and segments into the blocks that threads or workers take one by one.

The cuts depend on the number of frames T alone, never on who computes. Sums over blocks, added in the blocks' order,
are therefore the same to the last bit with one thread, with many, and on a cluster.
"""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blsh_trainer.arrays import AnyArray, ByteArray, FloatArray, IntArray
from blsh_trainer.errors import BlshError

Matrix = NDArray[np.float32]  # float32 halves the time and the memory of large arrays
Rows = slice | IntArray

MOST_BLOCKS = 32  # each block is a task in every step: more would keep a scheduler busier than its workers


@dataclass(frozen=True)
class FrameFile:
    """Features (T, D) in a file: all that a worker needs to map the file for itself."""

    path: str
    dtype: str
    shape: tuple[int, int]
    offset: int

    def open(self) -> AnyArray:
        """Map the file read-only. BlshError where it cannot be read."""
        try:
            return np.memmap(self.path, np.dtype(self.dtype), "r", self.offset, self.shape)
        except (OSError, ValueError) as error:
            raise BlshError(
                f"a worker cannot read the features in {self.path}: {error}; put the file where all workers see it"
            ) from error


class FrameBlock:
    """Some segments of the training frames, as float32. Frames in a file are read when they are asked for."""

    def __init__(self, source: AnyArray | FrameFile, rows: Sequence[Rows]) -> None:
        self._source = source
        self._rows = list(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def segment(self, index: int) -> Matrix:
        """Return the frames (n, D) of a segment, contiguous."""
        if isinstance(self._source, FrameFile):
            self._source = self._source.open()
        return np.ascontiguousarray(self._source[self._rows[index]], dtype=np.float32)

    def portable(self) -> "FrameBlock":
        """Return a block that can be sent: it names its file, or holds its own frames and no other frames."""
        file = _file_of(self._source)
        return self.loaded() if file is None else FrameBlock(file, self._rows)

    def loaded(self) -> "FrameBlock":
        """Return a block that holds its frames in memory."""
        parts = [self.segment(index) for index in range(len(self))]
        ends = np.cumsum([len(part) for part in parts])
        rows = [slice(int(end) - len(part), int(end)) for part, end in zip(parts, ends, strict=True)]
        return FrameBlock(np.concatenate(parts), rows)


def _file_of(source: Any) -> FrameFile | None:
    """Return the file that `source` maps as a whole, else None: a part of a mapped array does not know its offset."""
    if isinstance(source, FrameFile):
        return source
    base: Any = getattr(source, "base", None)
    if not (isinstance(source, np.memmap) and isinstance(base, mmap.mmap) and source.flags.c_contiguous):
        return None
    path = str(Path(str(source.filename)).resolve())
    return FrameFile(path, source.dtype.str, (source.shape[0], source.shape[1]), source.offset)


def as_source(H: ArrayLike) -> AnyArray:
    """Return features (T, D) for `frame_blocks`: a memory-mapped array as it is, any other as float32."""
    if isinstance(H, np.memmap):
        return H
    return np.ascontiguousarray(H, dtype=np.float32)


def frame_blocks(source: AnyArray, segment: int, order: IntArray | None = None, least: int = 1) -> list[FrameBlock]:
    """Cut features (T, D) into segments of `segment` frames and these into blocks of `least` segments or more.

    `order` (T,) shuffles the frames first. Within a segment they then stand in their original order: this changes no
    pair of frames and reads a file forwards.
    """
    total = len(source)
    cuts = [slice(at, min(at + segment, total)) for at in range(0, total, segment)]
    rows: list[Rows] = list(cuts) if order is None else [np.sort(order[cut]) for cut in cuts]
    each = max(least, -(-len(rows) // MOST_BLOCKS))
    return [FrameBlock(source, rows[at : at + each]) for at in range(0, len(rows), each)]


def signs(H: Matrix, v: FloatArray) -> Matrix:
    """Return the bits, -1 or +1 (n,), of frames H (n, D) under v = [P, b] (D + 1,), b being the bias (eq. 2)."""
    return np.where(accumulators(H, v) >= 0, np.float32(1), np.float32(-1))


def accumulators(H: Matrix, v: FloatArray) -> Matrix:
    """Return P h + b, float32 (n,), for v = [P, b] (D + 1,)."""
    narrow = v.astype(np.float32)
    return np.asarray(H @ narrow[:-1] + narrow[-1], dtype=np.float32)


class Codes:
    """The bits of a block's frames under the projections settled so far, packed: eight bits of a code to a byte."""

    def __init__(self, packed: list[ByteArray], bits: int) -> None:
        self._packed = packed
        self.bits = bits

    @classmethod
    def empty(cls, block: FrameBlock) -> "Codes":
        """Return the codes of no bits."""
        return cls([np.empty((len(block.segment(k)), 0), dtype=np.uint8) for k in range(len(block))], 0)

    def ones(self, index: int) -> Matrix:
        """Return the codes of a segment as 0 and 1, float32 (n, bits)."""
        return np.unpackbits(self._packed[index], axis=1, count=self.bits, bitorder="little").astype(np.float32)

    def bipolar(self, index: int) -> Matrix:
        """Return the codes of a segment as -1 and +1, float32 (n, bits)."""
        return 2 * self.ones(index) - 1

    def extended(self, block: FrameBlock, v: FloatArray) -> "Codes":
        """Return the codes with one bit more, that of v (D + 1,)."""
        byte, place = divmod(self.bits, 8)
        grown = []
        for index, packed in enumerate(self._packed):
            wider = np.zeros((len(packed), byte + 1), dtype=np.uint8)
            wider[:, : packed.shape[1]] = packed
            wider[:, byte] |= (signs(block.segment(index), v) > 0).astype(np.uint8) << np.uint8(place)
            grown.append(wider)
        return Codes(grown, self.bits + 1)
