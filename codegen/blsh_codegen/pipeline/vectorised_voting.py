# SPDX-License-Identifier: Apache-2.0
"""Compute the integers of `reference_voting` for many hops at once, with numpy.

Products of matrices are in float64, where these integers are exact: their sums stay far below 2**53 (SPEC.md, 7).
"""

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.spec.constants import (
    LOG_FRACTION_BITS,
    LOG_INDEX_BITS,
    MEMORY_FAST_SHIFT,
    MEMORY_FRACTION_BITS,
    MEMORY_MIDDLE_SHIFT,
    MEMORY_PAIRS,
    MEMORY_SLOW_SHIFT,
    MEMORY_START,
    RESPONSE_ORIGIN,
    RESPONSE_SHIFT,
    START_SHIFT,
    TRACKING_START,
    VOTE_RECIPROCAL_BITS,
    VOTE_SHIFT,
    VOTE_WEIGHTS,
    log2_q5,
)
from blsh_trainer.compute.hamming_index import HammingIndex
from blsh_trainer.signals.features import steady_frames

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]

_LOG2_Q5 = log2_q5().astype(np.int64)
_MEAN_SHIFTS = np.array([[MEMORY_FAST_SHIFT], [MEMORY_MIDDLE_SHIFT], [MEMORY_SLOW_SHIFT]])


class VectorisedMemory:
    """The `memory` features of one stream: `ReferenceMemory` for many hops."""

    def __init__(self, log_origin: int) -> None:
        self._log_origin = log_origin
        self._floors: Ints = np.zeros(MEMORY_PAIRS, np.int64)
        self._means: Ints = np.zeros((3, MEMORY_PAIRS), np.int64)
        self._deviations: Ints = np.zeros((2, MEMORY_PAIRS), np.int64)

    def features(self, sums: Ints, exponents: Ints, begins: list[int | None]) -> Ints:
        """Return the features (T, 257) of the next hops from the sums (T, 64) / 2**exponents, (T, 1).

        begins: (T,), the ticks done before a hop that is the first of its tick, None for other hops.
        """
        levels = _log_levels(sums, exponents, self._log_origin)
        pairs = ((levels[:, ::2] + levels[:, 1::2] + 1) >> 1) << MEMORY_FRACTION_BITS
        floors = np.empty((len(pairs), MEMORY_PAIRS), np.int64)
        means = np.empty((len(pairs), 3, MEMORY_PAIRS), np.int64)
        deviations = np.empty((len(pairs), 2, MEMORY_PAIRS), np.int64)
        for t, (pair, ticks) in enumerate(zip(pairs, begins, strict=True)):
            if ticks is not None:
                self._move(pair, ticks)
            floors[t], means[t], deviations[t] = self._floors, self._means, self._deviations
        floors >>= MEMORY_FRACTION_BITS - 2
        means >>= MEMORY_FRACTION_BITS - 2
        deviations >>= MEMORY_FRACTION_BITS - 4
        reference = 4 * ((levels.sum(axis=1, keepdims=True) + 32) >> 6)
        held = np.concatenate([4 * levels, floors, means.reshape(-1, 3 * MEMORY_PAIRS)], axis=1) - reference
        raised = reference - ((floors.sum(axis=1, keepdims=True) + 16) >> 5)
        return np.concatenate([held, deviations.reshape(-1, 2 * MEMORY_PAIRS), raised], axis=1)

    def _move(self, pair: Ints, ticks: int) -> None:
        if ticks == 0:
            self._floors = pair
        rising = MEMORY_FAST_SHIFT if ticks < TRACKING_START else MEMORY_SLOW_SHIFT
        distance = pair - self._floors
        self._floors = self._floors + (distance >> np.where(distance < 0, MEMORY_FAST_SHIFT, rising))
        shifts = np.minimum(_MEAN_SHIFTS, (ticks + 1).bit_length() - 1)
        self._means = self._means + ((pair - self._means) >> shifts)
        away = np.abs(pair - self._means[1:])
        self._deviations = self._deviations + ((away - self._deviations) >> shifts[1:])


