# SPDX-License-Identifier: Apache-2.0
"""The scores of a model as the page shows them: where they come from, levels, and differences to other denoisers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from blsh_tools.bench.peer_costs import load_peer_costs
from blsh_tools.bench.peers_table import BETTER, OPEN, WORSE
from blsh_tools.evaluate_model import EvaluateOptions, ReducedModel, evaluate_model
from blsh_tools.report.charts import Difference, Forest, forest
from blsh_tools.report.options import ReportOptions
from blsh_tools.report.recordings import split_to_hear
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.evaluation.bootstrap import mean_interval
from blsh_trainer.evaluation.evaluate import MIXTURE
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.peer_scores import load_peer_scores, load_recipes
from blsh_trainer.evaluation.protocols import PEERS, PEERS_RATE_HZ
from blsh_trainer.evaluation.score_sheet import MODEL, Level, ScoreSheet, boxed_scores, read_scores, sheet_of
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.progress import Progress, named

SHOWN: Final = ("si_sdr_db", "pesq", "estoi")
OWN_SNRS_DB: Final = (0.0, 10.0)
_WORDS = {BETTER: "better", WORSE: "worse", OPEN: "open"}
_HIGHER = "higher"


@dataclass(frozen=True)
class Scores:
    """The scores of a model. where: from where they are, in words."""

    sheet: ScoreSheet
    where: str

    @property
    def beside_peers(self) -> bool:
        """Whether they are on all mixtures of the peers, at the peers' rate."""
        mixtures = self.sheet.mixtures
        whole = (mixtures.get("protocol"), self.sheet.mixture_count) == (PEERS, len(load_recipes()))
        return whole and mixtures.get("rate_hz", PEERS_RATE_HZ) == PEERS_RATE_HZ

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are shown, of those that were measured."""
        return tuple(name for name in SHOWN if name in self.sheet.metrics)

    def title(self, metric: str) -> str:
        """Return the name of a metric, with its unit."""
        notation = METRICS[metric].shown_at(self.sheet.mixtures.get("rate_hz", PEERS_RATE_HZ))
        return f"{notation.title}, {notation.unit}" if notation.unit else notation.title


def known_scores(model: AnyModel, file: Path | None) -> Scores | None:
    """Return the scores in a file, or (None) those that the box has of `model`; None where it has none.

    BlshError as of read_scores.
    """
    if file is not None:
        return Scores(read_scores(file, model), f"from {file.name}")
    sheet = boxed_scores(model)
    return None if sheet is None else Scores(sheet, "measured once, and kept in the box with the model")


def own_scores(reduced: ReducedModel, options: ReportOptions, corpus: Corpus, progress: Progress) -> Scores | None:
    """Return scores on a few mixtures of the user's corpus; None without one. BlshError as of evaluate_model."""
    if options.corpus is None:
        return None
    split = split_to_hear(corpus)
    count = min(options.mixtures, len(corpus.select("speech", split)))
    wanted = EvaluateOptions(
        engine="fixed",
        metrics=SHOWN,
        split=split,
        snrs_db=OWN_SNRS_DB,
        count=count,
        seed=options.seed,
        jobs=options.jobs,
    )
    found = evaluate_model(reduced, corpus, wanted, named(progress, "scores"))
    few = f"measured now, on {count} mixtures; blsh evaluate takes more"
    return Scores(sheet_of(found.to_dict()), few)


