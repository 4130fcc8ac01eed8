"""Projections, codes and masks of a dictionary learned together, through the soft KNN.

An entry begins as a training frame; from there its code and its mask are free, so it comes to stand for many frames:
512 such entries denoise as well as 4096 that keep the codes of their frames. Each step looks at the first entries
only, at as many as it draws, and at the first bits only: so every prefix of the dictionary is a dictionary and the
code is good at each of the lengths, and firmware takes as much of both as it has room for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blsh_trainer.arrays import BoolArray, ByteArray, FloatArray, IntArray
from blsh_trainer.learning.soft_knn import Adam, Gradient, Matrix, gradient
from blsh_trainer.learning.supervised import Centred, initial_tau
from blsh_trainer.learning.training_frames import TrainingFrames
from blsh_trainer.progress import Progress

LEAST_SHARE = 1 / 16
"""The smallest prefix of the dictionary that is learned for, as a part of the whole."""
_WHOLE = 1.3  # prefixes are drawn up to this many times the entries: so a good part of the steps sees all of them
_QUERIES = 512
_RATE = 0.003
_CODE_RATE = 0.04
_MASK_RATE = 0.03
_LOG_TAU_RATE = 0.01
_SQUASH = 0.02  # how near to 0 and 1 a mask may start: at them the logistic function has no slope


@dataclass(frozen=True)
class Start:
    """Unit projections (L, D), biases (L,) and the masks float32 (N, B) that the entries begin with."""

    projections: FloatArray
    biases: FloatArray
    masks: Matrix


@dataclass(frozen=True)
class Refined:
    """Unit projections (L, D), biases (L,), and of the dictionary codes bool (N, L) and mask levels uint8 (N, B)."""

    projections: FloatArray
    biases: FloatArray
    code_bits: BoolArray
    mask_levels: ByteArray


def refine(
    frames: TrainingFrames,
    entries: IntArray,
    start: Start,
    lengths: Sequence[int],
    least: int,
    top: int,
    steps: int,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Refined:
    """Learn the dictionary that begins as the frames `entries` (N,), in their order, for masks of levels 0 to `top`.

    Each of `steps` steps takes 512 queries against the first n entries, n log-uniform from `least` to N, under the
    first bits, as many as one of `lengths` says. Masks are rounded to their levels before they are averaged, and
    their gradient passes the rounding. This undoes an order of the bits by significance but for the `lengths`.
    """
    learned = _Learned(frames, entries, start, lengths, steps)
    for step in range(steps):
        bits = int(lengths[int(rng.integers(len(lengths)))])
        drawn = np.exp(rng.uniform(np.log(least), np.log(_WHOLE * len(entries))))
        learned.step(rng.integers(len(frames), size=_QUERIES), bits, min(round(float(drawn)), len(entries)), top)
        if progress is not None:
            progress("refining", step + 1, steps)
    return learned.result(top)


class _Learned:
    """What is being learned, and the steps that move it."""

    def __init__(
        self, frames: TrainingFrames, entries: IntArray, start: Start, lengths: Sequence[int], steps: int
    ) -> None:
        self._frames = frames
        self._centred = Centred(frames.H)
        self._P, self._b = self._centred.scaled(start.projections, start.biases)
        self._z: Matrix = self._centred.rows[entries] @ self._P.T + self._b
        inner = np.clip(start.masks, 0.0, 1.0)
        self._logits: Matrix = np.log((inner + _SQUASH) / (1.0 + _SQUASH - inner)).astype(np.float32)
        self._log_tau = {bits: np.array([np.log(initial_tau(bits))], np.float32) for bits in lengths}
        self._adam = Adam(steps)

    def step(self, queries: NDArray[np.int64], bits: int, count: int, top: int) -> None:
        """Move what `queries`, the first `bits` bits and the first `count` entries tell about."""
        X, P = self._centred.rows[queries], self._P[:bits]
        masks = _logistic(self._logits[:count])
        found = gradient(
            X @ P.T + self._b[:bits],
            self._z[:count, :bits],
            np.zeros((len(queries), count), np.float32),
            float(np.exp(self._log_tau[bits][0])),
            _levels(masks, top).astype(np.float32) / np.float32(top),
            self._frames.band_masks[queries],
            self._frames.band_weights[queries],
            np.zeros((len(queries), count), np.bool_),  # learned codes are no mixture's own
        )
        self._move(found, X, masks, bits, count)

    def _move(self, found: Gradient, X: Matrix, masks: Matrix, bits: int, count: int) -> None:
        """Take Adam's steps; what this step did not look at has a gradient of 0."""
        adam = self._adam
        adam.next()
        self._P -= adam.change("P", _padded(found.queries.T @ X, self._P), _RATE)
        self._b -= adam.change("b", _padded(found.queries.sum(axis=0), self._b), _RATE)
        self._z -= adam.change("z", _padded(found.references, self._z), _CODE_RATE)
        slope = _padded(found.masks * masks * (1.0 - masks), self._logits)
        self._logits -= adam.change("masks", slope, _MASK_RATE)
        tau = np.array([found.log_tau], np.float32)
        self._log_tau[bits] = self._log_tau[bits] - adam.change(f"tau {bits}", tau, _LOG_TAU_RATE)

    def result(self, top: int) -> Refined:
        """Return what was learned, the masks as levels."""
        projections, biases = self._centred.original(self._P, self._b)
        return Refined(projections, biases, self._z >= 0, _levels(_logistic(self._logits), top))


def _padded(part: Matrix, whole: Matrix) -> Matrix:
    """Return `part` in the corner of zeros of the shape of `whole`."""
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
