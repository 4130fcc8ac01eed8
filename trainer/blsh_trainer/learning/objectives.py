# SPDX-License-Identifier: Apache-2.0
"""Objectives: the sum that a bit maximises over all training frames, its gradient and its weight, as sums over blocks.

Each sum adds one small float64 array of each block, in the order of the blocks. Only v = [P, b] goes out to the
blocks, and only these arrays come back.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.compute.block_pool import Pool
from blsh_trainer.compute.frame_chunks import Codes, FrameBlock, Matrix, accumulators, signs
from blsh_trainer.learning.pair_forms import PairForm, ResidualPairs

_BETA_CLIP = 1e-6


class Objective(Protocol):
    """The quadratic form b' A b of the next bit. X are the features with a column of ones, (T, D + 1)."""

    def start(self, rng: np.random.Generator) -> FloatArray:
        """Begin the next bit and return X' A X (D + 1, D + 1)."""

    def climb(self, v: FloatArray) -> tuple[float, FloatArray]:
        """Return b' A b of b = sgn(X v), and its surrogate gradient X' ((1 - tanh^2 X v) o A b) (D + 1,)."""

    def beta(self, v: FloatArray) -> float:
        """Return the weight of the bit sgn(X v) (eq. 13)."""

    def take(self, v: FloatArray, beta: float) -> None:
        """Settle the bit sgn(X v) and its weight: the next bit begins after it."""


def second_moments(pool: Pool, blocks: Sequence[Any], frames: int) -> FloatArray:
    """Return X' X / T (D + 1, D + 1) over blocks that the pool holds, of T = `frames` frames together."""
    return _total(pool.collect(pool.map(_block_moments, blocks))) / frames


