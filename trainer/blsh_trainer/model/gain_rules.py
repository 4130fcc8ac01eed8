# SPDX-License-Identifier: Apache-2.0
"""Settle the log odds of gains over time, before they become gains (SPEC.md, 5, without rounding)."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from blsh_trainer.arrays import BoolArray, FloatArray
from blsh_trainer.signals.features import MEMORY_START

LEAST_ODDS: Final = -4.0
MOST_ODDS: Final = 6.0
"""Log odds are limited before they are smoothed, so that a band that was shut for long opens as fast as any other."""


@dataclass(frozen=True)
class GainRules:
    """How log odds are settled.

    smoothing, smoothing_down: the sixteenths that come from the frame before where log odds do not fall, and where they
    fall. start: what is added to all log odds of the first frame of a stream. It fades within 64 ticks, while the
    memory of the features fills: until then the noise is not known. steady: what is taken from all log odds of a later
    frame that is steady, see `steady_frames`: there is no speech in it. hops_per_tick: frames of a tick.
    """

    smoothing: int
    smoothing_down: int
    start: float
    steady: float
    hops_per_tick: int = 1


class Settling:
    """The log odds of one signal on their way through the rules, with the state that frames leave to later ones."""

    def __init__(self, rules: GainRules) -> None:
        self._rules = rules
        self._frames = 0
        self._before: FloatArray | None = None

    def __call__(self, odds: FloatArray, steady: BoolArray) -> FloatArray:
        """Return the settled log odds (T, W) of the next frames, from theirs and which frames are steady, (T,)."""
        rules = self._rules
        settled = np.empty_like(odds)
        for row, raw, calm in zip(settled, odds, steady, strict=True):
            fade = max(0.0, 1.0 - self._frames // rules.hops_per_tick / MEMORY_START)
            moved = rules.start * fade if fade or not calm else -rules.steady
            now = np.clip(raw + moved, LEAST_ODDS, MOST_ODDS)
            before = now if self._before is None else self._before
            kept = np.where(now >= before, rules.smoothing, rules.smoothing_down) / 16
            row[:] = kept * before + (1 - kept) * now
            self._before = row.copy()
            self._frames += 1
        return settled
