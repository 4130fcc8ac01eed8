# SPDX-License-Identifier: Apache-2.0
"""Compute one hop of the denoiser in plain Python integers: the scalar reference.

It is written to be read beside docs/SPEC.md, paragraph by paragraph. Where two implementations differ, it decides with
SPEC.md which one is wrong. Tests hold `vectorised` and the C core to it, bit for bit.
"""

from functools import reduce
from math import isqrt
from operator import or_

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.quantise import IntegerModel, MaskIntegers
from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.pipeline.reference_voting import (
    ReferenceMemory,
    limited_votes,
    response_to,
    thermometer,
    votes_of_rules,
)
from blsh_codegen.spec.constants import (
    ATTENUATION_OFF,
    BIAS_FRACTION_BITS,
    ENERGY_SHIFT,
    FEATURE_BITS,
    LOG_FRACTION_BITS,
    LOG_INDEX_BITS,
    MAGNITUDE_Q14,
    MEMORY_START,
    MOST_ACTIVITY,
    NORM_BITS,
    OVERLAP_FRACTION_BITS,
    PEAK_BITS,
    PEAK_BLOCK,
    RADICES,
    STEP_DB_Q16,
    THIRD_Q16,
    TRACKED_BITS,
    TRACKING_FAST_SHIFT,
    TRACKING_SLOW_SHIFT,
    TRACKING_START,
    digit_reversed,
    least_q14,
    log2_q5,
    mask_shift,
    mul_q16,
    overlap_scale,
    round_trip_shift,
    rounded_shift,
    shifted,
    sine_q14,
    tracked_fraction_bits,
)
from blsh_codegen.spec.stages import HopVectors
from blsh_trainer.model.attenuation import check_attenuation

Complex = tuple[int, int]

_SINE = [int(value) for value in sine_q14()]
_TURN = len(_SINE)  # steps of a whole turn
_LEAST = [int(value) for value in least_q14()]
_LOG2 = [int(value) for value in log2_q5()]


def _twiddle(index: int) -> tuple[int, int]:
    """Return (cos, sin) of 2 pi index / 1024 in Q1.14, for 0 <= index < 768."""
    return _SINE[index + 256 & 1023], _SINE[index]


def _turn(value: Complex, index: int) -> Complex:
    """Return value * exp(-2 pi j index / 1024) / 4."""
    cos, sin = _twiddle(index)
    re, im = value
    return mul_q16(re, cos) + mul_q16(im, sin), mul_q16(im, cos) - mul_q16(re, sin)


def _turn_back(value: Complex, index: int) -> Complex:
    """Return value * exp(+2 pi j index / 1024) / 4."""
    cos, sin = _twiddle(index)
    re, im = value
    return mul_q16(re, cos) - mul_q16(im, sin), mul_q16(im, cos) + mul_q16(re, sin)


def _quarter(value: Complex) -> Complex:
    return value[0] >> 2, value[1] >> 2


def _butterfly4(a: Complex, b: Complex, c: Complex, d: Complex) -> tuple[Complex, Complex, Complex, Complex]:
    s0, s1 = (a[0] + c[0], a[1] + c[1]), (a[0] - c[0], a[1] - c[1])
    s2, s3 = (b[0] + d[0], b[1] + d[1]), (b[0] - d[0], b[1] - d[1])
    return (
        (s0[0] + s2[0], s0[1] + s2[1]),
        (s1[0] + s3[1], s1[1] - s3[0]),
        (s0[0] - s2[0], s0[1] - s2[1]),
        (s1[0] - s3[1], s1[1] + s3[0]),
    )


def fft(points: list[Complex]) -> list[Complex]:
    """Return the DFT of 512, 256 or 128 complex points, scaled by 2**-8, 2**-6 or 2**-8 (SPEC.md, 4.2).

    It is a decimation in time by the stages of RADICES. The list of radices is a palindrome: so the order of points
    before the first stage is its own inverse, and the C core makes it in place by swaps.
    """
    count = len(points)
    z = [points[digit_reversed(i, count)] for i in range(count)]
    first, *later = RADICES[count]
    for i in range(0, count, first):
        z[i : i + first] = _butterfly4(*z[i : i + first])
    quarter = first
    for radix in later:
        size = radix * quarter
        step = _TURN // size
        for base in range(0, count, size):
            for k in range(quarter):
                at = [base + k + r * quarter for r in range(radix)]
                a, b = _quarter(z[at[0]]), _turn(z[at[1]], k * step)
                if radix == 2:
                    z[at[0]], z[at[1]] = (a[0] + b[0], a[1] + b[1]), (a[0] - b[0], a[1] - b[1])
                else:
                    c, d = _turn(z[at[2]], 2 * k * step), _turn(z[at[3]], 3 * k * step)
                    z[at[0]], z[at[1]], z[at[2]], z[at[3]] = _butterfly4(a, b, c, d)
        quarter = size
    return z


