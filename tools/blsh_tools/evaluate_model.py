# SPDX-License-Identifier: Apache-2.0
"""A model's scores on unseen speakers and noise, beside the mixture's and the peers': as a table and as JSON."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from blsh_codegen.emit.generate import GenerateOptions, reduced_model
from blsh_tools.audio.engines import Engine, FixedEngine, FloatEngine
from blsh_trainer.compute.process_map import check_jobs
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.evaluate import MIXTURE, Blind, Evaluation, Summary, evaluate_systems
from blsh_trainer.evaluation.metrics import METRICS, check_metrics
from blsh_trainer.evaluation.peer_comparison import Against, against_peers
from blsh_trainer.evaluation.protocols import DEFAULT_SNRS_DB, PEERS, choose_mixtures
from blsh_trainer.model.artifact import Model
from blsh_trainer.progress import Progress

MODEL = "model"
_ENGINES: dict[str, Callable[[Model, GenerateOptions], Engine]] = {"float": FloatEngine, "fixed": FixedEngine}
_INTERVAL = "  95 % interval"


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of scoring a model: engine, metrics, mixtures and the number of processes (None: all cores).

    protocol, split, snrs_db, count and seed choose the mixtures: see choose_mixtures.
    """

    engine: str = "float"
    metrics: tuple[str, ...] = tuple(METRICS)
    protocol: str = "drawn"
    split: str = "test"
    snrs_db: tuple[float, ...] = DEFAULT_SNRS_DB
    count: int | None = None
    seed: int = 0
    jobs: int | None = None

    def check(self) -> None:
        """Raise BlshError for an engine that cannot be scored, and for metrics or processes that cannot be."""
        if self.engine not in _ENGINES:
            raise BlshError(
                f"engine {self.engine!r} cannot be evaluated; choose float or fixed (the device equals fixed)"
            )
        check_metrics(self.metrics)
        check_jobs(self.jobs)


class ReducedModel:
    """A model with part of its dictionary, and the engine that denoises with it."""

    def __init__(self, artifact: Model, reduction: GenerateOptions, engine: str) -> None:
        """Raise BlshError for a reduction that the model does not allow."""
        reduced = reduced_model(artifact, reduction)
        self.engine = _ENGINES[engine](artifact, reduction)
        self.told = {
            "model_sha256": artifact.sha256,
            "engine": engine,
            "dictionary_entries": reduced.entries,
            "bits": reduced.bits,
            "neighbours": reduced.neighbours,
        }


@dataclass(frozen=True)
class ModelScores:
    """The scores of a model, and its comparison with the peers where the mixtures are theirs."""

    scores: Evaluation
    told: dict[str, Any]
    peers: tuple[Against, ...] | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        found = {**self.scores.to_dict(), **self.told}
        return found if self.peers is None else {**found, "peers": [asdict(each) for each in self.peers]}

    def to_json(self) -> str:
        """Return everything as the text of a JSON file."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    @property
    def title(self) -> str:
        """The scored engine, model and mixtures, in a line."""
        mixtures = self.scores.mixtures
        what = f"{mixtures['mixtures']} mixtures of {mixtures['split']}, engine {self.told['engine']}"
        return f"Evaluated: {what}; means"

    @property
    def header(self) -> list[str]:
        """The columns of `rows`."""
        notations = [METRICS[name].shown for name in self.scores.metrics]
        return ["SNR", "system", *(f"{each.title}, {each.unit}" if each.unit else each.title for each in notations)]

    def rows(self) -> list[list[str]]:
        """Return the lines of a table, for each SNR: mixture, model and improvement, then the peers."""
        summary = {(s.snr_db, s.system, s.metric): s for s in self.scores.summary()}
        rows = []
        for snr_db in self.scores.snrs_db:
            mixture, model = ([summary[snr_db, who, m] for m in self.scores.metrics] for who in (MIXTURE, MODEL))
            cells = [
                (MIXTURE, [_figure(s, s.mean) for s in mixture]),
                (MODEL, [_figure(s, s.mean) for s in model]),
                (_INTERVAL, [_interval(s, s.low, s.high) for s in model]),
                ("improvement", [_figure(s, s.improvement, "+") for s in model]),
                (_INTERVAL, [_interval(s, s.improvement_low, s.improvement_high) for s in model]),
                *self._peers(snr_db),
            ]
            rows += [[f"{snr_db:g}", what, *figures] for what, figures in cells]
        return rows

    def _peers(self, snr_db: float) -> list[tuple[str, list[str]]]:
        """Return three lines for each peer at one SNR; an empty cell where it was not scored by a metric."""
        here = [each for each in self.peers or () if each.snr_db == snr_db]
        cells = []
        for name in dict.fromkeys(each.peer for each in here):
            of = {each.metric: each for each in here if each.peer == name}
            pairs = [(METRICS[m].shown, of.get(m)) for m in self.scores.metrics]
            cells += [
                (name, ["" if a is None else shown.figure(a.theirs) for shown, a in pairs]),
                ("  model less it", ["" if a is None else shown.figure(a.difference, "+") for shown, a in pairs]),
                (_INTERVAL, ["" if a is None else shown.interval(a.low, a.high) for shown, a in pairs]),
            ]
        return cells


def evaluate_model(
    model: ReducedModel, corpus: Corpus, options: EvaluateOptions, progress: Progress | None = None
) -> ModelScores:
    """Score `model` on mixtures of `corpus`. BlshError as of choose_mixtures and evaluate_systems."""
    mixtures = choose_mixtures(options.protocol, corpus, options.split, options.snrs_db, options.count, options.seed)
    systems = {MODEL: Blind(model.engine)}
    found = evaluate_systems(systems, mixtures, options.metrics, options.jobs, options.seed, progress)
    compared = tuple(against_peers(found, MODEL)) if options.protocol == PEERS else None
    return ModelScores(found, model.told, compared)


def _figure(summary: Summary, value: float, sign: str = "") -> str:
    if summary.n == 0:
        return "undefined"
    told = METRICS[summary.metric].shown.figure(value, sign)
    return told + (f", n = {summary.n}" if summary.undefined else "")


def _interval(summary: Summary, low: float, high: float) -> str:
    return METRICS[summary.metric].shown.interval(low, high) if summary.n else ""
