# SPDX-License-Identifier: Apache-2.0
"""Measure how much less a denoiser gains in noise of types that no training heard."""

from dataclasses import dataclass, replace

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.bootstrap import MeanInterval, mean_interval
from blsh_trainer.evaluation.evaluate import MIXTURE, Blind, Denoiser, evaluate_systems
from blsh_trainer.evaluation.protocols import DrawnMixtures
from blsh_trainer.progress import Progress, named

_SNR_DB = 0.0
_METRIC = "si_sdr_db"
_SYSTEM = "model"


@dataclass(frozen=True)
class Generalisation:
    """The gain in SI-SDR at 0 dB in noise of heard and of unheard types, and the names of the types."""

    heard: MeanInterval
    unheard: MeanInterval
    heard_types: tuple[str, ...]
    unheard_types: tuple[str, ...]

    @property
    def gap_db(self) -> float:
        """The mean gain in heard noise less that in unheard noise."""
        return self.heard.mean - self.unheard.mean


def heard_and_unheard(corpus: Corpus, extra: Corpus) -> tuple[Corpus, Corpus]:
    """Return the valid splits of `corpus` with the noises of heard types, and of `extra` with those of unheard types.

    Heard are the noise types that are in the train split of either corpus, unheard those that are in neither. The
    speech of each is its own, all of it. BlshError where a split has no speech, or no noise of that kind.
    """
    trained = {
        each.speaker_or_type
        for source in (corpus, extra)
        for each in source.entries
        if (each.kind, each.split) == ("noise", "train")
    }
    return _with_noises(corpus, trained, heard=True), _with_noises(extra, trained, heard=False)


def _with_noises(corpus: Corpus, trained: set[str], heard: bool) -> Corpus:
    noises = tuple(each for each in corpus.select("noise", "valid") if (each.speaker_or_type in trained) == heard)
    if not noises:
        what = "is in a train split" if heard else "is in no train split"
        raise BlshError(f"the valid split of {corpus.place} has no noise whose type {what}; give another corpus")
    return replace(corpus, entries=(*corpus.select("speech", "valid"), *noises))


def generalisation(
    denoiser: Denoiser,
    corpus: Corpus,
    extra: Corpus,
    jobs: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Generalisation:
    """Measure the gain of `denoiser` on one mixture for each utterance of the two corpora of heard_and_unheard.

    `seed` draws the mixtures and the intervals. BlshError as of heard_and_unheard and evaluate_systems.
    """
    gains, types = [], []
    for part, what in zip(heard_and_unheard(corpus, extra), ("heard noise", "unheard noise"), strict=True):
        mixtures = DrawnMixtures(part, "valid", (_SNR_DB,), None, seed)
        systems = {_SYSTEM: Blind(denoiser)}
        found = evaluate_systems(systems, mixtures, (_METRIC,), jobs, seed, named(progress, what))
        gains.append(mean_interval(found.values(_SYSTEM, _METRIC) - found.values(MIXTURE, _METRIC), seed))
        types.append(tuple(sorted({each.speaker_or_type for each in part.select("noise", "valid")})))
    return Generalisation(gains[0], gains[1], types[0], types[1])
