# SPDX-License-Identifier: Apache-2.0
"""Score systems under conditions: each cell, a system under a condition, is scored once and kept in the store."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.evaluation.bootstrap import MeanInterval, mean_interval
from blsh_trainer.evaluation.evaluate import MIXTURE, System, evaluate_systems
from blsh_trainer.evaluation.protocols import DrawnMixtures, Mixtures
from blsh_trainer.evaluation.systems import ModelSize
from blsh_trainer.experiments.compared_systems import Spec, build, network_identity
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.workshop import Workshop
from blsh_trainer.progress import named
from blsh_trainer.signals.spectra import BINS

TEST_SEED = 0
_TOGETHER = 16  # systems that are scored together: an interrupt loses one group at most


@dataclass(frozen=True)
class Condition:
    """Mixtures and metrics; `identity` is JSON that determines them, for which no audio needs to be read."""

    identity: str
    metrics: tuple[str, ...]
    mixtures: Mixtures = field(compare=False)


def condition(mixtures: Mixtures, metrics: Sequence[str], **identity: Any) -> Condition:
    """Return the condition of a recipe that `identity` determines."""
    return Condition(json.dumps(identity, sort_keys=True), tuple(metrics), mixtures)


def drawn_condition(settings: Settings, snr_db: float, metrics: Sequence[str], split: str = "test") -> Condition:
    """Return the condition of at most `settings.count` mixtures of a split at one SNR: the same draws at every SNR."""
    corpus = settings.corpus
    count = min(settings.count, len(corpus.select("speech", split)))
    recipe = {"split": split, "snr_db": snr_db, "count": count, "seed": TEST_SEED}
    mixtures = DrawnMixtures(corpus, split, (snr_db,), count, TEST_SEED)
    return condition(mixtures, metrics, corpus_sha256=corpus.sha256, protocol="drawn", **recipe)


Cell = tuple[Spec, Condition]


@dataclass(frozen=True)
class Scores:
    """A cell's figures (n,) by metric, those of the unprocessed `mixture`, and the system's bytes and entries."""

    figures: dict[str, FloatArray]
    mixture: dict[str, FloatArray]
    size: dict[str, int]
    entries: int

    def gains(self, metric: str) -> FloatArray:
        """Return the improvements over the mixtures (n,)."""
        return self.figures[metric] - self.mixture[metric]


def run_cells(name: str, cells: Iterable[Cell], workshop: Workshop, settings: Settings) -> dict[Cell, Scores]:
    """Return the scores of all cells. Cells that the store lacks are computed, many systems over the same mixtures."""
    wanted = list(dict.fromkeys(cells))
    found: dict[Cell, Scores] = {}
    for cell in wanted:
        kept = workshop.store.result("cells", _identity(cell, workshop, settings))
        if kept is not None:
            found[cell] = _scores(kept)
    missing = [cell for cell in wanted if cell not in found]
    fits = [
        (spec.learner, spec.feature_kind, spec.seed, spec.fitted) for spec, _ in missing if spec.learner is not None
    ]
    workshop.prepare(fits, settings.jobs)
    for batch in _batches(missing):
        done = len(found)
        what = f"{name}, cells {done + 1} to {done + len(batch)} of {len(wanted)}"
        found.update(_computed(what, batch, workshop, settings))
    return found


class Scored:
    """The scores of systems over several seeds; a Spec stands for all its seeds."""

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
    """Score each spec under each condition, with each seed or, where nothing is random, with the first."""
    cells = [
        (replace(spec, seed=seed), chosen)
        for chosen in conditions
        for seed in seeds
        for spec in specs
        if seed == seeds[0] or spec.kind in ("hash", "knn")
    ]
    return Scored(run_cells(name, cells, workshop, settings))


def _computed(what: str, batch: Sequence[Cell], workshop: Workshop, settings: Settings) -> dict[Cell, Scores]:
    chosen = batch[0][1]
    shared: dict[Any, Any] = {}
    systems: dict[str, System] = {}
    for number, (spec, _) in enumerate(batch):
        if spec.kind != MIXTURE:
            systems[str(number)] = build(spec, workshop, settings, shared)
    advance = named(settings.progress, what)
    evaluation = evaluate_systems(systems, chosen.mixtures, chosen.metrics, settings.jobs, progress=advance)
    found: dict[Cell, Scores] = {}
    for number, cell in enumerate(batch):
        system = systems.get(str(number))
        label = MIXTURE if system is None else str(number)
        size: ModelSize = getattr(system, "size", ModelSize())
        scores = Scores(
            {metric: evaluation.values(label, metric) for metric in chosen.metrics},
            {metric: evaluation.values(MIXTURE, metric) for metric in chosen.metrics},
            size.to_dict(),
            size.masks * 8 // BINS,
        )
        workshop.store.keep_result("cells", _identity(cell, workshop, settings), _kept(scores))
        found[cell] = scores
    return found


def _batches(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Return the cells in batches of one condition; cells that share a dictionary, and so most work, come together."""
    groups: dict[Condition, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell[1], []).append(cell)
    for group in groups.values():
        group.sort(key=lambda cell: (cell[0].feature_kind, cell[0].dictionary, cell[0].seed))
    return [group[at : at + _TOGETHER] for group in groups.values() for at in range(0, len(group), _TOGETHER)]


def _identity(cell: Cell, workshop: Workshop, settings: Settings) -> dict[str, Any]:
    spec, chosen = cell
    depends: dict[str, Any] = {"spec": asdict(spec), "condition": chosen.identity, "metrics": list(chosen.metrics)}
    if spec.kind == "network":
        depends["network"] = network_identity(spec.network, workshop, settings)
    elif spec.feature_kind:
        depends |= {"neighbours": workshop.sizes.neighbours, "frames": workshop.identity(spec.feature_kind)}
    if spec.learner is not None:
        depends["hash"] = workshop.hash_identity(spec.learner, spec.feature_kind, spec.seed, spec.fitted)
    return depends


def _kept(scores: Scores) -> dict[str, Any]:
    def listed(figures: Mapping[str, FloatArray]) -> dict[str, list[float | None]]:
        return {m: [float(v) if np.isfinite(v) else None for v in values] for m, values in figures.items()}

    kept = {"figures": listed(scores.figures), "mixture": listed(scores.mixture)}
    return {**kept, "size": scores.size, "entries": scores.entries}


def _scores(kept: Mapping[str, Any]) -> Scores:
    def arrays(figures: Mapping[str, list[float | None]]) -> dict[str, FloatArray]:
        return {m: np.array([np.nan if v is None else v for v in values]) for m, values in figures.items()}

    return Scores(arrays(kept["figures"]), arrays(kept["mixture"]), kept["size"], kept["entries"])


def _matches(cell: Cell, spec: Spec, chosen: Condition) -> bool:
    return cell[1] == chosen and replace(cell[0], seed=spec.seed) == spec
