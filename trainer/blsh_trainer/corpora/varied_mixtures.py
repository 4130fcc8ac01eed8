# SPDX-License-Identifier: Apache-2.0
"""Draw varied training mixtures: many SNRs, noises in new colours, babble, and noise before the speech begins.

A corpus has few types of noise. A learner that hears each type in one colour only takes the colour for the noise.
Everything is drawn from one split, so that the speakers and noises of the test split stay unheard.
"""

from collections.abc import Iterator

import numpy as np
from scipy.signal import fftconvolve, firwin2

from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.corpora.mixing import LEVEL_DBFS, Mixture, NamedMixture, rms
from blsh_trainer.corpora.mixture_sources import NoiseSource, loop_from, read_speech
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ, WINDOW

SNR_RANGE_DB = (-7.0, 12.0)
LEAD_RANGE_S = (-0.5, 2.0)  # below 0 there is no lead, as in a fifth of the draws: no noise floor is known
_PLAIN, _COLOURED, _TWO, _BABBLE = 0.30, 0.65, 0.75, 0.85  # cumulative shares; all other noises are synthetic
_KNOTS_HZ = np.array([0.0, 60.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0])
_TILT_DB = (-8.0, 3.0)  # range of the tilt, per octave
_KNOT_DB = 6.0
_DEEPEST_DB = -60.0
_TAPS = 513
_SWELL_SAMPLES = SAMPLE_RATE_HZ // 4


def varied_mixtures(corpus: Corpus, split: str, passes: int, rng: np.random.Generator) -> Iterator[NamedMixture]:
    """Yield a mixture of each utterance of `split`, `passes` times, at SNRs of -7 to 12 dB.

    Each mixture begins with up to 2 s of noise alone, a fifth of them with none; `lead` counts the samples. The same
    state of `rng` gives the same mixtures. BlshError for a split without speech or noise, or an utterance that is
    shorter than a window.
    """
    speech = corpus.select("speech", split)
    noises = NoiseDraw(corpus, split, speech)
    for turn in range(passes):
        for number in rng.permutation(len(speech)).tolist():
            wanted = read_speech(corpus, speech[number])
            if wanted.size < WINDOW:
                short = f"the speech has {wanted.size} samples; at least one window of {WINDOW} is needed"
                raise BlshError(f"{corpus.path(speech[number])}: {short}")
            lead = int(max(0.0, rng.uniform(*LEAD_RANGE_S)) * SAMPLE_RATE_HZ)
            snr_db = float(rng.uniform(*SNR_RANGE_DB))
            kind, unwanted = noises.draw(lead + wanted.size, rng)
            loudness = rms(unwanted[lead:])
            if loudness == 0.0:
                continue  # events that ended within the lead
            level = 10.0 ** (LEVEL_DBFS / 20.0)
            s = np.concatenate([np.zeros(lead), wanted * (level / rms(wanted))])
            n = unwanted * (level * 10.0 ** (-snr_db / 20.0) / loudness)
            name = f"{split}-{turn}-{number:04d}"
            yield NamedMixture(name, corpus.listed(speech[number]), "", kind, 0, snr_db, Mixture(s, n, s + n), lead)


class NoiseDraw:
    """A draw of noises of one split: recorded, coloured anew, two at once, babble of `speech`, or synthetic."""

    def __init__(self, corpus: Corpus, split: str, speech: tuple[Entry, ...]) -> None:
        self._corpus, self._speech = corpus, speech
        self._files: dict[str, list[Entry]] = {}
        for entry in corpus.select("noise", split):
            self._files.setdefault(entry.speaker_or_type, []).append(entry)
        self._types = sorted(self._files)

    def draw(self, length: int, rng: np.random.Generator) -> tuple[str, FloatArray]:
        """Draw a noise; return its kind in words, and `length` samples."""
        lot = rng.random()
        if lot < _PLAIN:
            return self._recorded(length, rng)
        if lot < _COLOURED:
            kind, noise = self._recorded(length, rng)
            return f"coloured {kind}", coloured(noise, rng)
        if lot < _TWO:
            (first, one), (second, other) = self._recorded(length, rng), self._recorded(length, rng)
            softer = coloured(one, rng), rng.uniform(0.3, 1.0) * coloured(other, rng)
            return f"{first} and {second}", softer[0] + softer[1]
        if lot < _BABBLE:
            return "babble", self._babble(length, rng)
        return "synthetic", coloured(rng.standard_normal(length), rng) * self._swell(length, rng)

    def _recorded(self, length: int, rng: np.random.Generator) -> tuple[str, FloatArray]:
        kind = self._types[int(rng.integers(len(self._types)))]
        files = self._files[kind]
        source = NoiseSource(self._corpus, files[int(rng.integers(len(files)))])
        _, cut = source.sounding_cut(length, rng)
        return kind, cut / rms(cut)

    def _babble(self, length: int, rng: np.random.Generator) -> FloatArray:
        """Return `length` samples of 3 to 8 utterances at once, each from a random sample on."""
        noise = np.zeros(length)
        for _ in range(int(rng.integers(3, 9))):
            voice = read_speech(self._corpus, self._speech[int(rng.integers(len(self._speech)))])
            noise += loop_from(voice, int(rng.integers(voice.size)), length) / rms(voice)
        return coloured(noise, rng) if rng.random() < 0.5 else noise

    def _swell(self, length: int, rng: np.random.Generator) -> FloatArray:
        """Return a slowly changing level, from steady to lively."""
        knots = np.arange(length // _SWELL_SAMPLES + 2) * _SWELL_SAMPLES
        levels = rng.normal(0.0, rng.uniform(0.0, 0.6), len(knots))
        return np.asarray(np.interp(np.arange(length), knots, np.exp(levels)))


def coloured(
    noise: FloatArray,
    rng: np.random.Generator,
    tilt_db: tuple[float, float] = _TILT_DB,
    knot_db: float = _KNOT_DB,
) -> FloatArray:
    """Return `noise` (n,) filtered by a random tilt and random gains at octaves, as another room would change it.

    tilt_db: the range of the tilt, per octave. knot_db: the standard deviation of the gain at an octave.
    """
    octaves = np.log2(np.maximum(_KNOTS_HZ, 60.0) / 1000.0)
    gains_db = rng.uniform(*tilt_db) * octaves + rng.normal(0.0, knot_db, len(octaves))
    gains_db = np.maximum(gains_db - gains_db.max(), _DEEPEST_DB)
    taps = firwin2(_TAPS, _KNOTS_HZ / _KNOTS_HZ[-1], 10.0 ** (gains_db / 20.0))
    return np.asarray(fftconvolve(noise, taps, mode="same"))
