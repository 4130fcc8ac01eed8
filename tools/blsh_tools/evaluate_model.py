# SPDX-License-Identifier: Apache-2.0
"""A model's scores on unseen speakers and noise, beside the mixture's and the peers', and how it behaves."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from blsh_codegen.emit.generate import GenerateOptions, reduced_model
from blsh_tools.audio.engines import Engine, FixedEngine, FloatEngine
from blsh_tools.bench.model_costs import model_costs
from blsh_tools.bench.peers_table import MODEL, PeersComparison, Table, compare_with_peers
from blsh_tools.options.arguments import RESULTS
from blsh_trainer.compute.process_map import check_jobs
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.behaviours import BEHAVIOURS, Behaved, measure_behaviours
from blsh_trainer.evaluation.evaluate import MIXTURE, Blind, Evaluation, Summary, evaluate_systems
from blsh_trainer.evaluation.metrics import METRICS, check_packages
from blsh_trainer.evaluation.protocols import DEFAULT_SNRS_DB, DRAWN, PEERS, PEERS_RATE_HZ, choose_mixtures, mixtures_at
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.progress import Progress
from blsh_trainer.suggestions import unknown

_ENGINES: dict[str, Callable[[AnyModel, GenerateOptions], Engine]] = {"float": FloatEngine, "fixed": FixedEngine}
_INTERVAL = "  95 % interval"


@dataclass(frozen=True)
class EvaluateOptions:
    """The options of scoring a model: engine, metrics, mixtures and the number of processes (None: all cores).

    metrics: names of METRICS and of BEHAVIOURS. peers: whether the mixtures are those of the peers. split, snrs_db,
    count and seed choose the mixtures: see choose_mixtures.
    """

    engine: str = "float"
    metrics: tuple[str, ...] = tuple(METRICS)
    peers: bool = False
    split: str = "test"
    snrs_db: tuple[float, ...] = DEFAULT_SNRS_DB
    count: int | None = None
    seed: int = 0
    jobs: int | None = None

    @property
    def of_mixtures(self) -> tuple[str, ...]:
        """The metrics that are measured on mixtures."""
        return tuple(name for name in self.metrics if name in METRICS)

    @property
    def behaviours(self) -> tuple[str, ...]:
        """The metrics that are measured on signals of their own."""
        return tuple(name for name in self.metrics if name in BEHAVIOURS)

    def check(self) -> None:
        """Raise BlshError for an engine that cannot be scored, and for metrics or processes that cannot be."""
        if self.engine not in _ENGINES:
            raise BlshError(
                f"engine {self.engine!r} cannot be evaluated; choose float or fixed (the device equals fixed)"
            )
        known = (*METRICS, *BEHAVIOURS)
        for name in self.metrics:
            if name not in known:
                raise BlshError(f"metric {name!r} {unknown(name, known)}")
        if not self.metrics or len(set(self.metrics)) < len(self.metrics):
            raise BlshError(f"metrics {list(self.metrics)}; give one at least, and none twice")
        check_packages([*self.of_mixtures, *(name for each in self.behaviours for name in BEHAVIOURS[each].shown)])
        if self.peers and not self.of_mixtures:
            raise BlshError(f"--peers with {', '.join(self.metrics)} alone; the peers have {', '.join(METRICS)}")
        check_jobs(self.jobs)


class ReducedModel:
    """A model with part of its dictionary, and the engine that denoises with it."""

    def __init__(self, artifact: AnyModel, reduction: GenerateOptions, engine: str) -> None:
        """Raise BlshError for a reduction that the model does not allow."""
        reduced = reduced_model(artifact, reduction)
        self.artifact, self.reduction = artifact, reduction
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
    """The scores of a model on mixtures, its comparison with the peers on theirs, and how it behaves.

    Each is None where it was not asked for; `peers` holds the same scores as `scores`.
    """

    scores: Evaluation | None
    told: dict[str, Any]
    peers: PeersComparison | None = None
    behaved: Behaved | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        found = {} if self.scores is None else self.scores.to_dict()
        compared = {} if self.peers is None else self.peers.to_dict()
        behaved = {} if self.behaved is None else {"behaviours": self.behaved.to_dict()}
        return {**found, **self.told, **compared, **behaved}

    def to_json(self) -> str:
        """Return everything as the text of a JSON file."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def tables(self) -> list[Table]:
        """Return the tables for people: the mixtures or the peers, then each behaviour."""
        found = []
        if self.peers is not None:
            found += self.peers.tables()
        elif self.scores is not None:
            found.append(_scores_table(self.scores, self.told["engine"]))
        return found + ([] if self.behaved is None else _behaviour_tables(self.behaved))