class Ballot:
    """The codes and votes of a model, for many hops at once."""

    def __init__(self, model: VotingIntegers) -> None:
        self._model = model
        codes = model.code_bits().reshape(model.dictionaries, model.entries, model.bits)
        self._indices = [HammingIndex(bits) for bits in codes]
        self._weights = np.pad(model.weights.astype(np.int64), ((0, 0), (0, 1)))
        self._votes = model.votes.astype(np.int64)
        self._bit_votes = None
        if model.bit_votes is not None:
            self._bit_votes = model.bit_votes.astype(np.float64).reshape(-1, model.mask_bands)

    def codes(self, accumulators: Ints) -> Bits:
        """Return the codes (T, L) of accumulators (T, P)."""
        return np.asarray(accumulators[:, :, None] >= self._model.thresholds).reshape(len(accumulators), -1)

    def neighbours(self, codes: Bits) -> tuple[Ints, Ints]:
        """Return index and distance, (T, G K) each, of the neighbours of codes (T, L), dictionary after dictionary."""
        found = [index.search(codes, self._model.neighbours) for index in self._indices]
        places = [near + group * self._model.entries for group, (near, _) in enumerate(found)]
        return np.concatenate(places, axis=1), np.concatenate([distances for _, distances in found], axis=1)

    def votes(self, codes: Bits, indices: Ints, distances: Ints) -> Ints:
        """Return the sums of votes of the bands, (T, W)."""
        model = self._model
        sums = self._sums_of_bits(codes)
        for group, bands in enumerate(model.groups):
            part = slice(group * model.neighbours, (group + 1) * model.neighbours)
            behind = distances[:, part] - distances[:, part][:, :1]
            weights = self._weights[group][np.minimum(behind, VOTE_WEIGHTS)]
            levels = self._votes[:, bands][indices[:, part] - group * model.entries]
            totals = (weights[:, :, None] * levels).sum(axis=1)
            reciprocals = (1 << VOTE_RECIPROCAL_BITS) // weights.sum(axis=1, keepdims=True)
            sums[:, bands] += (totals * reciprocals + (1 << VOTE_SHIFT >> 1)) >> VOTE_SHIFT
        return sums

    def of_rules(self, features: Ints, ticks: Ints) -> Ints:
        """Return what is added to all sums of votes, (T, 1); ticks: (T,), those done before each hop."""
        left = MEMORY_START - ticks
        started = self._model.start_votes * left >> START_SHIFT
        calm = np.where(steady_frames(features), -self._model.steady_votes, 0)
        return np.where(left > 0, started, calm)[:, None]

    def response(self, votes: Ints) -> Ints:
        """Return the gains (T, W) for settled sums of votes."""
        steps = (votes + (1 << RESPONSE_SHIFT >> 1)) >> RESPONSE_SHIFT
        gains: Ints = self._model.response_q14.astype(np.int64)[steps + RESPONSE_ORIGIN]
        return gains

    def _sums_of_bits(self, codes: Bits) -> Ints:
        if self._bit_votes is None:
            return np.zeros((len(codes), self._model.mask_bands), np.int64)
        each = self._model.thresholds_each
        passed = codes.reshape(len(codes), -1, each).sum(axis=2)
        chosen = (passed[:, :, None] == np.arange(each + 1)).reshape(len(codes), -1)
        return np.asarray(chosen.astype(np.float64) @ self._bit_votes, np.int64)


def exact_product(rows: Ints, columns: npt.NDArray[np.int8]) -> Ints:
    """Return the products (T, P) of rows (T, D) with columns (P, D), whose sums float64 holds exactly."""
    return (rows.astype(np.float64) @ columns.T.astype(np.float64)).astype(np.int64)


def _log_levels(sums: Ints, exponents: Ints, origin: int) -> Ints:
    bits = np.frexp(sums.astype(np.float64))[1].astype(np.int64)
    index = (sums << (32 - bits)) >> (31 - LOG_INDEX_BITS) & ((1 << LOG_INDEX_BITS) - 1)
    levels = ((bits - 1 - exponents) << LOG_FRACTION_BITS) + _LOG2_Q5[index] - origin
    return np.where(sums > 0, np.maximum(levels, 0), 0)
