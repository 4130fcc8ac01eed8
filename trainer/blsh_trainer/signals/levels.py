# SPDX-License-Identifier: Apache-2.0
"""Measure how loud a recording is, and tell silence, samples in another scale and channels that cancel each other."""

import math
from dataclasses import dataclass

import numpy as np

from blsh_trainer.arrays import FloatArray

LOUDEST_DBFS = 24.0
LOUDEST = 10 ** (LOUDEST_DBFS / 20)
"""The largest peak that is taken for sound in [-1, 1). With a larger one, samples are in another scale, as int16 is."""

_SOUND = 1e-4  # the energy of sound over that of its offset, at least: resampling an offset alone leaves less
_CANCELLED = 0.01  # the energy of the mean of cancelling channels, at most, over that of channels without relation


@dataclass(frozen=True)
class Level:
    """The loudness of the mean of a recording's channels.

    `energy` is the sum of the squares of the mean, `total` the sum of its samples. `apart` is what `energy` would be if
    the channels were not related.
    """

    frames: int = 0
    channels: int = 1
    peak: float = 0.0
    energy: float = 0.0
    apart: float = 0.0
    total: float = 0.0

    def with_block(self, block: FloatArray, mean: FloatArray) -> "Level":
        """Return the level of the earlier samples and a further block (n, channels), whose mean is `mean` (n,)."""
        channels = block.shape[1]
        with np.errstate(over="ignore"):  # overflow: samples near the largest double
            energy, apart = float(mean @ mean), float((block * block).sum()) / channels**2
        peak = max(self.peak, float(np.abs(mean).max()))
        total = self.total + float(mean.sum())
        return Level(self.frames + len(block), channels, peak, self.energy + energy, self.apart + apart, total)

    @property
    def constant(self) -> bool:
        """Whether the samples are silence, or an offset with next to nothing on it."""
        return is_constant(self.total, self.energy, self.frames)

    @property
    def fault(self) -> str:
        """A phrase that says why the recording cannot be used as it is; empty where it can be."""
        if self.peak == 0.0:
            return silence(self.frames, self.channels if self.apart else 1)
        return beyond_scale(self.peak) if self.peak > LOUDEST else ""

    @property
    def cancelled(self) -> str:
        """A phrase that says that the channels cancel most of each other in their mean; empty where they do not."""
        if self.energy >= _CANCELLED * self.apart:
            return ""
        return f"its {self.channels} channels nearly cancel each other when they are averaged: opposite phase?"


def is_constant(total: float, energy: float, samples: int) -> bool:
    """Return whether samples of this sum and sum of squares are silence, or an offset with next to nothing on it."""
    offset = total * total / samples
    return energy - offset <= _SOUND * offset


def averaged(block: FloatArray) -> FloatArray:
    """Return the mean (n,) of the channels of a block (n, channels)."""
    with np.errstate(over="ignore"):
        return np.asarray(block.mean(axis=1), dtype=np.float64)


def dbfs(peak: float) -> float:
    """Return a peak above 0 in dB of full scale."""
    return 20 * math.log10(peak) if math.isfinite(peak) else math.inf


def silence(samples: int, channels: int) -> str:
    """Return a phrase that names the fault of `samples` zeros, the mean of `channels` channels."""
    if channels == 1:
        return f"silent: all {samples} samples are 0; give one with sound"
    return (
        f"silent when its {channels} channels are averaged: all {samples} samples are 0, the channels are empty or "
        "in opposite phase and cancel each other; give one channel of it"
    )


def beyond_scale(peak: float) -> str:
    """Return a phrase that names the fault of a peak above LOUDEST."""
    return (
        f"has a peak of {peak:g} ({dbfs(peak):+.1f} dBFS): above {LOUDEST_DBFS:+g} dBFS samples are taken for another "
        "scale than -1 to 1, as that of int16"
    )
