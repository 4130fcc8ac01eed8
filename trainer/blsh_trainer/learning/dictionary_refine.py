# SPDX-License-Identifier: Apache-2.0
"""Refine a dictionary: learn its projections, codes and masks together, through the soft KNN.

An entry begins as a training frame. From there on its code and its mask are free, so it comes to stand for many
frames: 512 entries that are learned like this denoise as well as 4096 that keep the codes of their frames.

Each step draws a number of entries and a number of bits, and looks at the first ones only. So every prefix of the
dictionary is a dictionary of its own, and the code is good at each of its lengths. Firmware takes as much of both as
it has room for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blsh_trainer.arrays import BoolArray, ByteArray, FloatArray, IntArray
from blsh_trainer.learning.soft_knn import Adam, Batch, Gradient, Matrix, gradient
from blsh_trainer.learning.supervised import Centred, initial_tau
from blsh_trainer.learning.training_frames import TrainingFrames
from blsh_trainer.progress import Progress

LEAST_SHARE = 1 / 16
"""The smallest prefix of the dictionary that is learned for, as a part of the whole."""
_WHOLE = 1.3  # the longest prefix that is drawn, over all entries: so a good part of the steps looks at all entries
_QUERIES = 512
_RATE = 0.003
_CODE_RATE = 0.04
_MASK_RATE = 0.03
_LOG_TAU_RATE = 0.01
_SQUASH = 0.02  # the distance of the first masks from 0 and 1, where the logistic function has no slope


@dataclass(frozen=True)
class Start:
    """The start of refining: unit projections (L, D), biases (L,), and masks float32 (N, B) of the entries."""

    projections: FloatArray
    biases: FloatArray
    masks: Matrix


@dataclass(frozen=True)
class Refined:
    """The result of refining: unit projections (L, D), biases (L,), codes bool (N, L) and mask levels uint8 (N, B)."""

    projections: FloatArray
    biases: FloatArray
    code_bits: BoolArray
    mask_levels: ByteArray


@dataclass(frozen=True)
class Schedule:
    """The goals of refining: codes of each of `lengths`, dictionaries of `least` entries or more, levels 0 to `top`.

    `steps` steps are taken.
    """

    lengths: Sequence[int]
    least: int
    top: int
    steps: int


def refine(
    frames: TrainingFrames,
    entries: IntArray,
    start: Start,
    schedule: Schedule,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Refined:
    """Learn the dictionary that begins as the frames `entries` (N,), in their order.

    Each step takes 512 queries against the first n entries, n log-uniform from `least` to N, under the first bits of
    a code, as many as one of `lengths`. Masks are rounded to their levels before they are averaged, and their gradient
    passes the rounding. If the bits came in the order of their significance, only the `lengths` keep it.
    """
    learned = _Learned(frames, entries, start, schedule)
    for step in range(schedule.steps):
        bits = int(schedule.lengths[int(rng.integers(len(schedule.lengths)))])
        drawn = np.exp(rng.uniform(np.log(schedule.least), np.log(_WHOLE * len(entries))))
        learned.step(rng.integers(len(frames), size=_QUERIES), bits, min(round(float(drawn)), len(entries)))
        if progress is not None:
            progress("refining", step + 1, schedule.steps)
    return learned.result()


class _Learned:
    """The projections, codes and masks that are being learned, and the steps that move them."""

    def __init__(self, frames: TrainingFrames, entries: IntArray, start: Start, schedule: Schedule) -> None:
        self._frames = frames
        self._top = schedule.top
        self._centred = Centred(frames.H)
        self._P, self._b = self._centred.scaled(start.projections, start.biases)
        self._z: Matrix = self._centred.rows[entries] @ self._P.T + self._b
        inner = np.clip(start.masks, 0.0, 1.0)
        self._logits: Matrix = np.log((inner + _SQUASH) / (1.0 + _SQUASH - inner)).astype(np.float32)
        self._log_tau = {bits: np.array([np.log(initial_tau(bits))], np.float32) for bits in schedule.lengths}
        self._adam = Adam(schedule.steps)

    def step(self, queries: NDArray[np.int64], bits: int, count: int) -> None:
        """Take a step on the frames `queries`, with the first `bits` bits and the first `count` entries."""
        X, P = self._centred.rows[queries], self._P[:bits]
        masks = _logistic(self._logits[:count])
        found = gradient(
            X @ P.T + self._b[:bits],
            self._z[:count, :bits],
            np.zeros((len(queries), count), np.float32),
            float(np.exp(self._log_tau[bits][0])),
            Batch(
                _levels(masks, self._top).astype(np.float32) / np.float32(self._top),
                self._frames.band_masks[queries],
                self._frames.band_weights[queries],
                np.zeros((len(queries), count), np.bool_),  # a learned entry belongs to no mixture
            ),
        )
        self._move(found, X, masks, bits, count)

    def _move(self, found: Gradient, X: Matrix, masks: Matrix, bits: int, count: int) -> None:
        """Move all parameters as Adam says; those that this step did not look at have a gradient of 0."""
        adam = self._adam
        adam.next()
        self._P -= adam.change("P", _padded(found.queries.T @ X, self._P), _RATE)
        self._b -= adam.change("b", _padded(found.queries.sum(axis=0), self._b), _RATE)
        self._z -= adam.change("z", _padded(found.references, self._z), _CODE_RATE)
        slope = _padded(found.masks * masks * (1.0 - masks), self._logits)
        self._logits -= adam.change("masks", slope, _MASK_RATE)
        tau = np.array([found.log_tau], np.float32)
        self._log_tau[bits] = self._log_tau[bits] - adam.change(f"tau {bits}", tau, _LOG_TAU_RATE)

    def result(self) -> Refined:
        """Return the learned dictionary, with its masks as levels."""
        projections, biases = self._centred.original(self._P, self._b)
        return Refined(projections, biases, self._z >= 0, _levels(_logistic(self._logits), self._top))


def _padded(part: Matrix, whole: Matrix) -> Matrix:
    """Return an array of zeros of the shape of `whole` with `part` in its first corner."""
    padded = np.zeros_like(whole)
    padded[tuple(slice(0, length) for length in part.shape)] = part
    return padded


def _levels(masks: Matrix, top: int) -> ByteArray:
    """Return masks in [0, 1] as levels 0 to `top`, the nearest, half up."""
    levels: ByteArray = np.floor(masks * np.float32(top) + np.float32(0.5)).astype(np.uint8)
    return levels


def _logistic(logits: Matrix) -> Matrix:
    masks: Matrix = np.float32(1.0) / (np.float32(1.0) + np.exp(-logits))
    return masks
