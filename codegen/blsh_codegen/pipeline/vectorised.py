# SPDX-License-Identifier: Apache-2.0
"""Compute the integers of `reference` for all hops of a recording at once, with numpy.

Tests hold it to the scalar reference bit for bit. It is used wherever minutes of audio go through the fixed path.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice, repeat

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.quantise import IntegerModel, MaskIntegers
from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.pipeline.vectorised_transform import Pair, mul_q16, real_samples, real_spectrum
from blsh_codegen.pipeline.vectorised_voting import Ballot, VectorisedMemory, exact_product
from blsh_codegen.spec.constants import (
    ATTENUATION_OFF,
    BIAS_FRACTION_BITS,
    ENERGY_SHIFT,
    FEATURE_BITS,
    LEAST_VOTES,
    LOG_FRACTION_BITS,
    LOG_INDEX_BITS,
    MAGNITUDE_Q14,
    MEMORY_START,
    MOST_ACTIVITY,
    MOST_VOTES,
    NORM_BITS,
    OVERLAP_FRACTION_BITS,
    PEAK_BITS,
    PEAK_BLOCK,
    STEP_DB_Q16,
    THIRD_Q16,
    TRACKED_BITS,
    TRACKING_FAST_SHIFT,
    TRACKING_SLOW_SHIFT,
    TRACKING_START,
    least_q14,
    log2_q5,
    mask_shift,
    overlap_scale,
    round_trip_shift,
    tracked_fraction_bits,
)
from blsh_codegen.spec.packing import pack_words
from blsh_codegen.spec.stages import HopVectors
from blsh_trainer.compute.hamming_index import HammingIndex
from blsh_trainer.model.attenuation import check_attenuation
from blsh_trainer.signals.geometry import Geometry

Ints = npt.NDArray[np.int64]

_CHUNK = 512  # hops computed at a time: they take some 30 MB
_LEAST = least_q14().astype(np.int64)
_LOG2 = log2_q5().astype(np.int64)


def _rounded_shift(value: Ints, bits: int | Ints) -> Ints:
    return (value + (np.int64(1) << bits >> 1)) >> bits


def _shifted(value: Ints, left: Ints) -> Ints:
    right = np.maximum(-left, 0)
    return np.where(left >= 0, value << np.maximum(left, 0), _rounded_shift(value, right))


def _floor_sqrt(squares: Ints) -> Ints:
    """Return the exact floor of square roots, for values below 2**52, where float64 is exact to one step."""
    root = np.sqrt(squares.astype(np.float64)).astype(np.int64)
    root -= root * root > squares
    root += (root + 1) * (root + 1) <= squares
    return root


@dataclass(frozen=True)
class Vectors:
    """The values of all hops of a recording: row t is hop t, laid out as in `HopVectors`."""

    window: Ints
    spectrum: Ints
    features: Ints
    accumulators: Ints
    code: Ints
    neighbours: Ints
    mask: Ints
    output: Ints
    activity: Ints
    reduction_db: Ints

    def hop(self, t: int) -> HopVectors:
        """Return the stages of hop t, in the types of the device."""
        return HopVectors(
            window=self.window[t].astype(np.int32),
            spectrum=self.spectrum[t].astype(np.int32),
            features=self.features[t].astype(np.int16),
            accumulators=self.accumulators[t],
            code=self.code[t].astype(np.uint32),
            neighbours=self.neighbours[t].astype(np.uint32),
            mask=self.mask[t].astype(np.int16),
            output=self.output[t].astype(np.int16),
            activity=int(self.activity[t]),
            reduction_db=int(self.reduction_db[t]),
        )


class _State:
    """The state of a stream between two hops; None: set by the first hop."""

    def __init__(self, model: IntegerModel) -> None:
        self.history: Ints = np.zeros(model.geometry.history, np.int64)
        self.overlap: Ints = np.zeros(model.geometry.lag, np.int64)
        self.noise_floors: Ints | None = None
        self.memory = VectorisedMemory(model.log_origin)
        self.smoothed: Ints | None = None
        self.least: Ints = np.zeros((0, 1), np.int64)  # the least gain in each hop of a chunk
        self.hops = 0


class VectorisedDenoiser:
    """The fixed path over whole recordings. The output lags the input by M - H samples, as on the device."""

    def __init__(self, model: IntegerModel) -> None:
        self.model = model
        self._rule = _rule_of(model)
        self._mel = None if model.mel is None else model.mel.dense(model.geometry.bins).T

    def stages(self, samples: npt.NDArray[np.int16], limits: Sequence[int] | None = None) -> Vectors:
        """Return all values of every hop. samples: int16, whole hops. Takes up to 40 KiB of memory a hop.

        limits: as of `stream`.
        """
        parts = [[getattr(part, each.name) for each in fields(Vectors)] for part in self.chunks(samples, limits)]
        return Vectors(*(np.concatenate(stage) for stage in zip(*parts, strict=True)))

    def hops(self, samples: npt.NDArray[np.int16], limits: Sequence[int] | None = None) -> npt.NDArray[np.int16]:
        """Return the output for `samples`, int16, whole hops: as many samples, as late as the device gives them.

        limits: as of `stream`.
        """
        return np.concatenate([part.output for part in self.chunks(samples, limits)]).reshape(-1).astype(np.int16)

    def denoise(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """Denoise a recording, int16, of any length; the output has its length and is aligned with it."""
        geometry = self.model.geometry
        return self.hops(padded_to_hops(samples, geometry))[geometry.lag : geometry.lag + len(samples)]

    def chunks(self, samples: npt.NDArray[np.int16], limits: Sequence[int] | None = None) -> Iterator[Vectors]:
        """Yield the values of `samples` (int16, whole hops) in order, 512 hops at a time. limits: as of `stream`."""
        hop = self.model.geometry.hop
        if len(samples) == 0 or len(samples) % hop:
            raise ValueError(f"{len(samples)} samples are not whole hops of {hop}")
        return self.stream(samples.reshape(-1, hop), limits)

    def stream(self, hops: Iterable[npt.NDArray[np.int16]], limits: Iterable[int] | None = None) -> Iterator[Vectors]:
        """Yield the values of a stream of hops, int16 (H,) each, as they come, 512 hops at a time.

        limits: that of attenuation in each hop, 0 to 60 dB or ATTENUATION_OFF; the model's own in all where there are
        none. BlshError for another number.
        """
        geometry = self.model.geometry
        state = _State(self.model)
        rest, limit_of_hop = iter(hops), iter(repeat(self.model.attenuation) if limits is None else limits)
        while taken := list(islice(rest, _CHUNK)):
            state.least = _least_gains(list(islice(limit_of_hop, len(taken))))
            padded = np.concatenate([state.history, *taken], dtype=np.int64)
            state.history = padded[-geometry.history :]
            frames = np.lib.stride_tricks.sliding_window_view(padded, geometry.window)[:: geometry.hop]
            *stages, activity, pieces = self._hops(frames, state)
            output, state.overlap = _overlap_add(pieces, state.overlap, geometry)
            state.hops += len(pieces)
            delayed = _loudness(frames[:, -geometry.synthesis :][:, : geometry.hop])
            reduction = np.maximum(0, _rounded_shift(STEP_DB_Q16 * (delayed - _loudness(output)), 16))
            yield Vectors(*[*stages, output, np.where(delayed > 0, activity, 0), reduction])

    def _hops(self, frames: Ints, state: _State) -> tuple[Ints, ...]:
        geometry, window = self.model.geometry, self.model.window_q14.astype(np.int64)
        blocks = (frames ^ (frames >> 15)).reshape(len(frames), -1, PEAK_BLOCK)
        ends = np.append(window[::PEAK_BLOCK], 0)
        bound = ((np.bitwise_or.reduce(blocks, axis=2) + 1) * np.maximum(ends[:-1], ends[1:])).max(axis=1)[:, None]
        shift = PEAK_BITS - _bit_length(bound - 1)
        windowed = (frames * window << (shift + 1)) >> 1
        re, im = real_spectrum(windowed)
        features = self._features(re, im, shift, state)
        decision = self._rule.decide(features, _ticks(self.model, state.hops, len(frames)))
        gains = self._rule.gains(self._smooth(decision.unsettled, state))
        activity = _mean_squares(gains[:, : self.model.active_bands])
        gains = np.maximum(gains, state.least)
        if self.model.band_edges is not None:
            gains = np.repeat(gains, np.diff(self.model.band_edges), axis=1)
        masked = (mul_q16(part << mask_shift(geometry.window), gains) for part in (re, im))
        samples = real_samples(*masked)[:, -geometry.synthesis :]
        raised = samples << round_trip_shift(geometry.window) - 1
        pieces = mul_q16(raised, self.model.synthesis_q14.astype(np.int64)) >> (shift + 1)
        return (
            np.concatenate([shift, windowed], axis=1),
            np.stack([re, im], axis=2).reshape(len(frames), -1),
            features,
            decision.accumulators,
            pack_words(decision.bits).astype(np.int64),
            np.stack([decision.indices, decision.distances], axis=2).reshape(len(frames), -1),
            gains,
            activity,
            pieces,
        )

    def _features(self, re: Ints, im: Ints, shift: Ints, state: _State) -> Ints:
        re, im = re ^ (re >> 31), im ^ (im >> 31)
        drop = np.maximum(0, _bit_length(np.maximum(re, im).max(axis=1, keepdims=True)) - FEATURE_BITS)
        magnitudes = _magnitudes(re >> drop, im >> drop)
        if self._mel is None:
            return magnitudes >> 1
        sums = magnitudes @ self._mel
        geometry, begins = self.model.geometry, _tick_begins(self.model, state.hops, len(sums))
        if self.model.feature_kind.memory:
            return state.memory.features(sums, shift - drop, begins)
        if not self.model.feature_kind.tracked:
            return sums >> 16
        levels = _scaled_root(sums, shift - drop, tracked_fraction_bits(geometry.window))
        values = np.concatenate([levels, _noise_floors(levels, state, begins)], axis=1)
        drop = np.maximum(0, _bit_length(values.max(axis=1, keepdims=True)) - TRACKED_BITS)
        return _rounded_shift(values, drop)

    def _smooth(self, unsettled: Ints, state: _State) -> Ints:
        """Return what the bands have (T, W), smoothed in place."""
        model = self.model
        rising, falling = model.smoothing, model.smoothing_down
        if rising or falling:
            before = unsettled[0] if state.smoothed is None else state.smoothed
            for row in unsettled:
                kept = np.where(row >= before, rising, falling)
                row[:] = (kept * before + (16 - kept) * row + 8) >> 4
                before = row
            state.smoothed = before
        return unsettled


@dataclass(frozen=True)
class _Decision:
    """What a model makes of features: accumulators (T, P), codes (T, L), neighbours (T, G K).

    unsettled: what is smoothed, (T, W): the gains of bands, or of a voting model their sums of votes.
    """

    accumulators: Ints
    bits: npt.NDArray[np.bool_]
    indices: Ints
    distances: Ints
    unsettled: Ints


class _MaskRule:
    """The signs of biased projections, and the mean masks of the nearest entries."""

    def __init__(self, model: MaskIntegers) -> None:
        self._model = model
        self._index = HammingIndex(model.code_bits())
        self._mask_levels = model.mask_levels()

    def decide(self, features: Ints, _ticks: Ints) -> _Decision:
        model = self._model
        norm = _floor_sqrt((features * features).sum(axis=1))
        drop = np.maximum(0, _bit_length(norm) - NORM_BITS)[:, None]
        bias = (model.bias_q3.astype(np.int64) * (norm[:, None] >> drop)) >> (BIAS_FRACTION_BITS - drop)
        accumulators = features @ model.projection_q7.astype(np.int64).T + bias
        bits = accumulators >= 0
        indices, distances = self._index.search(bits, model.neighbours)
        votes = self._mask_levels[indices].sum(axis=1, dtype=np.int64)
        return _Decision(accumulators, bits, indices, distances, model.gain_q14.astype(np.int64)[votes])

    def gains(self, settled: Ints) -> Ints:
        return settled


class _VotingRule:
    """The thermometer codes of a voting model, and its votes."""

    def __init__(self, model: VotingIntegers) -> None:
        self._rows = model.projection_q7
        self._ballot = Ballot(model)

    def decide(self, features: Ints, ticks: Ints) -> _Decision:
        accumulators = exact_product(features, self._rows)
        bits = self._ballot.codes(accumulators)
        indices, distances = self._ballot.neighbours(bits)
        votes = self._ballot.votes(bits, indices, distances) + self._ballot.of_rules(features, ticks)
        votes = np.clip(votes, LEAST_VOTES, MOST_VOTES)
        return _Decision(accumulators, bits, indices, distances, votes)

    def gains(self, settled: Ints) -> Ints:
        return self._ballot.response(settled)


def _rule_of(model: IntegerModel) -> _MaskRule | _VotingRule:
    if isinstance(model, VotingIntegers):
        return _VotingRule(model)
    assert isinstance(model, MaskIntegers)
    return _MaskRule(model)


def _least_gains(limits: list[int]) -> Ints:
    """Return the least gain (T, 1) with each limit of attenuation."""
    for limit in limits:
        check_attenuation(limit)
    return np.array([0 if limit == ATTENUATION_OFF else _LEAST[limit] for limit in limits], np.int64)[:, None]


def _mean_squares(gains: Ints) -> Ints:
    """Return 255 times the mean square of the gains (T, W), rounded, (T,)."""
    one = 256 * gains.shape[1]
    energy: Ints = (gains * gains).sum(axis=1) >> ENERGY_SHIFT
    shares: Ints = (MOST_ACTIVITY * energy + one // 2) // one
    return shares


def _loudness(samples: Ints) -> Ints:
    """Return the binary logarithm of the sum of squares of samples (T, n), in steps of 1/32, (T,); 0 for 0."""
    energy = (samples * samples).sum(axis=1)
    bits = np.maximum(_bit_length(energy), 1)
    index = ((energy << LOG_INDEX_BITS) >> (bits - 1)) & ((1 << LOG_INDEX_BITS) - 1)
    return np.where(energy > 0, ((bits - 1) << LOG_FRACTION_BITS) + _LOG2[index], 0)


def _magnitudes(re: Ints, im: Ints) -> Ints:
    a, b = np.maximum(re, im), np.minimum(re, im)
    largest: Ints = np.maximum.reduce([c * a + d * b for c, d in MAGNITUDE_Q14])
    return (largest + 0x2000) >> 14


def _scaled_root(values: Ints, exponent: Ints, fraction_bits: int) -> Ints:
    raised = 32 - _bit_length(values)
    raised -= (raised + exponent) & 1
    return _shifted(_floor_sqrt(values << raised), fraction_bits - ((raised + exponent) >> 1))


def _ticks(model: IntegerModel, hops: int, count: int) -> Ints:
    """Return the ticks done before each of the next `count` hops of a stream, counted to 64; hops: those done."""
    return np.minimum((hops + np.arange(count)) // model.geometry.hops_per_tick, MEMORY_START)


def _tick_begins(model: IntegerModel, hops: int, count: int) -> list[int | None]:
    """Return the same for hops that are the first of their tick, and None for others."""
    each = model.geometry.hops_per_tick
    ticks = _ticks(model, hops, count).tolist()
    return [tick if (hops + t) % each == 0 else None for t, tick in enumerate(ticks)]


def _noise_floors(levels: Ints, state: _State, begins: list[int | None]) -> Ints:
    floors = np.empty_like(levels)
    before = levels[0] if state.noise_floors is None else state.noise_floors
    for row, level, ticks in zip(floors, levels, begins, strict=True):
        if ticks is not None:
            rising = TRACKING_FAST_SHIFT if ticks < TRACKING_START else TRACKING_SLOW_SHIFT
            distance = level - before
            before = before + _rounded_shift(distance, np.where(distance < 0, TRACKING_FAST_SHIFT, rising))
        row[:] = before
    state.noise_floors = before
    return floors


def _overlap_add(pieces: Ints, overlap: Ints, geometry: Geometry) -> Pair:
    hops, hop, lag = len(pieces), geometry.hop, geometry.lag // geometry.hop
    total = np.zeros((hops + lag, hop), np.int64)
    total[:lag] += overlap.reshape(lag, hop)
    for part in range(geometry.synthesis // hop):
        total[part : part + hops] += pieces[:, part * hop : (part + 1) * hop]
    thirds, exponent = overlap_scale(geometry)
    bits = OVERLAP_FRACTION_BITS + exponent
    done = total[:hops]
    steps = _rounded_shift(mul_q16(done, THIRD_Q16), bits - 1) if thirds else _rounded_shift(done, bits)
    return np.clip(steps, -32768, 32767), total[hops:].reshape(-1)


def _bit_length(values: Ints) -> Ints:
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def padded_to_hops(samples: npt.NDArray[np.int16], geometry: Geometry) -> npt.NDArray[np.int16]:
    """Return `samples` with zeros behind, whole hops: enough for the last sample to come out of the device."""
    length = geometry.hops_of(len(samples)) * geometry.hop
    return np.concatenate([samples, np.zeros(length - len(samples), np.int16)])