def level_tables(scores: Scores) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return for each metric its title, the columns, and a row for each system: mean and interval at each SNR."""
    sheet = scores.sheet
    header = ["", *(f"{snr_db:g} dB" for snr_db in sheet.snrs_db)]
    tables = []
    for metric in scores.metrics:
        rows = [
            [title, *(_level(sheet.levels.get((system, snr_db, metric)), metric) for snr_db in sheet.snrs_db)]
            for system, title in ((MODEL, "this model"), (MIXTURE, "unprocessed"))
        ]
        if scores.beside_peers:
            for peer in sheet.peers:
                levels = [peer_level(peer, snr_db, metric) for snr_db in sheet.snrs_db]
                rows.append([peer_title(peer), *(_level(level, metric) for level in levels)])
        tables.append((scores.title(metric), header, rows))
    return tables


def peer_level(peer: str, snr_db: float, metric: str) -> Level | None:
    """Return the mean of a peer over all mixtures with its interval; None where it was not scored."""
    figures = [s.figures[metric] for s in load_peer_scores() if (s.system, s.snr_db) == (peer, snr_db)]
    known = [figure for figure in figures if np.isfinite(figure)]
    if not known:
        return None
    found = mean_interval(known, seed=0)
    return Level(found.mean, found.low, found.high, found.mixtures)


def peer_title(peer: str) -> str:
    """Return the name of a peer for readers; two versions of one denoiser keep their own names."""
    titles = [each.title for each in load_peer_costs()]
    found = next((each.title for each in load_peer_costs() if each.peer == peer), peer)
    return f"{found} ({peer})" if titles.count(found) > 1 else found


def forests(scores: Scores) -> list[Forest]:
    """Return a drawing for each metric: the model less each peer, mixture by mixture; none without peers."""
    if not scores.sheet.peers:
        return []
    return [
        forest(
            f"{scores.title(metric)}: this model less each other",
            [(peer_title(peer), list(_differences(scores.sheet, peer, metric))) for peer in scores.sheet.peers],
        )
        for metric in scores.metrics
    ]


def _differences(sheet: ScoreSheet, peer: str, metric: str) -> Sequence[Difference]:
    found = []
    for snr_db in sheet.snrs_db:
        level = sheet.differences.get((peer, snr_db, metric))
        if level is not None:
            notation, shows = METRICS[metric].shown, shown(level, metric)
            told = f"{notation.figure(level.mean, '+')} ({notation.interval(level.low, level.high)})"
            text = f"{peer_title(peer)} at {snr_db:g} dB: {told}, {shows}"
            mean, low, high = (notation.scale * value for value in (level.mean, level.low, level.high))
            found.append(Difference(mean, low, high, _WORDS[shows], text))
    return found


def shown(level: Level, metric: str) -> str:
    """Return BETTER or WORSE where the interval of a difference excludes 0, else OPEN."""
    if level.low <= 0.0 <= level.high:
        return OPEN
    return BETTER if (level.low > 0.0) == (METRICS[metric].better == _HIGHER) else WORSE


def difference_tables(scores: Scores) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return what `forests` draws as tables: for each metric its title, the columns, and a row for each peer."""
    sheet = scores.sheet
    tables = []
    for metric in scores.metrics if sheet.peers else ():
        rows = []
        for peer in sheet.peers:
            levels = [sheet.differences.get((peer, snr_db, metric)) for snr_db in sheet.snrs_db]
            rows.append([peer_title(peer), *(_difference(level, metric) for level in levels)])
        tables.append((scores.title(metric), ["less", *(f"{snr_db:g} dB" for snr_db in sheet.snrs_db)], rows))
    return tables


def counted_words(scores: Scores) -> dict[str, int]:
    """Return how many differences to peers are better, worse and open, over SNRs and the metrics that are shown."""
    words = [
        _WORDS[shown(level, metric)]
        for (_, _, metric), level in scores.sheet.differences.items()
        if metric in scores.metrics
    ]
    return {word: words.count(word) for word in _WORDS.values()}


def to_dict(scores: Scores | None) -> dict[str, Any] | None:
    """Return the scores as JSON values."""
    if scores is None:
        return None
    sheet = scores.sheet
    levels = [
        {"system": system, "snr_db": snr_db, "metric": metric, **vars(level)}
        for (system, snr_db, metric), level in sheet.levels.items()
    ]
    gains = [{"snr_db": snr_db, "metric": metric, **vars(level)} for (snr_db, metric), level in sheet.gains.items()]
    differences = [
        {"peer": peer, "snr_db": snr_db, "metric": metric, **vars(level), "shown": shown(level, metric)}
        for (peer, snr_db, metric), level in sheet.differences.items()
    ]
    head = {"where": scores.where, "engine": sheet.engine, "mixtures": sheet.mixtures}
    return {**head, "levels": levels, "gains": gains, "differences": differences, "counted": counted_words(scores)}


def _level(level: Level | None, metric: str) -> str:
    if level is None:
        return "–"
    notation = METRICS[metric].shown
    return f"{notation.figure(level.mean)} ({notation.interval(level.low, level.high)})"


def _difference(level: Level | None, metric: str) -> str:
    if level is None:
        return "–"
    notation = METRICS[metric].shown
    return f"{notation.figure(level.mean, '+')} ({notation.interval(level.low, level.high)}), {shown(level, metric)}"
