# SPDX-License-Identifier: Apache-2.0
"""Features of spectra, from which a hash is made: the kinds that there are, mel filters, and normalisation.

Spectra are complex128 (T, bins); features are float64 (T, D). Where no geometry is named it is the paper's.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import AnyArray, BoolArray, FloatArray
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import RECORDER, Geometry
from blsh_trainer.signals.spectra import check_spectrum
from blsh_trainer.suggestions import unknown

MEL_BANDS = 128
TRACKED_BANDS = 64
TRACKING_START = 32
"""Ticks at the start of a stream in which the noise floor rises as fast as it falls. A tick is 16 ms."""
TRACKING_FAST, TRACKING_SLOW = 1 / 4, 1 / 128
"""The part of the distance to the level that a floor goes in a tick: when falling or at the start, when rising."""

MEMORY_PAIRS = TRACKED_BANDS // 2
MEMORY_START = 64
"""Ticks at the start of a stream in which the means of `memory` features adapt faster."""
MEMORY_SHIFTS = (2, 4, 6)
"""The means move by 1/4, 1/16 and 1/64 of their distance from the level in a tick."""
MEMORY_OCTAVE = 128.0
"""Units of the `memory` features in an octave."""
MEMORY_ORIGIN = 2.0**-3
"""The level, on the scale of int16 samples, whose logarithm counts as 0; lower ones do as well."""

STEADY_RISE = 256
"""The most by which two bands of a steady frame lie above their slow mean, in units of their levels: an octave each."""
STEADY_DEVIATION = 224
"""The most mean deviation of a pair of bands of a steady frame, in units of that feature: 7/16 octave."""

_INT16_SCALE = 2.0**15
_DEVIATION_SCALE = 4.0  # deviations are small, and have no common reference: their units are finer
_HZ_A_MEL = 200.0 / 3  # Hz of a mel below the bend, where the scale is linear
_MEL_BEND_HZ = 1000.0
_MEL_BEND = _MEL_BEND_HZ / _HZ_A_MEL
_MEL_LOG_STEP = float(np.log(6.4)) / 27.0


@dataclass(frozen=True)
class FeatureKind:
    """A kind of features, the description of a frame that the hash reads.

    name: in artifacts, on cards and on the command line. number: in C, in model images and in the reply to HELLO.
    bands: the mel filters that the magnitudes go through; None where the magnitudes of the bins are taken themselves.
    tracked: the features are the square roots of the filtered magnitudes, then the noise floor of each.
    artifact_format: the first format of an artifact that can name the kind. memory: the features are the logarithms of
    the filtered magnitudes, then slow statistics of each pair of bands (Memory).
    """

    name: str
    number: int
    bands: int | None
    tracked: bool
    artifact_format: int
    memory: bool = False

    def count(self, geometry: Geometry = RECORDER) -> int:
        """Return D, the features of a frame."""
        if self.memory:
            return TRACKED_BANDS + 2 * len(MEMORY_SHIFTS) * MEMORY_PAIRS + 1
        levels = geometry.bins if self.bands is None else self.bands
        return 2 * levels if self.tracked else levels

    def counts(self, geometry: Geometry = RECORDER) -> range:
        """Return the values of D that the firmware takes: plain mel filters may be fewer than `bands`."""
        fewer = self.bands is not None and not self.tracked and not self.memory
        most = self.count(geometry)
        return range(1 if fewer else most, most + 1)

    def bands_of(self, count: int) -> int | None:
        """Return the mel filters of a model with `count` features; None where there are none."""
        if self.bands is None:
            return None
        return self.bands if self.tracked or self.memory else count


FEATURE_KINDS = {
    kind.name: kind
    for kind in (
        FeatureKind("stft", 0, bands=None, tracked=False, artifact_format=1),
        FeatureKind("mel", 1, bands=MEL_BANDS, tracked=False, artifact_format=1),
        FeatureKind("tracked", 2, bands=TRACKED_BANDS, tracked=True, artifact_format=2),
        FeatureKind("memory", 3, bands=TRACKED_BANDS, tracked=False, artifact_format=4, memory=True),
    )
}
"""The kinds by name."""
MASK_FEATURES = tuple(name for name, kind in FEATURE_KINDS.items() if not kind.memory)
"""The names of the kinds that models with masks can have; voting models have `memory`."""


def find_feature_kind(name: str) -> FeatureKind:
    """Return the kind called `name`; BlshError if there is none."""
    if name not in FEATURE_KINDS:
        raise BlshError(f"feature kind {name!r} {unknown(name, FEATURE_KINDS)}")
    return FEATURE_KINDS[name]


@cache
def mel_filters(bands: int = MEL_BANDS, geometry: Geometry = RECORDER) -> FloatArray:
    """Return the mel filters of Slaney's Auditory Toolbox for spectra of this geometry, float64 (bands, bins).

    They are triangles of unit area whose edges lie at equal distances in mel, from 0 Hz to half of the rate. Their bits
    are those of librosa 0.11 with its defaults. librosa itself takes a second to import and fails where it can write no
    folder. Where a triangle is narrower than a bin, it may hold none, and its band is silent.
    """
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel_above_bend(geometry.rate_hz / 2), bands + 2))
    widths = np.diff(edges)[:, np.newaxis]
    distances = edges[:, np.newaxis] - np.fft.rfftfreq(geometry.window, 1.0 / geometry.rate_hz)
    rising, falling = -distances[:-2] / widths[:-1], distances[2:] / widths[1:]
    filters: FloatArray = np.maximum(0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    filters.flags.writeable = False
    return filters


def _hz_to_mel_above_bend(hz: float) -> float:
    """Return a frequency of 1 kHz or more in Slaney's mel: 15 at 1 kHz, then 27 for each factor of 6.4."""
    return _MEL_BEND + float(np.log(hz / _MEL_BEND_HZ)) / _MEL_LOG_STEP


