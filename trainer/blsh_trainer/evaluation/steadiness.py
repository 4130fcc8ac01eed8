# SPDX-License-Identifier: Apache-2.0
"""Measure whether a denoiser gets quiet in steady noise, and whether what is left flutters.

docs/measures.md has the formulas.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.corpora.mixture_sources import NoiseSource
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.behaviour import Behaviour, Trial, at_level, pass_through, power_db
from blsh_trainer.evaluation.evaluate import Denoiser
from blsh_trainer.evaluation.metrics import Notation
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ

NOISE_DBFS: Final = -40.0
LONG_SECONDS: Final = 60
STEADY_WORDS: Final = frozenset({"airplane", "cabin", "dryer", "fan", "hood", "hum", "vacuum", "ventilation"})
"""A noise type with one of these words in its name is taken for steady."""

_SHORT_SECONDS = 20
_SETTLED, _TAIL = 2 * SAMPLE_RATE_HZ, 10 * SAMPLE_RATE_HZ
_FADE = 800  # samples of the cross-fade between two repetitions: 50 ms
_LEAST = SAMPLE_RATE_HZ  # samples of a recording that can be repeated
_BLOCK = 512
_LEVEL_FLOOR = 1e-10
_WINDOW, _STEP, _FIRST_BIN, _LAST_BIN = 512, 256, 6, 224  # bins of 31.25 Hz: 187.5 Hz to below 7 kHz
_FAN_SEED, _FAN_HZ, _FAN_TONES, _FAN_CORNER_HZ = 2, 120.0, 8, 400.0
_WHITE_SEED = 1


@dataclass(frozen=True)
class WhiteNoise:
    """Gaussian noise at NOISE_DBFS, the same in every call."""

    group: str
    seconds: int

    @property
    def id(self) -> str:
        """The name of the trial."""
        return self.group

    def signal(self) -> FloatArray:
        """Return the noise (n,)."""
        size = self.seconds * SAMPLE_RATE_HZ
        return at_level(np.random.default_rng(_WHITE_SEED).normal(size=size), NOISE_DBFS)

    def figures(self, denoiser: Denoiser) -> dict[str, float]:
        """Return the figures of steadiness."""
        return noise_figures(*pass_through(denoiser, self.signal()))


@dataclass(frozen=True)
class Fan:
    """The sound of a fan at NOISE_DBFS: tones of its blades in low-passed noise, the same in every call."""

    group: str = "fan_60_s"

    @property
    def id(self) -> str:
        """The name of the trial."""
        return self.group

    def signal(self) -> FloatArray:
        """Return the noise (n,)."""
        return at_level(fan_noise(LONG_SECONDS * SAMPLE_RATE_HZ), NOISE_DBFS)

    def figures(self, denoiser: Denoiser) -> dict[str, float]:
        """Return the figures of steadiness."""
        return noise_figures(*pass_through(denoiser, self.signal()))


@dataclass(frozen=True)
class RecordedNoise:
    """A recording of steady noise, repeated to 60 s, at NOISE_DBFS."""

    corpus: Corpus
    entry: Entry

    @property
    def group(self) -> str:
        """The noise's type."""
        return self.entry.speaker_or_type

    @property
    def id(self) -> str:
        """The path of the recording."""
        return self.entry.path

    def signal(self) -> FloatArray:
        """Return the noise (n,). BlshError where the recording is silent or cannot be read."""
        source = NoiseSource(self.corpus, self.entry)
        size = LONG_SECONDS * SAMPLE_RATE_HZ
        once = source.cut(0, min(source.size, size))
        if not once.any():
            raise BlshError(f"{source.path} is silent in its first {LONG_SECONDS} s; give a recording with sound")
        return at_level(repeated(once, size), NOISE_DBFS)

    def figures(self, denoiser: Denoiser) -> dict[str, float]:
        """Return the figures of steadiness."""
        return noise_figures(*pass_through(denoiser, self.signal()))


def steady_trials(corpus: Corpus) -> list[Trial]:
    """Return white noise of 20 and of 60 s, a fan of 60 s, and the steady noises of the corpus's test split.

    A noise type of the test split is steady if its name has one of STEADY_WORDS. Of each such type the recording whose
    path sorts first is taken, of those that last a second or longer.
    """
    found: dict[str, Entry] = {}
    noises = (entry for entry in corpus.entries if (entry.kind, entry.split) == ("noise", "test"))
    for entry in sorted(noises, key=lambda each: each.path):
        words = set(re.findall(r"[a-z]+", entry.speaker_or_type.lower()))
        if words & STEADY_WORDS and entry.speaker_or_type not in found and NoiseSource(corpus, entry).size >= _LEAST:
            found[entry.speaker_or_type] = entry
    recorded = [RecordedNoise(corpus, found[name]) for name in sorted(found)]
    return [WhiteNoise("white", _SHORT_SECONDS), WhiteNoise("white_60_s", LONG_SECONDS), Fan(), *recorded]


