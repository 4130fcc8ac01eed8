"""What experiments share: their cells of several seeds, the paper's figures, and how numbers are written."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.evaluation.bootstrap import MeanInterval, mean_interval
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.protocols import DrawnMixtures
from blsh_trainer.experiments.scoring import Cell, Condition, Scores, Spec, condition, run_cells
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.work_store import Store
from blsh_trainer.experiments.workshop import Learner, Workshop

FEATURES = ("stft", "mel")
TEST_SEED = 0


def workshop_for(settings: Settings) -> Workshop:
    """Return the workshop of the settings' corpus, its store being the work folder."""
    return Workshop(settings.corpus, settings.sizes, Store(settings.work), settings.progress)


def drawn_condition(settings: Settings, snr_db: float, metrics: Sequence[str], split: str = "test") -> Condition:
    """Return `settings.count` mixtures of a split of the settings' corpus at one SNR, the same for every SNR."""
    corpus = settings.corpus
    count = min(settings.count, len(corpus.select("speech", split)))
    recipe = {"split": split, "snr_db": snr_db, "count": count, "seed": TEST_SEED}
    mixtures = DrawnMixtures(corpus, split, (snr_db,), count, TEST_SEED)
    return condition(mixtures, metrics, corpus_sha256=corpus.sha256, protocol="drawn", **recipe)


class Scored:
    """The scores of systems over several seeds, by their Spec with seed 0."""

    def __init__(self, scores: dict[Cell, Scores]) -> None:
        self._scores = scores

    def cells(self, spec: Spec, chosen: Condition) -> list[Scores]:
        """Return the scores of all seeds of a system."""
        found = [(cell[0].seed, s) for cell, s in self._scores.items() if _matches(cell, spec, chosen)]
        return [scores for _, scores in sorted(found, key=lambda pair: pair[0])]

    def gains(self, spec: Spec, chosen: Condition, metric: str) -> FloatArray:
        """Return improvements over the mixtures (seeds, mixtures)."""
        return np.array([scores.gains(metric) for scores in self.cells(spec, chosen)])

    def figures(self, spec: Spec, chosen: Condition, metric: str) -> FloatArray:
        """Return figures (seeds, mixtures)."""
        return np.array([scores.figures[metric] for scores in self.cells(spec, chosen)])

    def gain(self, spec: Spec, chosen: Condition, metric: str) -> MeanInterval:
        """Return the mean improvement and its interval."""
        return mean_interval(self.gains(spec, chosen, metric))


def score_seeds(
    name: str,
    specs: Iterable[Spec],
    conditions: Sequence[Condition],
    seeds: Sequence[int],
    workshop: Workshop,
    settings: Settings,
) -> Scored:
    """Score each of `specs` with each seed (one, where there is nothing random) under each condition."""
    cells = [
        (replace(spec, seed=seed), chosen)
        for chosen in conditions
        for seed in seeds
        for spec in specs
        if seed == seeds[0] or spec.kind in ("hash", "knn")
    ]
    return Scored(run_cells(name, cells, workshop, settings))


def hashed(learner: Learner, feature_kind: str, bits: int, dictionary: float, fitted: int | None = None) -> Spec:
    """Return the hash look-up with `learner`."""
    return Spec("hash", feature_kind, learner, bits, dictionary, fitted=fitted)


def told(found: MeanInterval, metric: str) -> str:
    """Return mean and interval as text, written as the paper's tables write the metric."""
    if found.mixtures == 0:
        return "undefined"
    notation = METRICS[metric].paper or METRICS[metric].shown
    return f"{notation.figure(found.mean)} ({notation.interval(found.low, found.high)})"


def _matches(cell: Cell, spec: Spec, chosen: Condition) -> bool:
    return cell[1] == chosen and replace(cell[0], seed=spec.seed) == spec
