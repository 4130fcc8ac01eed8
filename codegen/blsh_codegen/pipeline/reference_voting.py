# SPDX-License-Identifier: Apache-2.0
"""Compute what voting models add to a hop, in plain Python integers: the scalar reference of `memory` and votes.

Like `reference`, it is written to be read beside docs/SPEC.md, 5, and decides with it where implementations differ.
"""

from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.spec.constants import (
    LEAST_VOTES,
    LOG_FRACTION_BITS,
    LOG_INDEX_BITS,
    MEMORY_FAST_SHIFT,
    MEMORY_FRACTION_BITS,
    MEMORY_MIDDLE_SHIFT,
    MEMORY_PAIRS,
    MEMORY_SLOW_SHIFT,
    MEMORY_START,
    MOST_VOTES,
    RESPONSE_ORIGIN,
    RESPONSE_SHIFT,
    START_SHIFT,
    STEADY_DEVIATION,
    STEADY_RISE,
    TRACKING_START,
    VOTE_RECIPROCAL_BITS,
    VOTE_SHIFT,
    VOTE_WEIGHTS,
    log2_q5,
    rounded_shift,
)

_LOG2_Q5 = [int(value) for value in log2_q5()]
_MEAN_SHIFTS = (MEMORY_FAST_SHIFT, MEMORY_MIDDLE_SHIFT, MEMORY_SLOW_SHIFT)
_UNIT_SHIFT = MEMORY_FRACTION_BITS - 2  # from the state's unit to that of a feature, a quarter of a step
_DEVIATION_SHIFT = MEMORY_FRACTION_BITS - 4


class ReferenceMemory:
    """The `memory` features of a stream, and the state of each pair of bands between its hops.

    log_origin: of the model.
    """

    def __init__(self, log_origin: int) -> None:
        self._log_origin = log_origin
        self._floors: list[int] = []
        self._means: list[list[int]] = []  # of the shifts 2, 4 and 6
        self._deviations: list[list[int]] = []  # of the shifts 4 and 6

    def features(self, sums: list[int], exponent: int, ticks: int | None) -> list[int]:
        """Return the features of a hop, 257, from the filtered magnitudes, 64 sums F / 2**exponent.

        ticks: those done before, counted to 64, in the first hop of a tick; None in others, which leave the state.
        """
        levels = [_log_level(total, exponent, self._log_origin) for total in sums]
        pairs = [(a + b + 1 >> 1) << MEMORY_FRACTION_BITS for a, b in zip(levels[::2], levels[1::2], strict=True)]
        if ticks is not None:
            self._move(pairs, ticks)
        reference = sum(levels) + (len(levels) >> 1) >> 6
        floors = [n >> _UNIT_SHIFT for n in self._floors]
        return [
            *(4 * (level - reference) for level in levels),
            *(n - 4 * reference for n in floors),
            *((m >> _UNIT_SHIFT) - 4 * reference for means in self._means for m in means),
            *(d >> _DEVIATION_SHIFT for deviations in self._deviations for d in deviations),
            4 * reference - (sum(floors) + (len(floors) >> 1) >> 5),
        ]

    def _move(self, pairs: list[int], ticks: int) -> None:
        if ticks == 0:
            self._floors = list(pairs)
            self._means = [list(pairs) for _ in _MEAN_SHIFTS]
            self._deviations = [[0] * len(pairs) for _ in _MEAN_SHIFTS[1:]]
        else:
            rising = MEMORY_FAST_SHIFT if ticks < TRACKING_START else MEMORY_SLOW_SHIFT
            fastest = (ticks + 1).bit_length() - 1
            for j, x in enumerate(pairs):
                n = self._floors[j]
                self._floors[j] += x - n >> (MEMORY_FAST_SHIFT if x < n else rising)
                for means, shift in zip(self._means, _MEAN_SHIFTS, strict=True):
                    means[j] += x - means[j] >> min(shift, fastest)
                for means, deviations, shift in zip(self._means[1:], self._deviations, _MEAN_SHIFTS[1:], strict=True):
                    deviations[j] += abs(x - means[j]) - deviations[j] >> min(shift, fastest)


def _log_level(total: int, exponent: int, origin: int) -> int:
    """Return the binary logarithm of total / 2**exponent in steps of 1/32, above the origin; 0 for 0."""
    if total == 0:
        return 0
    bits = total.bit_length()
    index = (total << 32 - bits) >> 31 - LOG_INDEX_BITS & (1 << LOG_INDEX_BITS) - 1
    return max(0, (bits - 1 - exponent << LOG_FRACTION_BITS) + _LOG2_Q5[index] - origin)


def thermometer(accumulators: list[int], model: VotingIntegers) -> list[bool]:
    """Return the code, L bits: T for each projection, those of the thresholds that it reaches."""
    return [
        accumulator >= threshold
        for accumulator, row in zip(accumulators, model.thresholds.tolist(), strict=True)
        for threshold in row
    ]


def votes_of_rules(features: list[int], ticks: int, model: VotingIntegers) -> int:
    """Return what is added to the sum of votes of all bands in a hop with these features; ticks: those done before."""
    if ticks < MEMORY_START:
        return model.start_votes * (MEMORY_START - ticks) >> START_SHIFT
    pairs = range(MEMORY_PAIRS)
    slow, strays = features[5 * MEMORY_PAIRS :], features[7 * MEMORY_PAIRS :]
    steady = all(
        features[2 * j] + features[2 * j + 1] - 2 * slow[j] <= STEADY_RISE and strays[j] <= STEADY_DEVIATION
        for j in pairs
    )
    return -model.steady_votes if steady else 0


def limited_votes(code: list[bool], neighbours: list[tuple[int, int]], added: int, model: VotingIntegers) -> list[int]:
    """Return the sum of votes of each band, within its limits, from the code and the (index, distance) of neighbours.

    added: the votes of rules.
    """
    return [min(max(total + added, LEAST_VOTES), MOST_VOTES) for total in _sums_of_votes(code, neighbours, model)]


def response_to(votes: int, model: VotingIntegers) -> int:
    """Return the gain for a settled sum of votes."""
    return int(model.response_q14[rounded_shift(votes, RESPONSE_SHIFT) + RESPONSE_ORIGIN])


def _sums_of_votes(code: list[bool], neighbours: list[tuple[int, int]], model: VotingIntegers) -> list[int]:
    sums = [0] * model.mask_bands
    each = model.thresholds_each
    if model.bit_votes is not None:
        for p, row in enumerate(model.bit_votes.tolist()):
            passed = sum(code[p * each : (p + 1) * each])
            sums = [total + vote for total, vote in zip(sums, row[passed], strict=True)]
    for g, bands in enumerate(model.groups):
        found = neighbours[g * model.neighbours : (g + 1) * model.neighbours]
        weights = [_weight(model, g, distance - found[0][1]) for _, distance in found]
        reciprocal = (1 << VOTE_RECIPROCAL_BITS) // sum(weights)
        for w in range(bands.start, bands.stop):
            total = sum(
                weight * int(model.votes[index - g * model.entries, w])
                for weight, (index, _) in zip(weights, found, strict=True)
            )
            sums[w] += rounded_shift(total * reciprocal, VOTE_SHIFT)
    return sums


def _weight(model: VotingIntegers, group: int, behind: int) -> int:
    return int(model.weights[group, behind]) if behind < VOTE_WEIGHTS else 0
