# SPDX-License-Identifier: Apache-2.0
"""Quality against instructions on a Cortex-M4: this model among those of the box and other denoisers."""

from dataclasses import dataclass
from typing import Any, Final

from blsh_codegen.cost.cost_signal import MEASURED_HOPS, cost_signal
from blsh_codegen.cost.estimate import estimate
from blsh_codegen.cost.measured_costs import load_costs
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_hil.boards.table import find_board
from blsh_tools.bench.quality_points import METRICS_SHOWN, peer_points
from blsh_tools.options.arguments import DEFAULT_BOARD
from blsh_tools.report.charts import Scatter, scatter
from blsh_tools.report.scores import Scores
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.peer_scores import load_recipes
from blsh_trainer.evaluation.score_sheet import MODEL, ScoreSheet, boxed_scores
from blsh_trainer.model.artifact import AnyModel, load_model
from blsh_trainer.model.boxed_models import boxed_models
from blsh_trainer.progress import Progress

SNR_DB: Final = 0.0
THIS, BOXED, PEER = "model", "boxed", "peer"


@dataclass(frozen=True)
class Point:
    """A denoiser. kind: THIS, BOXED or PEER. low, high: million instructions a second on a Cortex-M4.

    figures: at 0 dB on the mixtures of the peers, by metric; None where it has none.
    """

    name: str
    kind: str
    low: float
    high: float
    figures: dict[str, float | None]

    @property
    def cost(self) -> str:
        """The instructions in words."""
        return f"{self.low:.1f}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Frontier:
    """The points, this model first, and a drawing for each metric. scored: whether this model has figures."""

    points: tuple[Point, ...]
    drawings: tuple[Scatter, ...]
    scored: bool

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return the columns, and a row for each point with the number that it has in the drawings."""
        header = ["", "denoiser", "M/s on M4", *(_title(metric) for metric in METRICS_SHOWN)]
        rows = [
            [str(number), each.name, each.cost, *(_told(each.figures[metric], metric) for metric in METRICS_SHOWN)]
            for number, each in enumerate(self.points, 1)
        ]
        return header, rows

    def to_dict(self) -> dict[str, Any]:
        """Return the points as JSON values."""
        return {"snr_db": SNR_DB, "scored": self.scored, "points": [vars(each) for each in self.points]}


def frontier(model: AnyModel, options: GenerateOptions, scores: Scores | None, progress: Progress) -> Frontier:
    """Return `model`, of the size in `options`, among the models of the box that have scores, and the peers."""
    sheet = scores.sheet if scores is not None and scores.beside_peers else None
    points = [_point("this model", THIS, model, options, sheet)]
    files = boxed_models()
    for number, (name, file) in enumerate(files.items(), 1):
        boxed = load_model(file)
        found = boxed_scores(boxed)
        if boxed.sha256 != model.sha256 and found is not None and Scores(found, "").beside_peers:
            points.append(_point(name, BOXED, boxed, GenerateOptions(entries=boxed.entries), found))
        progress("frontier", number, len(files))
    points += [Point(each.name, PEER, each.m4_low, each.m4_high, each.figures) for each in peer_points()]
    scored = any(figure is not None for figure in points[0].figures.values())
    return Frontier(tuple(points), tuple(_drawing(points, metric) for metric in METRICS_SHOWN), scored)


def m4_millions(model: AnyModel, options: GenerateOptions) -> float:
    """Return the estimated million instructions a second of `model` on a Cortex-M4."""
    costs, board = load_costs(), find_board(DEFAULT_BOARD)
    samples = cost_signal(MEASURED_HOPS, model.geometry)
    needs = estimate(integer_model(model, options), costs.core(board.core), costs.board(board.name), samples)
    return needs.millions_per_second


def _point(name: str, kind: str, model: AnyModel, options: GenerateOptions, sheet: ScoreSheet | None) -> Point:
    cost = round(m4_millions(model, options), 2)
    return Point(name, kind, cost, cost, {metric: _figure(sheet, metric) for metric in METRICS_SHOWN})


def _figure(sheet: ScoreSheet | None, metric: str) -> float | None:
    level = None if sheet is None else sheet.levels.get((MODEL, SNR_DB, metric))
    return None if level is None else level.mean


def _drawing(points: list[Point], metric: str) -> Scatter:
    scale = METRICS[metric].shown.scale
    drawn = [
        (
            number,
            each.low,
            each.high,
            scale * figure,
            each.kind,
            f"{each.name}: {each.cost} M/s, {_told(figure, metric)}",
        )
        for number, each in enumerate(points, 1)
        if (figure := each.figures[metric]) is not None
    ]
    own = points[0]
    title = f"{_title(metric)} at {SNR_DB:g} dB, over million instructions a second on a Cortex-M4"
    return scatter(title, drawn, own.high if own.figures[metric] is None else None, own.high)


def _title(metric: str) -> str:
    notation = METRICS[metric].shown
    return f"{notation.title}, {notation.unit}" if notation.unit else notation.title


def _told(figure: float | None, metric: str) -> str:
    return "–" if figure is None else METRICS[metric].shown.figure(figure)


def mixtures_in_words() -> str:
    """Return of what the figures are means."""
    return f"means over {len(load_recipes())} mixtures at {SNR_DB:g} dB, each denoiser on the same"
