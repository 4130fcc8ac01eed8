"""The unit of work of an experiment: one system under one condition, scored once and kept in the store."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.compute.cosine_index import KNN
from blsh_trainer.evaluation.evaluate import MIXTURE, System, evaluate_systems
from blsh_trainer.evaluation.protocols import Mixtures
from blsh_trainer.evaluation.systems import HashDenoiser, IbmOracle, KnnDenoiser, ModelSize
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.workshop import Learner, Workshop
from blsh_trainer.model.artifact import Model
from blsh_trainer.progress import named
from blsh_trainer.signals.masks import find_mask_kind
from blsh_trainer.signals.spectra import BINS

_TOGETHER = 16  # systems scored at once: what an interrupt can lose


@dataclass(frozen=True)
class Spec:
    """A system: "mixture", "ibm", "knn", "hash" or "network", and what it is made of.

    `dictionary` is a count of entries, or below 1 a share of the training frames. `bits` are the first of
    `fitted` bits (None: of the longest fit).
    """

    kind: str
    feature_kind: str = ""
    learner: Learner | None = None
    bits: int = 0
    dictionary: float = 0.0
    seed: int = 0
    fitted: int | None = None
    network: str = ""


@dataclass(frozen=True)
class Condition:
    """Mixtures and metrics; `identity` (JSON) says which without reading any audio."""

    identity: str
    metrics: tuple[str, ...]
    mixtures: Mixtures = field(compare=False)


def condition(mixtures: Mixtures, metrics: Sequence[str], **identity: Any) -> Condition:
    """Return the condition of a recipe that `identity` determines."""
    return Condition(json.dumps(identity, sort_keys=True), tuple(metrics), mixtures)


Cell = tuple[Spec, Condition]


@dataclass(frozen=True)
class Scores:
    """A cell's figures (n,) of each metric, those of the mixtures themselves, and the system's size in bytes."""

    figures: dict[str, FloatArray]
    mixture: dict[str, FloatArray]
    size: dict[str, int]
    entries: int

    def gains(self, metric: str) -> FloatArray:
        """Return the improvements over the mixtures (n,)."""
        return self.figures[metric] - self.mixture[metric]


def run_cells(name: str, cells: Iterable[Cell], workshop: Workshop, settings: Settings) -> dict[Cell, Scores]:
    """Return the scores of all cells; those that the store lacks are computed, many systems over the same mixtures."""
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


def build(spec: Spec, workshop: Workshop, settings: Settings, shared: dict[Any, Any] | None = None) -> System:
    """Return the system of `spec`; what several of them have in common is made once and kept in `shared`."""
    parts = {} if shared is None else shared
    if spec.kind == "ibm":
        return IbmOracle()
    if spec.kind == "network":
        return _network(spec.network, workshop, settings)
    frames, place = workshop.frames(spec.feature_kind), (spec.feature_kind, spec.dictionary, spec.seed)
    if place not in parts:
        rows = workshop.dictionary(*place)
        levels = find_mask_kind("ibm").unpack(frames.ibm[rows])
        parts[place] = (rows, levels, frames.H[rows].astype(np.float64))
    rows, levels, H = parts[place]
    if spec.kind == "knn":
        return KnnDenoiser(KNN(workshop.sizes.neighbours).fit(H, frames.ibm[rows]), spec.feature_kind)
    assert spec.learner is not None
    learned = (*place, spec.learner, spec.fitted)
    if learned not in parts:
        whole = workshop.hash(spec.learner, spec.feature_kind, spec.seed, spec.fitted)
        parts[learned] = (whole, whole.codes(H))
    whole, codes = parts[learned]
    hashed = whole.cut(spec.bits)
    return HashDenoiser(
        Model(
            name="experiment",
            feature_kind=spec.feature_kind,
            neighbours=workshop.sizes.neighbours,
            projections=hashed.projections,
            biases=hashed.biases,
            betas=hashed.betas,
            code_bits=np.ascontiguousarray(codes[:, : spec.bits]),
            mask_levels=levels,
            card={},
        )
    )


def _computed(what: str, batch: Sequence[Cell], workshop: Workshop, settings: Settings) -> dict[Cell, Scores]:
    chosen = batch[0][1]
    shared: dict[Any, Any] = {}
    systems: dict[str, System] = {}
    for number, (spec, _) in enumerate(batch):
        if spec.kind != MIXTURE:
            systems[str(number)] = build(spec, workshop, settings, shared)
    told = named(settings.progress, what)
    evaluation = evaluate_systems(systems, chosen.mixtures, chosen.metrics, settings.jobs, progress=told)
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
    """Cells of one condition together, those side by side that share a dictionary and with it most of the work."""
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


def network_identity(name: str, workshop: Workshop, settings: Settings) -> dict[str, Any]:
    """Return what a network's weights depend on, as JSON values."""
    return {
        "architecture": name,
        "corpus_sha256": workshop.corpus.sha256,
        "seconds": settings.baseline_seconds,
        "fast": settings.fast,
    }


def _network(name: str, workshop: Workshop, settings: Settings) -> System:
    from blsh_trainer.baselines.denoiser import load_network  # PyTorch: an optional extra
    from blsh_trainer.baselines.network_training import NeuralBaseline

    identity = network_identity(name, workshop, settings)
    weights = workshop.store.path("networks", identity, ".npz")
    if not weights.is_file():
        checkpoint = weights.with_suffix(".checkpoint")
        epochs = 1 if settings.fast else NeuralBaseline(name).epochs
        baseline = NeuralBaseline(name, epochs=epochs, seconds=settings.baseline_seconds, checkpoint=checkpoint)
        baseline.fit(workshop.corpus, settings.progress).denoiser_.save(weights)
        checkpoint.unlink(missing_ok=True)
    return load_network(weights)


def _kept(scores: Scores) -> dict[str, Any]:
    def listed(figures: Mapping[str, FloatArray]) -> dict[str, list[float | None]]:
        return {m: [float(v) if np.isfinite(v) else None for v in values] for m, values in figures.items()}

    kept = {"figures": listed(scores.figures), "mixture": listed(scores.mixture)}
    return {**kept, "size": scores.size, "entries": scores.entries}


def _scores(kept: Mapping[str, Any]) -> Scores:
    def arrays(figures: Mapping[str, list[float | None]]) -> dict[str, FloatArray]:
        return {m: np.array([np.nan if v is None else v for v in values]) for m, values in figures.items()}

    return Scores(arrays(kept["figures"]), arrays(kept["mixture"]), kept["size"], kept["entries"])