def real_spectrum(samples: list[int]) -> list[Complex]:
    """Return bins 0 to N / 2 of the DFT of N real samples, scaled by 2**-spectrum_shift(N) (SPEC.md, 4.3)."""
    points = len(samples) // 2
    step = _TURN // len(samples)
    z = fft([(samples[2 * n], samples[2 * n + 1]) for n in range(points)])
    x: list[Complex] = [(0, 0)] * (points + 1)
    for k in range(points // 2 + 1):
        (ar, ai), (br, bi) = z[k], z[-k % points]
        er, ei = _quarter((ar + br, ai - bi))
        tr, ti = _turn((ar - br, ai + bi), k * step)
        x[k], x[points - k] = (er + ti, ei - tr), (er - ti, -(ei + tr))
    return x


def real_samples(y: list[Complex]) -> list[int]:
    """Return N real samples from bins 0 to N / 2 (SPEC.md, 6.1).

    real_samples(real_spectrum(s)) is s scaled by 2**-round_trip_shift(N).
    """
    points = len(y) - 1
    step = _TURN // (2 * points)
    z: list[Complex] = [(0, 0)] * points
    for k in range(points // 2 + 1):
        (ar, ai), (br, bi) = y[k], y[points - k]
        er, ei = _quarter((ar + br, ai - bi))
        tr, ti = _turn_back((ar - br, ai + bi), k * step)
        z[k] = er - ti, ei + tr
        if k:
            z[points - k] = er + ti, tr - ei
    turned = fft([(im, re) for re, im in z])  # exchanging re and im before and after makes the inverse
    return [part for re, im in turned for part in (im, re)]


class ReferenceDenoiser:
    """A stream of hops, H samples in and H out, int16; the output lags the input by M - H samples."""

    def __init__(self, model: IntegerModel) -> None:
        self.model = model
        self._window: list[int] = model.window_q14.tolist()
        self._history = [0] * model.geometry.history
        self._overlap = [0] * model.geometry.lag
        self._hops = 0
        self._noise_floors: list[int] = []  # the noise floor of each tracked band, set by the first hop
        self._memory = ReferenceMemory(model.log_origin)
        self._smoothed: list[int] = []  # the mask of each band, or its sum of votes, set by the first hop
        self._least = 0
        self.set_attenuation(model.attenuation)

    def set_attenuation(self, limit: int) -> None:
        """Set the limit for the hops that follow, 0 to 60 dB or ATTENUATION_OFF. BlshError for another number."""
        check_attenuation(limit)
        self._least = 0 if limit == ATTENUATION_OFF else _LEAST[limit]

    def hop(self, samples: npt.NDArray[np.int16]) -> HopVectors:
        """Denoise the next samples, int16 (H,), and return every stage of the hop."""
        frame = self._history + [int(value) for value in samples]
        self._history = frame[len(samples) :]
        shift, windowed = analyse(frame, self._window)
        spectrum = real_spectrum(windowed)
        features = self._features(spectrum, shift)
        accumulators = self._accumulators(features)
        code = self._code(accumulators)
        neighbours = self._neighbours(code)
        gains = self._gains(features, code, neighbours)
        mask = self._mask(gains)
        output = self._synthesise(real_samples(self._masked(spectrum, mask)), shift)
        delayed = frame[len(frame) - self.model.geometry.synthesis :][: len(samples)]
        self._hops += 1
        words = [sum(bit << i for i, bit in enumerate(code[w : w + 32])) for w in range(0, len(code), 32)]
        return HopVectors(
            window=np.array([shift, *windowed], np.int32),
            spectrum=np.array(spectrum, np.int32).reshape(-1),
            features=np.array(features, np.int16),
            accumulators=np.array(accumulators, np.int32),
            code=np.array(words, np.uint32),
            neighbours=np.array(neighbours, np.uint32).reshape(-1),
            mask=np.array(mask, np.int16),
            output=np.array(output, np.int16),
            activity=_activity(gains[: self.model.active_bands], delayed),
            reduction_db=max(0, rounded_shift(STEP_DB_Q16 * (_loudness(delayed) - _loudness(output)), 16)),
        )

    @property
    def _ticks(self) -> int:
        """Ticks of 16 ms that are done, counted to 64."""
        return min(self._hops // self.model.geometry.hops_per_tick, MEMORY_START)

    @property
    def _tick_begins(self) -> bool:
        """Whether this hop is the first of its tick, in which the statistics of features move."""
        return self._hops % self.model.geometry.hops_per_tick == 0

    def _features(self, spectrum: list[Complex], shift: int) -> list[int]:
        sizes = [(re ^ re >> 31, im ^ im >> 31) for re, im in spectrum]
        drop = max(0, max(max(size) for size in sizes).bit_length() - FEATURE_BITS)
        magnitudes = [_magnitude(re >> drop, im >> drop) for re, im in sizes]
        if self.model.mel is None:
            return [magnitude >> 1 for magnitude in magnitudes]
        sums = [
            sum(int(w) * magnitudes[first + i] for i, w in enumerate(weights))
            for first, weights in self.model.mel.bands()
        ]
        if self.model.feature_kind.memory:
            return self._memory.features(sums, shift - drop, self._ticks if self._tick_begins else None)
        if not self.model.feature_kind.tracked:
            return [total >> 16 for total in sums]
        fraction_bits = tracked_fraction_bits(self.model.geometry.window)
        return self._tracked([_scaled_root(total, shift - drop, fraction_bits) for total in sums])

    def _tracked(self, levels: list[int]) -> list[int]:
        if self._hops == 0:
            self._noise_floors = levels
        elif self._tick_begins:
            rising = TRACKING_FAST_SHIFT if self._ticks < TRACKING_START else TRACKING_SLOW_SHIFT
            self._noise_floors = [
                floor + rounded_shift(level - floor, TRACKING_FAST_SHIFT if level < floor else rising)
                for level, floor in zip(levels, self._noise_floors, strict=True)
            ]
        values = levels + self._noise_floors
        drop = max(0, max(values).bit_length() - TRACKED_BITS)
        return [rounded_shift(value, drop) for value in values]

    def _accumulators(self, features: list[int]) -> list[int]:
        rows = self.model.projection_q7.tolist()
        sums = [sum(p * x for p, x in zip(row, features, strict=True)) for row in rows]
        if not isinstance(self.model, MaskIntegers):
            return sums
        norm = isqrt(sum(value * value for value in features))
        drop = max(0, norm.bit_length() - NORM_BITS)
        return [
            total + (bias * (norm >> drop) >> BIAS_FRACTION_BITS - drop)
            for total, bias in zip(sums, self.model.bias_q3.tolist(), strict=True)
        ]

    def _code(self, accumulators: list[int]) -> list[bool]:
        if isinstance(self.model, VotingIntegers):
            return thermometer(accumulators, self.model)
        return [accumulator >= 0 for accumulator in accumulators]

    def _neighbours(self, code: list[bool]) -> list[tuple[int, int]]:
        query = sum(bit << i for i, bit in enumerate(code))
        distances = [((query ^ entry).bit_count(), index) for index, entry in enumerate(self.model.code_integers)]
        entries = self.model.entries
        return [
            (index, distance)
            for first in range(0, len(distances), entries)
            for distance, index in sorted(distances[first : first + entries])[: self.model.neighbours]
        ]

    def _gains(self, features: list[int], code: list[bool], neighbours: list[tuple[int, int]]) -> list[int]:
        model = self.model
        if isinstance(model, VotingIntegers):
            means = limited_votes(code, neighbours, votes_of_rules(features, self._ticks, model), model)
        else:
            assert isinstance(model, MaskIntegers)
            means = _mean_gains([index for index, _ in neighbours], model)
        before = self._smoothed if self._hops else means
        self._smoothed = [
            _smoothed(p, v, model.smoothing if v >= p else model.smoothing_down)
            for p, v in zip(before, means, strict=True)
        ]
        if isinstance(model, VotingIntegers):
            return [response_to(votes, model) for votes in self._smoothed]
        return self._smoothed

    def _mask(self, gains: list[int]) -> list[int]:
        limited = [max(gain, self._least) for gain in gains]
        if self.model.band_edges is None:
            return limited
        return [gain for gain, bins in zip(limited, np.diff(self.model.band_edges), strict=True) for _ in range(bins)]

    def _masked(self, spectrum: list[Complex], gains: list[int]) -> list[Complex]:
        raised = mask_shift(self.model.geometry.window)
        return [
            (mul_q16(re << raised, gain), mul_q16(im << raised, gain))
            for (re, im), gain in zip(spectrum, gains, strict=True)
        ]

    def _synthesise(self, samples: list[int], shift: int) -> list[int]:
        geometry = self.model.geometry
        raised = round_trip_shift(geometry.window) - 1
        total = self._overlap + [0] * geometry.hop
        window = self.model.synthesis_q14.tolist()
        for n, (value, weight) in enumerate(zip(samples[-geometry.synthesis :], window, strict=True)):
            total[n] += mul_q16(value << raised, weight) >> shift + 1
        self._overlap = total[geometry.hop :]
        thirds, exponent = overlap_scale(geometry)
        bits = OVERLAP_FRACTION_BITS + exponent
        steps = (
            rounded_shift(mul_q16(t, THIRD_Q16), bits - 1) if thirds else rounded_shift(t, bits)
            for t in total[: geometry.hop]
        )
        return [min(max(step, -32768), 32767) for step in steps]


def analyse(frame: list[int], window: list[int]) -> tuple[int, list[int]]:
    """Window N samples and shift them as far as their peak allows (SPEC.md, 4.1): (shift, windowed samples)."""
    bound = 0
    ends = [*window[::PEAK_BLOCK], 0]  # of blocks: no sample between two ends has more than the larger one
    for b in range(len(frame) // PEAK_BLOCK):
        peak = reduce(or_, (value ^ value >> 15 for value in frame[PEAK_BLOCK * b : PEAK_BLOCK * (b + 1)]))
        bound = max(bound, (peak + 1) * max(ends[b], ends[b + 1]))
    shift = PEAK_BITS - (bound - 1).bit_length()
    return shift, [value * weight << shift + 1 >> 1 for value, weight in zip(frame, window, strict=True)]


def _activity(gains: list[int], delayed: list[int]) -> int:
    """Return 255 times the mean square of the gains of bands, rounded; 0 where the delayed input is silent."""
    if _loudness(delayed) == 0:
        return 0
    energy = sum(gain * gain for gain in gains) >> ENERGY_SHIFT
    one = 256 * len(gains)  # the energy of gains of 1
    return (MOST_ACTIVITY * energy + one // 2) // one


def _loudness(samples: list[int]) -> int:
    """Return the binary logarithm of the sum of squares in steps of 1/32; 0 for 0."""
    energy = sum(value * value for value in samples)
    if energy == 0:
        return 0
    bits = energy.bit_length()
    index = (energy << LOG_INDEX_BITS >> bits - 1) & (1 << LOG_INDEX_BITS) - 1
    return (bits - 1 << LOG_FRACTION_BITS) + _LOG2[index]


def _mean_gains(indices: list[int], model: MaskIntegers) -> list[int]:
    """Return the gain of each band for the mean of these entries' masks."""
    kind = model.mask_kind
    masks = [model.mask_integers[index] for index in indices]
    votes = [sum(mask >> kind.level_bits * w & kind.top for mask in masks) for w in range(kind.width)]
    gains: list[int] = model.gain_q14[votes].tolist()
    return gains


def _smoothed(before: int, value: int, kept: int) -> int:
    return kept * before + (16 - kept) * value + 8 >> 4


def _magnitude(re: int, im: int) -> int:
    """Return the modulus of re + j im, both >= 0, as the largest of three sums: within 0.43 % and the rounding."""
    a, b = max(re, im), min(re, im)
    return max(c * a + d * b for c, d in MAGNITUDE_Q14) + 0x2000 >> 14


def _scaled_root(value: int, exponent: int, fraction_bits: int) -> int:
    """Return the root of value / 2**exponent, with so many fraction bits and 15 or 16 significant ones (SPEC.md, 5)."""
    if value == 0:
        return 0
    raised = 32 - value.bit_length()
    raised -= raised + exponent & 1
    return shifted(isqrt(value << raised), fraction_bits - (raised + exponent) // 2)
