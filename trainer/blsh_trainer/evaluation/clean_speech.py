# SPDX-License-Identifier: Apache-2.0
"""Measure what a denoiser does to speech that is clean already, and how it starts.

docs/measures.md has the formulas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.corpora.mixing import LEVEL_DBFS
from blsh_trainer.corpora.mixture_sources import read_speech
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.behaviour import Behaviour, Trial, at_level, pass_through, power_db
from blsh_trainer.evaluation.evaluate import Denoiser
from blsh_trainer.evaluation.metrics import METRICS, Notation
from blsh_trainer.evaluation.peer_scores import load_recipes
from blsh_trainer.evaluation.protocols import PEERS_PEAK
from blsh_trainer.evaluation.steadiness import block_levels, fan_noise
from blsh_trainer.signals.audio import read_cut
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ

UTTERANCES: Final = 12
MOST_SI_SDR_DB: Final = 100.0
START_SNR_DB: Final = 10.0
_PASSAGE, _BEFORE = SAMPLE_RATE_HZ, 10 * SAMPLE_RATE_HZ
_BLOCK = 512
_ONSET_DB = 20.0
_LEAST_GAIN = 1e-6


@dataclass(frozen=True)
class Utterance:
    """Samples `first` to `last` - 1 of a recording, or the whole entry for a `last` of None."""

    corpus: Corpus
    entry: Entry
    first: int = 0
    last: int | None = None

    @property
    def id(self) -> str:
        """The path of the recording and the first sample."""
        return f"{self.entry.path}:{self.entry.start + self.first}"

    def samples(self) -> FloatArray:
        """Return the speech (n,) at -26 dBFS RMS, or lower, so that its peak is 0.98. BlshError for silence."""
        if self.last is None:
            speech = read_speech(self.corpus, self.entry)
        else:
            speech = read_cut(self.corpus.path(self.entry), self.first, self.last - self.first)
        if not speech.any():
            raise BlshError(f"{self.corpus.path(self.entry)} is silent; restore it, or take it out of the test split")
        scaled = at_level(speech, LEVEL_DBFS)
        return scaled * min(1.0, PEERS_PEAK / float(np.abs(scaled).max()))


def utterances(corpus: Corpus) -> list[Utterance]:
    """Return the speech of the first 12 mixtures of the peers' protocol, or 12 utterances of the test split.

    The latter are taken on a corpus that lacks one of the recordings: as many as there are, at most 12, evenly spaced
    in the order of the corpus. BlshError for a test split without speech.
    """
    speech = corpus.select("speech", "test")
    by_path = {entry.path: entry for entry in speech if entry.start == 0}
    recipes = load_recipes()[:UTTERANCES]
    if all(recipe.speech in by_path for recipe in recipes):
        return [Utterance(corpus, by_path[recipe.speech], recipe.first, recipe.last) for recipe in recipes]
    count = min(UTTERANCES, len(speech))
    return [Utterance(corpus, speech[number * len(speech) // count]) for number in range(count)]


# ---- damage ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CleanSpeech:
    """An utterance without noise."""

    utterance: Utterance
    group: str = "speech"

    @property
    def id(self) -> str:
        """The recording and the first sample."""
        return self.utterance.id

    def figures(self, denoiser: Denoiser) -> dict[str, float]:
        """Return the figures of damage; NaN where a metric is not defined."""
        return damage(*pass_through(denoiser, self.utterance.samples()))


def clean_trials(corpus: Corpus) -> Sequence[Trial]:
    """Return a trial for each utterance. BlshError for a test split without speech."""
    return [CleanSpeech(each) for each in utterances(corpus)]


CLEAN = Behaviour(
    "clean",
    clean_trials,
    {
        "si_sdr_db": METRICS["si_sdr_db"].shown,
        "pesq": METRICS["pesq"].shown,
        "estoi": METRICS["estoi"].shown,
        "level_db": Notation("level change", "dB", 2),
    },
)


def damage(speech: FloatArray, output: FloatArray) -> dict[str, float]:
    """Return SI-SDR (at most 100 dB), PESQ-WB and ESTOI of `output` against `speech`, (n,) each, and the level change.

    16-bit samples hold no more than 100 dB; an output that equals the speech would have an infinite SI-SDR, and with it
    the mean.
    """
    found = {name: METRICS[name].measure(speech, output, SAMPLE_RATE_HZ) for name in ("si_sdr_db", "pesq", "estoi")}
    found["si_sdr_db"] = float(np.clip(found["si_sdr_db"], -MOST_SI_SDR_DB, MOST_SI_SDR_DB))
    return {**found, "level_db": power_db(output) - power_db(speech)}


# ---- the start ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColdStart:
    """The first second of an utterance, heard at once and after 10 s of the same: of the noise, or of the speech."""

    utterance: Utterance
    group: Literal["in_noise", "clean"]

    @property
    def id(self) -> str:
        """The recording and the first sample."""
        return self.utterance.id

    def figures(self, denoiser: Denoiser) -> dict[str, float]:
        """Return the gains of the speech in dB: in the first second, once settled, and their difference."""
        speech = from_onset(self.utterance.samples())
        passage = np.resize(speech, _PASSAGE)
        if self.group == "in_noise":
            noise = fan_noise(_BEFORE + _PASSAGE)
            noise = noise * (np.sqrt(np.mean(passage**2) / np.mean(noise[_BEFORE:] ** 2)) / 10 ** (START_SNR_DB / 20))
            before, during = noise[:_BEFORE], passage + noise[_BEFORE:]
        else:
            before, during = np.resize(speech, _BEFORE), passage
        _, cold = pass_through(denoiser, during)
        _, settled = pass_through(denoiser, np.concatenate([before, during]))
        first, later = speech_gain_db(passage, cold), speech_gain_db(passage, settled[_BEFORE:])
        return {"first_second_db": first, "settled_db": later, "first_over_settled_db": first - later}


def start_trials(corpus: Corpus) -> Sequence[Trial]:
    """Return two trials for each utterance: in noise and clean. BlshError for a test split without speech."""
    speech = utterances(corpus)
    return [*(ColdStart(each, "in_noise") for each in speech), *(ColdStart(each, "clean") for each in speech)]


START = Behaviour(
    "start",
    start_trials,
    {
        "first_second_db": Notation("gain of the first second", "dB", 2),
        "settled_db": Notation("settled gain", "dB", 2),
        "first_over_settled_db": Notation("first second over settled", "dB", 2),
    },
)


def speech_gain_db(speech: FloatArray, output: FloatArray) -> float:
    """Return 20 log10(<output, speech> / <speech, speech>), (n,) each, at least -120 dB: noise left over counts not."""
    gain = float(output @ speech) / float(speech @ speech)
    return float(20.0 * np.log10(max(gain, _LEAST_GAIN)))


def from_onset(speech: FloatArray) -> FloatArray:
    """Return `speech` (n,) from its first block of 32 ms on that is within 20 dB of its loudest block."""
    if speech.size < _BLOCK:
        return speech
    levels = block_levels(speech)
    return speech[_BLOCK * int(np.argmax(levels >= levels.max() - _ONSET_DB)) :]
