# SPDX-License-Identifier: Apache-2.0
"""Compute the integers of `reference` for all hops of a recording at once, with numpy.

Tests hold it to the scalar reference bit for bit. It is used wherever minutes of audio go through the fixed path.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from itertools import islice

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.quantise import IntegerModel, MaskIntegers
from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.pipeline.vectorised_voting import Ballot, VectorisedMemory, exact_product
from blsh_codegen.spec.constants import (
    BIAS_FRACTION_BITS,
    BINS,
    FEATURE_BITS,
    FFT_POINTS,
    HISTORY,
    HOP,
    LEAST_VOTES,
    MAGNITUDE_Q14,
    MOST_VOTES,
    NORM_BITS,
    OVERLAP_FRACTION_BITS,
    PEAK_BITS,
    PEAK_BLOCK,
    THIRD_Q16,
    TRACKED_BITS,
    TRACKED_FRACTION_BITS,
    TRACKING_FAST_SHIFT,
    TRACKING_SLOW_SHIFT,
    TRACKING_START,
    WINDOW,
    digit_reversed,
    sine_q14,
    window_q14,
)
from blsh_codegen.spec.packing import pack_words
from blsh_codegen.spec.stages import HopVectors
from blsh_trainer.compute.hamming_index import HammingIndex
from blsh_trainer.signals.geometry import Geometry

Ints = npt.NDArray[np.int64]
Pair = tuple[Ints, Ints]

_HALF = window_q14().astype(np.int64)
_WINDOW = np.concatenate([_HALF, _HALF[511:0:-1]])
_SINE = sine_q14().astype(np.int64)
_ORDER = np.array([digit_reversed(i) for i in range(FFT_POINTS)])
_PEAK_WINDOW = _HALF[[PEAK_BLOCK * min(b + 1, 16 - b) for b in range(WINDOW // PEAK_BLOCK)]]
_CHUNK = 512  # hops computed at a time: they take some 30 MB


def _rounded_shift(value: Ints, bits: int | Ints) -> Ints:
    return (value + (np.int64(1) << bits >> 1)) >> bits


def _shifted(value: Ints, left: Ints) -> Ints:
    right = np.maximum(-left, 0)
    return np.where(left >= 0, value << np.maximum(left, 0), _rounded_shift(value, right))


def _mul_q16(value: Ints, factor: Ints | int) -> Ints:
    return value * factor >> 16


def _turn(value: Pair, index: Ints, sign: int) -> Pair:
    """Return value * exp(-sign 2 pi j index / 1024) / 4, each product floored as in the reference."""
    cos, sin = _SINE[index + 256 & 1023], _SINE[index]
    re, im = value
    if sign > 0:
        return _mul_q16(re, cos) + _mul_q16(im, sin), _mul_q16(im, cos) - _mul_q16(re, sin)
    return _mul_q16(re, cos) - _mul_q16(im, sin), _mul_q16(im, cos) + _mul_q16(re, sin)


def _butterfly4(a: Pair, b: Pair, c: Pair, d: Pair) -> list[Pair]:
    s0, s1 = (a[0] + c[0], a[1] + c[1]), (a[0] - c[0], a[1] - c[1])
    s2, s3 = (b[0] + d[0], b[1] + d[1]), (b[0] - d[0], b[1] - d[1])
    return [
        (s0[0] + s2[0], s0[1] + s2[1]),
        (s1[0] + s3[1], s1[1] - s3[0]),
        (s0[0] - s2[0], s0[1] - s2[1]),
        (s1[0] - s3[1], s1[1] + s3[0]),
    ]


def fft512(re: Ints, im: Ints) -> Pair:
    """Return the DFT of rows of 512 complex points, (T, 512), scaled by 2**-8: `reference.fft512` of each row."""
    rows = re.shape[0]
    z = re[:, _ORDER], im[:, _ORDER]
    for size, radix in ((4, 4), (16, 4), (32, 2), (128, 4), (512, 4)):
        quarter = size // radix
        re, im = (part.reshape(rows, FFT_POINTS // size, radix, quarter) for part in z)
        points: list[Pair] = [(re[:, :, r], im[:, :, r]) for r in range(radix)]
        if size > 4:
            k = np.arange(quarter) * (WINDOW // size)
            first = points[0][0] >> 2, points[0][1] >> 2
            points = [first] + [_turn(points[r], r * k, 1) for r in range(1, radix)]
        if radix == 2:
            (ar, ai), (br, bi) = points
            out: list[Pair] = [(ar + br, ai + bi), (ar - br, ai - bi)]
        else:
            out = _butterfly4(*points)
        z = (
            np.stack([part for part, _ in out], axis=2).reshape(rows, FFT_POINTS),
            np.stack([part for _, part in out], axis=2).reshape(rows, FFT_POINTS),
        )
    return z


def _split(re: Ints, im: Ints, mirror: Ints, sign: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the even and odd parts of bins 0 to 256 and their mirrors: er, ei, tr, ti of SPEC.md, 4.3 and 6.1."""
    k = np.arange(FFT_POINTS // 2 + 1)
    ar, ai, br, bi = re[:, k], im[:, k], re[:, mirror], im[:, mirror]
    tr, ti = _turn((ar - br, ai + bi), k, sign)
    return ar + br >> 2, ai - bi >> 2, tr, ti


def real_spectrum(samples: Ints) -> Pair:
    """Return bins 0 to 512 of rows of 1024 samples: `reference.real_spectrum` for each row."""
    k = np.arange(FFT_POINTS // 2 + 1)
    er, ei, tr, ti = _split(*fft512(samples[:, 0::2], samples[:, 1::2]), -k % FFT_POINTS, 1)
    re, im = np.empty((2, samples.shape[0], BINS), np.int64)
    re[:, k], im[:, k] = er + ti, ei - tr
    re[:, FFT_POINTS - k], im[:, FFT_POINTS - k] = er - ti, -(ei + tr)
    return re, im


def real_samples(re: Ints, im: Ints) -> Ints:
    """Return rows of 1024 samples from bins 0 to 512: `reference.real_samples` of each row."""
    k = np.arange(FFT_POINTS // 2 + 1)
    er, ei, tr, ti = _split(re, im, FFT_POINTS - k, -1)
    zr, zi = np.empty((2, re.shape[0], FFT_POINTS), np.int64)
    zr[:, k], zi[:, k] = er - ti, ei + tr
    zr[:, FFT_POINTS - k[1:]], zi[:, FFT_POINTS - k[1:]] = (er + ti)[:, 1:], (tr - ei)[:, 1:]
    out_im, out_re = fft512(zi, zr)
    return np.stack([out_re, out_im], axis=2).reshape(-1, WINDOW)


def _floor_sqrt(squares: Ints) -> Ints:
    """Return the exact floor of square roots, for values below 2**52, where float64 is exact to one step."""
    root = np.sqrt(squares.astype(np.float64)).astype(np.int64)
    root -= root * root > squares
    root += (root + 1) * (root + 1) <= squares
    return root


@dataclass(frozen=True)
class Vectors:
    """The stages of all hops of a recording: row t is hop t, laid out as in `HopVectors`."""

    window: Ints
    spectrum: Ints
    features: Ints
    accumulators: Ints
    code: Ints
    neighbours: Ints
    mask: Ints
    output: Ints

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
        )


@dataclass
class _State:
    """The state of a stream between two hops; None: set by the first hop."""

    history: Ints = field(default_factory=lambda: np.zeros(HISTORY, np.int64))
    overlap: Ints = field(default_factory=lambda: np.zeros(HISTORY, np.int64))
    noise_floors: Ints | None = None
    memory: VectorisedMemory = field(default_factory=VectorisedMemory)
    smoothed: Ints | None = None
    hops: int = 0


class VectorisedDenoiser:
    """The fixed path over whole recordings. The output lags the input by 768 samples, as on the device."""

    def __init__(self, model: IntegerModel) -> None:
        self.model = model
        self._rule = _rule_of(model)

    def stages(self, samples: npt.NDArray[np.int16]) -> Vectors:
        """Return every stage of every hop. samples: int16, whole hops. Takes about 40 KiB of memory a hop."""
        parts = [[getattr(part, each.name) for each in fields(Vectors)] for part in self.chunks(samples)]
        return Vectors(*(np.concatenate(stage) for stage in zip(*parts, strict=True)))

    def hops(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """Return the output for `samples`, int16, whole hops: as many samples, 768 late, as the device gives them."""
        return np.concatenate([part.output for part in self.chunks(samples)]).reshape(-1).astype(np.int16)

    def denoise(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """Denoise a recording, int16, of any length; the output has its length and is aligned with it."""
        return self.hops(padded_to_hops(samples, self.model.geometry))[HISTORY : HISTORY + len(samples)]

    def chunks(self, samples: npt.NDArray[np.int16]) -> Iterator[Vectors]:
        """Yield the stages of `samples` (int16, whole hops) in order, 512 hops at a time."""
        if len(samples) == 0 or len(samples) % HOP:
            raise ValueError(f"{len(samples)} samples are not whole hops of {HOP}")
        return self.stream(samples.reshape(-1, HOP))

    def stream(self, hops: Iterable[npt.NDArray[np.int16]]) -> Iterator[Vectors]:
        """Yield the stages of a stream of hops, int16 (256,) each, as they come, 512 hops at a time."""
        state = _State()
        rest = iter(hops)
        while taken := list(islice(rest, _CHUNK)):
            padded = np.concatenate([state.history, *taken], dtype=np.int64)
            state.history = padded[-HISTORY:]
            *stages, pieces = self._hops(np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP], state)
            output, state.overlap = _overlap_add(pieces, state.overlap)
            state.hops += len(pieces)
            yield Vectors(*[*stages, output])

    def _hops(self, frames: Ints, state: _State) -> tuple[Ints, ...]:
        blocks = (frames ^ (frames >> 15)).reshape(len(frames), -1, PEAK_BLOCK)
        bound = ((np.bitwise_or.reduce(blocks, axis=2) + 1) * _PEAK_WINDOW).max(axis=1, keepdims=True)
        shift = PEAK_BITS - _bit_length(bound - 1)
        windowed = (frames * _WINDOW << (shift + 1)) >> 1
        re, im = real_spectrum(windowed)
        features = self._features(re, im, shift, state)
        decision = self._rule.decide(features, state.hops)
        gains = self._rule.gains(self._smooth(decision.unsettled, state))
        if self.model.band_edges is not None:
            gains = np.repeat(gains, np.diff(self.model.band_edges), axis=1)
        samples = real_samples(_mul_q16(re, gains), _mul_q16(im, gains))
        pieces = _mul_q16(samples << 8, _WINDOW) >> (shift + 1)
        return (
            np.concatenate([shift, windowed], axis=1),
            np.stack([re, im], axis=2).reshape(len(frames), -1),
            features,
            decision.accumulators,
            pack_words(decision.bits).astype(np.int64),
            np.stack([decision.indices, decision.distances], axis=2).reshape(len(frames), -1),
            gains,
            pieces,
        )

    def _features(self, re: Ints, im: Ints, shift: Ints, state: _State) -> Ints:
        re, im = re ^ (re >> 31), im ^ (im >> 31)
        drop = np.maximum(0, _bit_length(np.maximum(re, im).max(axis=1, keepdims=True)) - FEATURE_BITS)
        magnitudes = _magnitudes(re >> drop, im >> drop)
        if self.model.mel is None:
            return magnitudes >> 1
        sums = magnitudes @ self.model.mel.dense().T
        if self.model.feature_kind.memory:
            return state.memory.features(sums, shift - drop)
        if not self.model.feature_kind.tracked:
            return sums >> 16
        levels = _scaled_root(sums, shift - drop)
        values = np.concatenate([levels, _noise_floors(levels, state)], axis=1)
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

    def decide(self, features: Ints, _hops: int) -> _Decision:
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

    def decide(self, features: Ints, hops: int) -> _Decision:
        accumulators = exact_product(features, self._rows)
        bits = self._ballot.codes(accumulators)
        indices, distances = self._ballot.neighbours(bits)
        votes = self._ballot.votes(bits, indices, distances) + self._ballot.of_rules(features, hops)
        votes = np.clip(votes, LEAST_VOTES, MOST_VOTES)
        return _Decision(accumulators, bits, indices, distances, votes)

    def gains(self, settled: Ints) -> Ints:
        return self._ballot.response(settled)


def _rule_of(model: IntegerModel) -> _MaskRule | _VotingRule:
    if isinstance(model, VotingIntegers):
        return _VotingRule(model)
    assert isinstance(model, MaskIntegers)
    return _MaskRule(model)


def _magnitudes(re: Ints, im: Ints) -> Ints:
    a, b = np.maximum(re, im), np.minimum(re, im)
    largest: Ints = np.maximum.reduce([c * a + d * b for c, d in MAGNITUDE_Q14])
    return (largest + 0x2000) >> 14


def _scaled_root(values: Ints, exponent: Ints) -> Ints:
    raised = 32 - _bit_length(values)
    raised -= (raised + exponent) & 1
    return _shifted(_floor_sqrt(values << raised), TRACKED_FRACTION_BITS - ((raised + exponent) >> 1))


def _noise_floors(levels: Ints, state: _State) -> Ints:
    floors = np.empty_like(levels)
    before = levels[0] if state.noise_floors is None else state.noise_floors
    for t, (row, level) in enumerate(zip(floors, levels, strict=True), start=state.hops):
        rising = TRACKING_FAST_SHIFT if t < TRACKING_START else TRACKING_SLOW_SHIFT
        distance = level - before
        row[:] = before + _rounded_shift(distance, np.where(distance < 0, TRACKING_FAST_SHIFT, rising))
        before = row
    state.noise_floors = before
    return floors


def _overlap_add(pieces: Ints, overlap: Ints) -> Pair:
    hops = len(pieces)
    total = np.zeros((hops + 3, HOP), np.int64)
    total[:3] += overlap.reshape(3, HOP)
    for quarter in range(4):
        total[quarter : quarter + hops] += pieces[:, quarter * HOP : (quarter + 1) * HOP]
    steps = _rounded_shift(_mul_q16(total[:hops], THIRD_Q16), OVERLAP_FRACTION_BITS - 1)
    return np.clip(steps, -32768, 32767), total[hops:].reshape(-1)


def _bit_length(values: Ints) -> Ints:
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def padded_to_hops(samples: npt.NDArray[np.int16], geometry: Geometry) -> npt.NDArray[np.int16]:
    """Return `samples` with zeros behind, whole hops: enough for the last sample to come out of the device."""
    whole = geometry.hops_of(len(samples)) * geometry.hop
    return np.concatenate([samples, np.zeros(whole - len(samples), np.int16)])