def _mel_to_hz(mel: FloatArray) -> FloatArray:
    above = _MEL_BEND_HZ * np.exp(_MEL_LOG_STEP * (mel - _MEL_BEND))
    return np.where(mel >= _MEL_BEND, above, _HZ_A_MEL * mel)


class FeatureExtractor:
    """A maker of the features of one signal, whose spectra may come in blocks. Each signal needs its own extractor.

    The noise floor of a tracked kind starts at the first frame's level c. The first frame of each further tick moves it
    towards its c by 1/4 of the distance; once 32 ticks have passed, a floor below c rises by 1/128 of it only.
    What a memory holds says Memory.
    """

    def __init__(self, kind: FeatureKind, geometry: Geometry = RECORDER, ticks_only: bool = False) -> None:
        """Take a kind of features and a geometry; with `ticks_only` the first frame of each tick is all that comes."""
        self.kind = kind
        self._geometry = geometry
        self._hops_per_tick = 1 if ticks_only else geometry.hops_per_tick
        self._frames = 0
        self._floor = np.zeros(kind.bands or geometry.bins)
        self._memory = Memory(self._hops_per_tick)

    def __call__(self, X: ArrayLike) -> FloatArray:
        """Return the features float64 (T, D) of the next frames X (T, bins) of the signal; they are not normalised.

        BlshError for a spectrum that does not have the geometry's bins.
        """
        spectrum = np.asarray(X)
        check_spectrum(spectrum, "the spectrum", self._geometry)
        magnitudes: FloatArray = np.abs(spectrum).astype(np.float64)
        bands = self.kind.bands
        levels = magnitudes if bands is None else magnitudes @ mel_filters(bands, self._geometry).T
        if self.kind.memory:
            return self._memory(levels)
        if not self.kind.tracked:
            return levels
        roots = np.sqrt(levels)
        return np.concatenate([roots, self._floors(roots)], axis=1)

    def _floors(self, levels: FloatArray) -> FloatArray:
        floors = np.empty_like(levels)
        for row, level in zip(floors, levels, strict=True):
            if self._frames == 0:
                self._floor = level
            ticks, phase = divmod(self._frames, self._hops_per_tick)
            if phase == 0:
                rising = TRACKING_FAST if ticks < TRACKING_START else TRACKING_SLOW
                distance = level - self._floor
                self._floor = self._floor + distance * np.where(distance < 0, TRACKING_FAST, rising)
            row[:] = self._floor
            self._frames += 1
        return floors