STEADINESS = Behaviour(
    "steadiness",
    steady_trials,
    {
        "attenuation_2_to_10_s_db": Notation("attenuation, 2 to 10 s", "dB", 2),
        "attenuation_from_2_s_db": Notation("attenuation from 2 s", "dB", 2),
        "attenuation_from_10_s_db": Notation("attenuation from 10 s", "dB", 2),
        "level_deviation_db": Notation("level deviation", "dB", 2),
        "peak_over_median_db": Notation("peak over median", "dB", 2),
        "power_kurtosis": Notation("power kurtosis", "", 1),
    },
)


def noise_figures(heard: FloatArray, left: FloatArray) -> dict[str, float]:
    """Return the figures of steadiness of a noise and of what a denoiser leaves of it, (n,) each, of 11 s or more."""
    tail = left[_TAIL:]
    levels = block_levels(tail)
    return {
        "attenuation_2_to_10_s_db": power_db(heard[_SETTLED:_TAIL]) - power_db(left[_SETTLED:_TAIL]),
        "attenuation_from_2_s_db": power_db(heard[_SETTLED:]) - power_db(left[_SETTLED:]),
        "attenuation_from_10_s_db": power_db(heard[_TAIL:]) - power_db(tail),
        "level_deviation_db": float(levels.std()),
        "peak_over_median_db": float(np.percentile(levels, 99) - np.median(levels)),
        "power_kurtosis": power_kurtosis(tail),
    }


def block_levels(signal: FloatArray) -> FloatArray:
    """Return the levels in dB, at least -100, of the whole blocks of 32 ms of `signal` (n,)."""
    blocks = signal[: signal.size // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    levels: FloatArray = 10.0 * np.log10((blocks**2).mean(axis=1) + _LEVEL_FLOOR)
    return levels


def power_kurtosis(signal: FloatArray) -> float:
    """Return E[(p - mean)^4] / E[(p - mean)^2]^2 of the power p in a bin over time: the median over bins.

    signal: (n,), of 512 samples or more. The bins are those from 187.5 Hz to 7 kHz of frames of 512 samples, 256 apart,
    under a Hann window. It is 9 for steady Gaussian noise, whose p is exponential; musical noise is far above. A bin
    without any power counts as 0.
    """
    frames = np.lib.stride_tricks.sliding_window_view(signal, _WINDOW)[::_STEP] * np.hanning(_WINDOW)
    power = np.abs(np.fft.rfft(frames)) ** 2
    away = power[:, _FIRST_BIN:_LAST_BIN] - power[:, _FIRST_BIN:_LAST_BIN].mean(axis=0)
    fourth, second = (away**4).mean(axis=0), (away**2).mean(axis=0)
    return float(np.median(fourth / np.maximum(second, 1e-30) ** 2))


def repeated(signal: FloatArray, size: int) -> FloatArray:
    """Return the first `size` samples of `signal` (m,) repeated, each repetition faded into the next over 50 ms."""
    if signal.size >= size:
        return signal[:size]
    rise = np.linspace(0.0, 1.0, _FADE)
    stride = signal.size - _FADE
    copies = -(-(size - _FADE) // stride)
    joined = np.zeros(copies * stride + _FADE)
    for number in range(copies):
        piece = signal.copy()
        if number > 0:
            piece[:_FADE] *= rise
        if number < copies - 1:
            piece[-_FADE:] *= rise[::-1]
        joined[number * stride : number * stride + signal.size] += piece
    return joined[:size]


@cache
def fan_noise(size: int) -> FloatArray:
    """Return the sound of a fan, (size,), at no set level; do not write into it.

    It is Gaussian noise through |H(f)| = (1 + (f / 400 Hz)^2)^(-1/2), and eight tones at multiples k of 120 Hz with
    amplitudes of 1 / k and random phases, which together have a quarter of the noise's power.
    """
    rng = np.random.default_rng(_FAN_SEED)
    spectrum = np.fft.rfft(rng.normal(size=size))
    frequencies = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ)
    noise = at_level(np.fft.irfft(spectrum / np.sqrt(1.0 + (frequencies / _FAN_CORNER_HZ) ** 2), size), 0.0)
    seconds = np.arange(size) / SAMPLE_RATE_HZ
    phases = rng.uniform(0.0, 2.0 * np.pi, _FAN_TONES)
    tones = sum(
        np.sin(2.0 * np.pi * _FAN_HZ * k * seconds + phase) / k for k, phase in enumerate(phases.tolist(), start=1)
    )
    sound: FloatArray = noise + 0.5 * at_level(np.asarray(tones), 0.0)
    return sound
