# SPDX-License-Identifier: Apache-2.0
"""Gather what the page about a model shows, and write it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blsh_codegen.emit.generate import integer_model, reduced_model
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_hil.link.port import require_there
from blsh_tools.audio.engines import FloatEngine
from blsh_tools.bench.estimate_model import BoardEstimate, estimate_model
from blsh_tools.evaluate_model import ReducedModel
from blsh_tools.options.corpora import corpus_or_synthetic
from blsh_tools.options.outputs import check_outside
from blsh_tools.report.budgets import Budget, budgets
from blsh_tools.report.card_rows import card_rows, latency_rows
from blsh_tools.report.device import chosen_device, device_engine
from blsh_tools.report.frontier import Frontier, frontier
from blsh_tools.report.options import ReportOptions
from blsh_tools.report.recordings import Heard, draw_sources, hear
from blsh_tools.report.scores import Scores, known_scores, own_scores, to_dict
from blsh_tools.report.stage_loss import StageLoss, stage_losses
from blsh_tools.report.verdict import Sentence, summary
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.attribution import attribution_text, licence_rows
from blsh_trainer.progress import Progress


@dataclass(frozen=True)
class Report:
    """All that the page about a model shows. corpus, synthetic: what the recordings are of. device: in words."""

    found: BoardEstimate
    sentences: Sequence[Sentence]
    scores: Scores | None
    budgets: Sequence[Budget]
    frontier: Frontier
    losses: Sequence[StageLoss]
    heard: Sequence[Heard]
    device: str
    corpus: str
    synthetic: bool

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.found.model.name

    @property
    def size(self) -> tuple[int, int]:
        """The entries of each dictionary, and the bits of a code, that the firmware would hold."""
        model, options = self.found.model, self.found.options
        return options.entries or model.entries, options.bits or model.bits

    def to_dict(self) -> dict[str, Any]:
        """Return all but sound and pictures as JSON values."""
        model = self.found.model
        return {
            "model": self.name,
            "model_sha256": model.sha256,
            "summary": [each.to_dict() for each in self.sentences],
            "card": dict(card_rows(model)),
            "latency": dict(latency_rows(self.found)),
            "scores": to_dict(self.scores),
            "board": self.found.board.name,
            "budgets": [each.to_dict() for each in self.budgets],
            "frontier": self.frontier.to_dict(),
            "stages": [each.to_dict() for each in self.losses],
            "device": self.device,
            "corpus": self.corpus,
            "synthetic": self.synthetic,
            "recordings": [each.to_dict() for each in self.heard],
            "licences": licence_rows(model.card),
            "attribution": attribution_text(model),
        }


def gather(options: ReportOptions, page: Path, progress: Progress) -> Report:
    """Return what `page` shows. BlshError where model, board, corpus, scores or device cannot be used."""
    device = chosen_device(options.device, options.port)
    if options.port is not None:
        require_there(options.port)
    scores = known_scores(load_model(options.model), options.scores)
    found = estimate_model(options.model, options.wanted)
    model, size = found.model, found.options
    corpus = corpus_or_synthetic(options.corpus, options.seed, progress)
    check_outside(corpus, page)
    sources = draw_sources(corpus, model.geometry.rate_hz, options.seed)
    if scores is None:
        scores = own_scores(ReducedModel(model, size, "fixed"), options, corpus, progress)
    integers = integer_model(model, size)
    losses = stage_losses(reduced_model(model, size), integers, [each.noisy for each in sources], progress)
    with device_engine(device, found, integers, options.port) as (engine, words):
        heard = hear(sources, FloatEngine(model, size), VectorisedDenoiser(integers), engine, progress)
    return Report(
        found,
        summary(found, scores, losses, heard, words),
        scores,
        budgets(found, options.reports),
        frontier(model, size, scores, progress),
        losses,
        heard,
        words,
        corpus.name,
        synthetic=options.corpus is None,
    )


def page_path(model: Path) -> Path:
    """Return where the page about a model is written unless told otherwise."""
    return Path("out/report") / f"{model.stem}.html"
