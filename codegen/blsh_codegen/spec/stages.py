# SPDX-License-Identifier: Apache-2.0
"""Name the eight stages of a hop at which implementations are compared, and lay out the bytes they are compared by.

The layouts are those of SPEC.md, 8: little-endian, as the C core holds the values. So a digest over the core's memory
equals a digest over these bytes.
"""

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

STAGES: Final = (
    "window",
    "spectrum",
    "features",
    "accumulators",
    "code",
    "neighbours",
    "mask",
    "output",
)
STAGE_DTYPES: Final = ("<i4", "<i4", "<i2", "<i4", "<u4", "<u4", "<i2", "<i2")


@dataclass(frozen=True)
class HopVectors:
    """The values that one hop computes, stage by stage, and the two that it tells the application (SPEC.md, 6.4).

    window: int32 (1 + N,): the block shift, then the N windowed samples in order.
    spectrum: int32 (N + 2,): real and imaginary part of bins 0 to N / 2, interleaved.
    features: int16 (D,): half magnitudes (`stft`), mel magnitudes (`mel`), levels and noise floors (`tracked`), or
        logarithms of levels and of what `memory` keeps.
    accumulators: int32 (P,): each projection, plus the bias of its bit where there is one.
    code: uint32 (ceil(L / 32),): bit l is bit l % 32 of word l // 32.
    neighbours: uint32 (2 G K,): index and distance of each neighbour of each dictionary, nearest first.
    mask: int16 (N / 2 + 1,): gain of each bin, Q1.14.
    output: int16 (H,).
    activity: 0 to 255, the mean square of the gains.
    reduction_db: 0 to 115, by how many dB the output is quieter than the delayed input.
    """

    window: npt.NDArray[np.int32]
    spectrum: npt.NDArray[np.int32]
    features: npt.NDArray[np.int16]
    accumulators: npt.NDArray[np.int32]
    code: npt.NDArray[np.uint32]
    neighbours: npt.NDArray[np.uint32]
    mask: npt.NDArray[np.int16]
    output: npt.NDArray[np.int16]
    activity: int
    reduction_db: int

    def stage(self, index: int) -> npt.NDArray[np.generic]:
        """Return the values of the stage STAGES[index]."""
        values: npt.NDArray[np.generic] = getattr(self, STAGES[index])
        return values

    def stage_bytes(self, index: int) -> bytes:
        """Return the bytes by which the stage STAGES[index] is compared."""
        return self.stage(index).astype(STAGE_DTYPES[index]).tobytes()

    def digests(self) -> tuple[int, ...]:
        """Return the CRC-32/ISO-HDLC of each stage's bytes, in the order of STAGES."""
        return tuple(zlib.crc32(self.stage_bytes(index)) for index in range(len(STAGES)))


def stage_values(index: int, data: bytes) -> npt.NDArray[np.generic]:
    """Return the values in `data`, the bytes of the stage STAGES[index]."""
    return np.frombuffer(data, dtype=STAGE_DTYPES[index])