class Memory:
    """The slow statistics of one signal's bands, which `memory` features are made of (SPEC.md, 5, without rounding).

    With t ticks done before a tick, a mean m or deviation d with shift k moves by 2**-min(k, k0) of its distance in its
    first frame, k0 = floor(log2(t + 1)) for t up to 64: m to the level x of its pair of bands, d to |x - m|. A floor
    below x rises by 1/4 of the distance for 32 ticks, then by 1/64; one above x falls by 1/4.
    """

    def __init__(self, hops_per_tick: int) -> None:
        self._hops_per_tick = hops_per_tick
        self._frames = 0
        self._floor = np.zeros(MEMORY_PAIRS)
        self._means = np.zeros((len(MEMORY_SHIFTS), MEMORY_PAIRS))
        self._deviations = np.zeros((len(MEMORY_SHIFTS) - 1, MEMORY_PAIRS))

    def __call__(self, levels: FloatArray) -> FloatArray:
        """Return the features float64 (T, 257) of the next frames' filtered magnitudes (T, 64), float samples' scale.

        In units of 1/128 octave, relative to the mean logarithm of the frame: 64 bands; 32 pairs' floors and means
        with shifts 2, 4 and 6. Then in units of 1/512 octave the deviations with shifts 4 and 6; last, in 1/128, the
        mean logarithm less the mean floor.
        """
        logs = np.log2(np.maximum(levels * (_INT16_SCALE / MEMORY_ORIGIN), 1.0))
        pairs = logs.reshape(len(logs), MEMORY_PAIRS, 2).mean(axis=2)
        reference = logs.mean(axis=1, keepdims=True)
        floors = np.empty_like(pairs)
        means = np.empty((len(pairs), *self._means.shape))
        deviations = np.empty((len(pairs), *self._deviations.shape))
        for t, pair in enumerate(pairs):
            if self._frames % self._hops_per_tick == 0:
                self._move(pair)
            self._frames += 1
            floors[t], means[t], deviations[t] = self._floor, self._means, self._deviations
        held = np.concatenate([floors, means.reshape(-1, self._means.size)], axis=1) - reference
        spread = deviations.reshape(-1, self._deviations.size) * _DEVIATION_SCALE
        raised = reference - floors.mean(axis=1, keepdims=True)
        return MEMORY_OCTAVE * np.concatenate([logs - reference, held, spread, raised], axis=1)

    def _move(self, pair: FloatArray) -> None:
        """Take in the logarithms of the pairs of the first frame of a tick, (32,)."""
        start = min(self._frames // self._hops_per_tick, MEMORY_START)
        if start == 0:
            self._floor = pair.copy()
        slow = TRACKING_FAST if start < TRACKING_START else 2.0 ** -MEMORY_SHIFTS[-1]
        self._floor = self._floor + (pair - self._floor) * np.where(pair < self._floor, TRACKING_FAST, slow)
        fastest = (start + 1).bit_length() - 1
        rates = np.array([[2.0 ** -min(shift, fastest)] for shift in MEMORY_SHIFTS])
        self._means = self._means + (pair - self._means) * rates
        away = np.abs(pair - self._means[1:])
        self._deviations = self._deviations + (away - self._deviations) * rates[1:]


def steady_frames(found: AnyArray) -> BoolArray:
    """Return which frames are steady, bool (T,), of `memory` features (T, 257).

    In each pair of bands the mean deviation of the last second is at most 7/16 octave, and the level at most an octave
    above the slow mean. A fan or a hum is steady; where someone speaks, some pair is not.
    """
    pairs = found[:, :TRACKED_BANDS].reshape(len(found), MEMORY_PAIRS, 2).sum(axis=2)
    slow, strays = found[:, 5 * MEMORY_PAIRS : 6 * MEMORY_PAIRS], found[:, 7 * MEMORY_PAIRS : 8 * MEMORY_PAIRS]
    return np.asarray(((pairs - 2 * slow <= STEADY_RISE) & (strays <= STEADY_DEVIATION)).all(axis=1))


def features(X: ArrayLike, kind: str, geometry: Geometry = RECORDER) -> FloatArray:
    """Return the features of that kind of a whole signal's spectra X (T, bins), float64 (T, D): see FeatureExtractor.

    BlshError for an unknown kind, or a spectrum that does not have the geometry's bins.
    """
    return FeatureExtractor(find_feature_kind(kind), geometry)(X)


def features_of_ticks(X: ArrayLike, kind: str, geometry: Geometry) -> FloatArray:
    """Return the features of the first frame of each tick, X (T, bins): features(...)[::hops_per_tick]."""
    return FeatureExtractor(find_feature_kind(kind), geometry, ticks_only=True)(X)


def l2_normalise(H: ArrayLike) -> FloatArray:
    """Return the rows of H (T, D) divided by their L2 norms; rows of zeros stay zero."""
    rows = np.asarray(H, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    normalised: FloatArray = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return normalised