def evaluate_model(
    model: ReducedModel, corpus: Corpus, options: EvaluateOptions, progress: Progress | None = None
) -> ModelScores:
    """Score `model` on mixtures and signals of `corpus`.

    BlshError as of choose_mixtures, evaluate_systems and measure_behaviours.
    """
    found = peers = behaved = None
    rate_hz = model.artifact.geometry.rate_hz
    if options.behaviours and rate_hz != PEERS_RATE_HZ:
        raise BlshError(
            f"{', '.join(options.behaviours)} of a model of {rate_hz} Hz; their signals are at {PEERS_RATE_HZ} Hz, "
            f"choose of {', '.join(METRICS)}"
        )
    if options.of_mixtures:
        protocol = PEERS if options.peers else DRAWN
        mixtures = mixtures_at(
            choose_mixtures(protocol, corpus, options.split, options.snrs_db, options.count, options.seed), rate_hz
        )
        systems = {MODEL: Blind(model.engine)}
        # first, because a cost that is not known is said at once, and the scores take minutes
        compared = options.peers and rate_hz == PEERS_RATE_HZ
        costs = model_costs(model.artifact, model.reduction, corpus, RESULTS) if compared else None
        found = evaluate_systems(systems, mixtures, options.of_mixtures, options.jobs, options.seed, progress)
        if costs is not None:
            peers = compare_with_peers(found, costs)
    if options.behaviours:
        behaved = measure_behaviours(model.engine, corpus, options.behaviours, options.jobs, options.seed, progress)
    return ModelScores(found, model.told, peers, behaved)


# ---- tables ------------------------------------------------------------------------------------------------------


def _scores_table(scores: Evaluation, engine: str) -> Table:
    """Return lines for each SNR: mixture, model and improvement."""
    summary = {(s.snr_db, s.system, s.metric): s for s in scores.summary()}
    rows: list[list[str]] = []
    for snr_db in scores.snrs_db:
        mixture, model = ([summary[snr_db, who, m] for m in scores.metrics] for who in (MIXTURE, MODEL))
        cells = [
            (MIXTURE, [_figure(s, s.mean) for s in mixture]),
            (MODEL, [_figure(s, s.mean) for s in model]),
            (_INTERVAL, [_interval(s, s.low, s.high) for s in model]),
            ("improvement", [_figure(s, s.improvement, "+") for s in model]),
            (_INTERVAL, [_interval(s, s.improvement_low, s.improvement_high) for s in model]),
        ]
        rows += [[f"{snr_db:g}", what, *figures] for what, figures in cells]
    rate_hz = scores.mixtures.get("rate_hz", PEERS_RATE_HZ)
    notations = [METRICS[name].shown_at(rate_hz) for name in scores.metrics]
    header = ["SNR", "system", *(f"{each.title}, {each.unit}" if each.unit else each.title for each in notations)]
    what = f"{scores.mixtures['mixtures']} mixtures of {scores.mixtures['split']}, engine {engine}"
    if rate_hz != PEERS_RATE_HZ:
        what += f", at {rate_hz} Hz, where no peer was scored"
    return Table(f"Evaluated: {what}; means", header, rows)


def _behaviour_tables(found: Behaved) -> list[Table]:
    """Return a table for each behaviour: a line for each figure, a column for each group of signals."""
    tables = []
    for name in dict.fromkeys(trial.behaviour for trial in found.trials):
        means = [each for each in found.means() if each.behaviour == name]
        groups: Sequence[str] = list(dict.fromkeys(each.group for each in means))
        rows = []
        for figure, notation in BEHAVIOURS[name].shown.items():
            of = {each.group: each for each in means if each.figure == figure}
            title = f"{notation.title}, {notation.unit}" if notation.unit else notation.title
            rows.append([title, *(notation.figure(of[g].mean) if of[g].n else "undefined" for g in groups)])
        tables.append(Table(f"{name} (blsh docs measures)", ["figure", *groups], rows))
    return tables


def _figure(summary: Summary, value: float, sign: str = "") -> str:
    if summary.n == 0:
        return "undefined"
    told = METRICS[summary.metric].shown.figure(value, sign)
    return told + (f", n = {summary.n}" if summary.undefined else "")


def _interval(summary: Summary, low: float, high: float) -> str:
    return METRICS[summary.metric].shown.interval(low, high) if summary.n else ""