class AllPairsResidual:
    """The linear residual over all pairs: A = c_l S' - sum_{m<l} b_m b_m', c_l = reach * l.

    S' = (H - mean)(H - mean)' is scaled to a mean diagonal of 1. So c_l asks of l bits what l bits can hold, however
    many bits follow. S' has rank D: A is never formed although all T x T pairs count, and a step reads the features
    twice.
    """

    def __init__(self, pool: Pool, blocks: Sequence[Any], moment: FloatArray, frames: int, reach: float) -> None:
        """Take `blocks` that the pool holds, of `frames` frames, and their `moment` X' X / T."""
        self._pool = pool
        self._blocks = blocks
        self._frames = frames
        self._mean = moment[-1, :-1]
        self._reach = reach / variance(moment)
        self._cross = moment[:, :-1] - np.outer(moment[:, -1], self._mean)  # X' (H - mean) / T
        self._codes = pool.map(Codes.empty, blocks)
        self._explained: list[FloatArray] = []  # X' b / T of each bit settled

    def _share(self) -> float:
        return self._reach * (len(self._explained) + 1)

    def start(self, rng: np.random.Generator) -> FloatArray:
        result: FloatArray = self._cross @ self._cross.T * self._share()
        for explained in self._explained:
            result -= np.outer(explained, explained)
        return result

    def climb(self, v: FloatArray) -> tuple[float, FloatArray]:
        sums, agreed = self._bit_sums(v)
        along = sums[:-1] - self._mean * sums[-1]  # (H - mean)' b / T
        value = self._share() * float(along @ along) - float(agreed @ agreed)
        direction = self._share() * np.append(along, -self._mean @ along)  # A b = X direction - B agreed
        parts = self._pool.map(_residual_gradient, self._blocks, self._codes, shared=(v, direction, agreed))
        return value, _total(self._pool.collect(parts)) / self._frames

    def beta(self, v: FloatArray) -> float:
        return 1.0  # the search counts every bit alike, and so does the residual

    def take(self, v: FloatArray, beta: float) -> None:
        sums, _ = self._bit_sums(v)
        self._explained.append(sums)
        self._codes = self._pool.map(Codes.extended, self._codes, self._blocks, shared=(v,))

    def _bit_sums(self, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return X' b / T (D + 1,) and B' b / T (l,), B the codes so far."""
        parts = self._pool.collect(self._pool.map(_bit_sums, self._blocks, self._codes, shared=(v,)))
        sums = _total(parts) / self._frames
        cut = len(self._mean) + 1
        return sums[:cut], sums[cut:]


class SegmentPairs:
    """A pair form over the pairs within segments; pairs across segments do not count.

    A bit is started and refined on `sample` segments drawn for it, whose A are held meanwhile (4 MB each at 1 000
    frames). Its error, and so its weight, is always that of all segments. If there are no more segments than `sample`,
    all segments are used throughout.
    """

    def __init__(self, pool: Pool, blocks: Sequence[Any], lengths: Sequence[int], form: PairForm, sample: int) -> None:
        """Take `blocks` that the pool holds; `lengths` are their numbers of segments."""
        self._pool = pool
        self._blocks = blocks
        self._lengths = list(lengths)
        self._form = form
        self._sample = sample
        self._codes = pool.map(Codes.empty, blocks)
        self._betas: list[float] = []
        self._held: list[Any] = []

    def start(self, rng: np.random.Generator) -> FloatArray:
        self._held = []  # freed before the next A are made: memory holds those of one bit
        chosen = self._draw(rng)
        used = [index for index, own in enumerate(chosen) if own]
        blocks = [self._blocks[index] for index in used]
        codes = [self._codes[index] for index in used]
        own = [chosen[index] for index in used]
        self._held = self._pool.map(_weighed, blocks, codes, own, shared=(self._form, np.array(self._betas)))
        return _total(self._pool.collect(self._pool.map(_WeighedSegments.within, self._held)))

    def climb(self, v: FloatArray) -> tuple[float, FloatArray]:
        total = _total(self._pool.collect(self._pool.map(_WeighedSegments.climb, self._held, shared=(v,))))
        return float(total[0]), total[1:]

    def beta(self, v: FloatArray) -> float:
        if isinstance(self._form, ResidualPairs):
            return 1.0
        total = sum(self._lengths)
        if total <= self._sample:
            errors = self._pool.map(_WeighedSegments.error, self._held, shared=(v,))
        else:
            self._held = []
            shared = (self._form, np.array(self._betas), v)
            errors = self._pool.map(_block_error, self._blocks, self._codes, shared=shared)
        epsilon = sum(self._pool.collect(errors)) / total
        epsilon = float(np.clip(epsilon, _BETA_CLIP, 1.0 - _BETA_CLIP))
        return float(np.log((1.0 - epsilon) / epsilon))

    def take(self, v: FloatArray, beta: float) -> None:
        self._betas.append(beta)
        self._codes = self._pool.map(Codes.extended, self._codes, self._blocks, shared=(v,))

    def _draw(self, rng: np.random.Generator) -> list[list[int]]:
        """Return the chosen segments of each block."""
        total = sum(self._lengths)
        chosen = np.arange(total)
        if total > self._sample:
            chosen = np.sort(rng.permutation(total)[: self._sample])
        ends = np.cumsum(self._lengths)
        starts = ends - self._lengths
        return [
            [int(index - first) for index in chosen[(chosen >= first) & (chosen < end)]]
            for first, end in zip(starts, ends, strict=True)
        ]


def variance(moment: FloatArray) -> float:
    """Return the mean squared distance of the frames from their mean, given X' X / T."""
    mean = moment[-1, :-1]
    return float(np.trace(moment[:-1, :-1]) - mean @ mean)


def segment_variance(pool: Pool, blocks: Sequence[Any], form: ResidualPairs, frames: int) -> float:
    """Return the mean diagonal of the targets, centred within their segments, over blocks that the pool holds."""
    return float(sum(pool.collect(pool.map(_centred_trace, blocks, shared=(form,)))) / frames)


class _WeighedSegments:
    """Some segments of a block, each with its A for one bit."""

    def __init__(self, parts: list[tuple[Matrix, Matrix, float]]) -> None:
        self._parts = parts

    def within(self) -> FloatArray:
        """Return X' A X."""
        return _total([_with_ones(H).T @ (A @ _with_ones(H)) for H, A, _ in self._parts])

    def climb(self, v: FloatArray) -> FloatArray:
        """Return b' A b and, after it, the surrogate gradient: (D + 2,)."""
        return _total([np.append(*_climbed(H, A, v)) for H, A, _ in self._parts])

    def error(self, v: FloatArray) -> float:
        """Return the sum of the segments' weighted errors of bit sgn(X v)."""
        return sum(_error(H, A, constant, v) for H, A, constant in self._parts)


def _weighed(block: FrameBlock, codes: Codes, chosen: list[int], form: PairForm, betas: FloatArray) -> _WeighedSegments:
    parts = []
    for index in chosen:
        H = block.segment(index)
        parts.append((H, *form.weigh(H, codes.bipolar(index), betas)))
    return _WeighedSegments(parts)


def _block_error(block: FrameBlock, codes: Codes, form: PairForm, betas: FloatArray, v: FloatArray) -> float:
    """Return the sum of the weighted errors of bit sgn(X v) over the segments of a block."""
    total = 0.0
    for index in range(len(block)):
        H = block.segment(index)
        total += _error(H, *form.weigh(H, codes.bipolar(index), betas), v)
    return total


def _error(H: Matrix, A: Matrix, constant: float, v: FloatArray) -> float:
    b = signs(H, v)
    return constant - float(b @ (A @ b))


def _climbed(H: Matrix, A: Matrix, v: FloatArray) -> tuple[float, Matrix]:
    z = accumulators(H, v)
    b = np.where(z >= 0, np.float32(1), np.float32(-1))
    pull = A @ b
    return float(b @ pull), _surrogate(H, z, pull)


def _surrogate(H: Matrix, z: Matrix, pull: Matrix) -> Matrix:
    """Return X' ((1 - tanh^2 z) o pull) (D + 1,)."""
    slope = (1 - np.tanh(z) ** 2) * pull
    return np.append(slope @ H, slope.sum())


def _block_moments(block: FrameBlock) -> FloatArray:
    return _total([_with_ones(H).T @ _with_ones(H) for H in _segments(block)])


def _bit_sums(block: FrameBlock, codes: Codes, v: FloatArray) -> FloatArray:
    """Return X' b and, after it, B' b, over a block."""
    sums = []
    for index, H in enumerate(_segments(block)):
        b = signs(H, v)
        ones = b @ codes.ones(index)
        sums.append(np.concatenate([b @ H, [b.sum()], 2 * ones - b.sum()]))
    return _total(sums)


def _residual_gradient(
    block: FrameBlock, codes: Codes, v: FloatArray, direction: FloatArray, agreed: FloatArray
) -> FloatArray:
    """Return X' ((1 - tanh^2 X v) o (X direction - B agreed)) over a block."""
    narrow, less = agreed.astype(np.float32), np.float32(agreed.sum())
    gradients = []
    for index, H in enumerate(_segments(block)):
        pull = accumulators(H, direction) - 2 * (codes.ones(index) @ narrow) + less
        gradients.append(_surrogate(H, accumulators(H, v), pull))
    return _total(gradients)


def _centred_trace(block: FrameBlock, form: ResidualPairs) -> float:
    return sum(float(np.trace(form.centred(H), dtype=np.float64)) for H in _segments(block))


def _segments(block: FrameBlock) -> Iterator[Matrix]:
    return (block.segment(index) for index in range(len(block)))


def _with_ones(H: Matrix) -> Matrix:
    return np.concatenate([H, np.ones((len(H), 1), dtype=np.float32)], axis=1)


def _total(parts: Sequence[Any]) -> FloatArray:
    """Return the sum of the parts in float64, added in their order."""
    total = np.array(parts[0], dtype=np.float64)
    for part in parts[1:]:
        total += part
    return total
