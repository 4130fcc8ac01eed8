# SPDX-License-Identifier: Apache-2.0
"""A hop as it is asked for and as it is answered, and the feeds that hops come from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from blsh_hil.wire.codes import Integrity
from blsh_hil.wire.protocol import ATTENUATION_OF_MODEL


@dataclass(frozen=True)
class HopReply:
    """The reply of a board to one hop.

    hop: the number of the hop since reset_stream. ticks: of the whole hop, without the cost of the flags.
    samples: int16 (H,). digests, stage_ticks: eight each, if the request asked for them.
    stage_bytes: the bytes of the stage that the request named. integrity: why the samples are not denoised, or 0.
    activity, reduction_db: what the hop tells, see HopVectors.
    """

    hop: int
    ticks: int
    samples: npt.NDArray[np.int16]
    digests: tuple[int, ...] | None
    stage_ticks: tuple[int, ...] | None
    stage_bytes: bytes | None
    integrity: Integrity
    activity: int
    reduction_db: int


@dataclass(frozen=True)
class HopRequest:
    """A hop to be done: its samples as on the wire, and the extras that the reply must carry (HopFlag, a stage).

    attenuation: its limit, 0 to 60 dB, ATTENUATION_OFF or ATTENUATION_OF_MODEL.
    """

    samples: bytes
    flags: int = 0
    stage: int = 0
    attenuation: int = ATTENUATION_OF_MODEL


class HopFeed(Protocol):
    """Gives hops that come into being while the stream runs, for example from a microphone."""

    def take(self, most: int) -> Sequence[HopRequest]:
        """Return at most `most` of the hops that are there now. Never waits. The caller sends them at once."""

    def due(self) -> float | None:
        """Return when to ask for more, a moment of time.monotonic(); None when no more will come."""


class ListFeed:
    """Gives hops from a list, all of which are there from the start."""

    def __init__(self, hops: Sequence[HopRequest]) -> None:
        self._hops = hops
        self._taken = 0

    def take(self, most: int) -> Sequence[HopRequest]:
        """Return at most `most` of the hops that are left."""
        taken = self._hops[self._taken : self._taken + most]
        self._taken += len(taken)
        return taken

    def due(self) -> float | None:
        """Return a moment that has passed, or None when all hops were taken."""
        return -math.inf if self._taken < len(self._hops) else None


def wire_samples(samples: npt.NDArray[np.int16], count: int) -> bytes:
    """Return int16 (count,) samples as they stand on the wire. Raises ValueError for another type or shape."""
    if samples.dtype != np.int16 or samples.shape != (count,):
        raise ValueError(f"samples of {samples.dtype} {samples.shape}; expected int16 ({count},)")
    return samples.astype("<i2").tobytes()
