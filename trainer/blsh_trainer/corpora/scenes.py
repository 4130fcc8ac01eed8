# SPDX-License-Identifier: Apache-2.0
"""Draw scenes, from which a denoiser learns: speech in rooms and noise, clean speech, noise alone, damaged signals.

Beside the noises of varied_mixtures, scenes hold what mixtures at a few SNRs do not show: clean input, pauses, rooms,
microphones, jumps of level and clipping. Everything is drawn from one split. A scene is drawn from a seed of its own,
so that scenes can be made in any order and by several processes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve

from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.mixing import LEVEL_DBFS, rms
from blsh_trainer.corpora.mixture_sources import read_speech
from blsh_trainer.corpora.varied_mixtures import NoiseDraw, coloured
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ, WINDOW

LOUD_SNR_DB = (-10.0, 14.0)
QUIET_SNR_DB = (14.0, 40.0)
CLEAN_SNR_DB = 60.0
_LEAD_S = (-0.5, 2.0)  # below 0 there is no lead: a fifth of the scenes begin with speech
_KINDS = (("loud", 0.77), ("quiet", 0.92), ("clean", 0.97), ("pause", 1.0))  # cumulative shares
_ROOM, _MICROPHONE, _JUMP, _CLIPPED, _OTHER_LEVEL = 0.25, 0.25, 0.15, 0.04, 0.3  # shares of the scenes
_MICROPHONE_TILT_DB, _MICROPHONE_KNOT_DB = (-2.0, 2.0), 2.0
_DECAY_S = (0.1, 0.6)  # reverberation times
_DIRECT_TO_ROOM_DB = (0.0, 15.0)
_JUMP_DB = 10.0
_OTHER_LEVEL_DB = (-45.0, -12.0)
_FULL_SCALE = 32_768
_MOST_S = 8.0


@dataclass(frozen=True)
class Scene:
    """Speech as it should be heard, and the mixture that it is heard in: float64 (n,) each, at 16 kHz."""

    speech: FloatArray
    mixture: FloatArray


class SceneMaker:
    """A maker of the scenes of one split of `corpus`; scene i is the same whichever others are made.

    Each utterance comes once, in a shuffled order, before any comes again. BlshError for a split without speech or
    noise, and for audio that cannot be used.
    """

    def __init__(self, corpus: Corpus, split: str, seed: int) -> None:
        self._corpus = corpus
        self._speech = corpus.select("speech", split)
        self._noises = NoiseDraw(corpus, split, self._speech)
        self._seed = seed

    @property
    def utterances(self) -> int:
        """The number of utterances of the split."""
        return len(self._speech)

    def make(self, number: int) -> Scene:
        """Return scene `number`, counted from 0."""
        turn, place = divmod(number, len(self._speech))
        order = np.random.default_rng([self._seed, 0, turn]).permutation(len(self._speech))
        rng = np.random.default_rng([self._seed, 1, number])
        return self._draw(int(order[place]), rng)

    def scenes(self, numbers: range) -> Iterator[Scene]:
        """Yield the scenes of these numbers."""
        for number in numbers:
            yield self.make(number)

    def _draw(self, utterance: int, rng: np.random.Generator) -> Scene:
        lead = int(max(0.0, rng.uniform(*_LEAD_S)) * SAMPLE_RATE_HZ)
        voice = read_speech(self._corpus, self._speech[utterance])[: int(_MOST_S * SAMPLE_RATE_HZ)]
        voice = np.pad(voice, (0, max(0, WINDOW - voice.size)))
        if rng.random() < _ROOM:
            voice = in_room(voice, rng)
        speech = np.concatenate([np.zeros(lead), voice * (10.0 ** (LEVEL_DBFS / 20.0) / max(rms(voice), 1e-9))])
        _, noise = self._noises.draw(speech.size, rng)
        if rng.random() < _JUMP:
            at = int(rng.integers(noise.size))
            noise = noise * np.where(np.arange(noise.size) < at, 1.0, 10.0 ** (rng.uniform(-_JUMP_DB, _JUMP_DB) / 20.0))
        speech, noise = _balanced(speech, noise, lead, rng)
        if rng.random() < _MICROPHONE:
            state = rng.bit_generator.state
            speech = coloured(speech, rng, _MICROPHONE_TILT_DB, _MICROPHONE_KNOT_DB)
            rng.bit_generator.state = state  # the microphone colours both alike
            noise = coloured(noise, rng, _MICROPHONE_TILT_DB, _MICROPHONE_KNOT_DB)
        return _recorded(speech, noise, rng)


def in_room(voice: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return `voice` (n,) as heard in a room: the direct sound, and noise that decays by 60 dB in 0.1 to 0.6 s."""
    decay = rng.uniform(*_DECAY_S)
    times = np.arange(int(decay * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    response = rng.standard_normal(times.size) * 10.0 ** (-3.0 * times / decay)
    response[: int(0.002 * SAMPLE_RATE_HZ)] = 0.0
    response *= 10.0 ** (-rng.uniform(*_DIRECT_TO_ROOM_DB) / 20.0) / max(float(np.sqrt(np.sum(response**2))), 1e-9)
    response[0] = 1.0
    return np.asarray(fftconvolve(voice, response)[: voice.size])


def _balanced(
    speech: FloatArray, noise: FloatArray, lead: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return both at a drawn SNR; a scene of the kind `pause` has no speech."""
    lot = rng.random()
    kind = next(name for name, share in _KINDS if lot < share)
    snr_db = {
        "loud": float(rng.uniform(*LOUD_SNR_DB)),
        "quiet": float(rng.uniform(*QUIET_SNR_DB)),
        "clean": CLEAN_SNR_DB,
        "pause": 0.0,
    }[kind]
    loudness = rms(noise[lead:]) or rms(noise) or 1.0  # events may have ended within the lead
    noise = noise * (10.0 ** ((LEVEL_DBFS - snr_db) / 20.0) / loudness)
    return (np.zeros_like(speech) if kind == "pause" else speech), noise


def _recorded(speech: FloatArray, noise: FloatArray, rng: np.random.Generator) -> Scene:
    """Return the scene as a converter of 16 bits takes it: at another level, clipped where it is too loud."""
    mixture = speech + noise
    if rng.random() < _OTHER_LEVEL:
        gain = 10.0 ** ((rng.uniform(*_OTHER_LEVEL_DB) - LEVEL_DBFS) / 20.0)
    else:
        gain = min(1.0, 0.98 / max(float(np.abs(mixture).max()), 1e-9))
    if rng.random() < _CLIPPED:
        gain *= rng.uniform(1.0, 3.0) / max(float(np.abs(gain * mixture).max()), 1e-9)
    steps = np.clip(np.round(gain * mixture * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
    return Scene(gain * speech, steps / _FULL_SCALE)
