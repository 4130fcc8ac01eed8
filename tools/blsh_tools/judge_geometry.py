# SPDX-License-Identifier: Apache-2.0
"""Measure what the bars of the classes of products judge, and write the verdicts, the table and the picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_firmware.measure.bench_images import M0_ROW
from blsh_firmware.measure.bench_inputs import describe_model
from blsh_hil.wire.markdown import table
from blsh_tools.bench.budgets import M4, SMALLEST
from blsh_tools.bench.class_costs import (
    BUDGET,
    OWN,
    ClassCosts,
    CostBench,
    class_estimate_bars,
    instruction_bars,
    measure_costs,
)
from blsh_tools.bench.class_memory import code_bar, ram_bars, ram_of_other_sizes, row_ram
from blsh_tools.bench.class_proofs import proof_bars
from blsh_tools.bench.class_quality import JUDGED_SNR_DB, RIVAL, SCORES, Figures, differences, less, means, quality_bars
from blsh_tools.bench.class_signals import reconstruction_bars, transform_bars, worst_transform_snrs
from blsh_tools.bench.demand import HEADER, Demand, bar_rows
from blsh_tools.bench.latency_points import DOCUMENT, NAME, PICTURE, draw_latency, latency_rows, renewed
from blsh_tools.bench.latency_points import HEADER as LATENCY_HEADER
from blsh_tools.bench.reconstruction import reconstruction_db
from blsh_tools.evaluate_model import ReducedModel
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.evaluation.bootstrap import MeanInterval
from blsh_trainer.evaluation.evaluate import Blind, evaluate_systems
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.evaluation.protocols import PEERS, PEERS_RATE_HZ, Mixtures, choose_mixtures, mixtures_at
from blsh_trainer.experiments.report_files import write_index
from blsh_trainer.experiments.verdict import state_of
from blsh_trainer.experiments.work_store import Store
from blsh_trainer.files import write_text_if_changed
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.progress import Progress, named
from blsh_trainer.signals.geometry import CLASSES

_ENGINE = "fixed"
_MODEL = "model"
_NOTES = (
    "The 60 mixtures, the peers and their scores: [peers](peers.md); every model runs in the firmware's integers. A "
    "difference is the mean over the mixtures, with its 95 % interval in brackets; a bar is met by the mean. "
    "Instructions are counted by an emulator on noisy speech of `test`: of the budgets' model (L = 50, `mel`, K = 10) "
    "in the geometry of the class, on M0 as code of a Cortex-M0 on a part with room for it. RAM is that of the class's "
    "own model. Estimates are compared with the images of both models. Values that differ: by the reports of "
    "`make hil-geometry`."
)


@dataclass(frozen=True)
class GeometryOptions:
    """The options of judging. snrs_db: of the mixtures. work: folder that keeps figures, models and images.

    reports: folder with a folder for each class, of `blsh hil --board all`. jobs: processes (None: one for each core).
    """

    snrs_db: tuple[float, ...]
    work: Path
    reports: Path
    jobs: int | None = None


@dataclass(frozen=True)
class Findings:
    """All that was measured. scores: of each class by SNR in dB, JUDGED_SNR_DB among them. bars: all bars, judged."""

    models: Mapping[str, AnyModel]
    scores: Mapping[str, Mapping[float, Figures]]
    costs: Mapping[str, ClassCosts]
    bars: Sequence[Demand]

    def classes(self) -> dict[str, dict[str, Any]]:
        """Return what is known of each class, as JSON values."""
        return {
            name: {
                "geometry": list(model.geometry.numbers),
                "model": describe_model(model),
                "quality": {f"{snr_db:g}": _told(means(of)) for snr_db, of in self.scores[name].items()},
                f"less {RIVAL}": {f"{snr_db:g}": _told(of) for snr_db, of in self._against_rival(name).items()},
                "costs": _own_costs(self.costs[name]),
                "rows": self.costs[name].to_dict(),
            }
            for name, model in self.models.items()
        }

    def rival_rows(self) -> list[list[str]]:
        """Return a line for each class and SNR: its quality less that of RIVAL."""
        return [
            [f"`{name}`", f"{snr_db:g} dB", differences(of)]
            for name in self.models
            for snr_db, of in self._against_rival(name).items()
        ]

    def _against_rival(self, name: str) -> dict[float, dict[str, MeanInterval]]:
        compared = {each for each, model in self.models.items() if model.geometry.rate_hz == PEERS_RATE_HZ} - {RIVAL}
        if name not in compared or RIVAL not in self.models:
            return {}
        return {snr_db: less(of, self.scores[RIVAL][snr_db]) for snr_db, of in self.scores[name].items()}


def judge_geometry(
    models: Mapping[str, AnyModel], corpus: Corpus, options: GeometryOptions, progress: Progress
) -> Findings:
    """Measure the models of the classes and judge every bar; what is kept in the work folder is not measured anew.

    BlshError as of PeersMixtures and measure_costs.
    """
    snrs_db = tuple(dict.fromkeys((JUDGED_SNR_DB, *options.snrs_db)))
    mixtures = {snr_db: choose_mixtures(PEERS, corpus, snrs_db=(snr_db,)) for snr_db in snrs_db}  # refused at once
    store = Store(options.work)
    scores = {
        name: {
            snr_db: _scores(model, of, store, options.jobs, named(progress, f"{name} at {snr_db:g} dB"))
            for snr_db, of in mixtures.items()
        }
        for name, model in models.items()
    }
    exact = {name: reconstruction_db(model.geometry, corpus) for name, model in models.items()}
    transforms = worst_transform_snrs([model.geometry for model in models.values()], corpus)
    bench = CostBench(corpus, options.work)
    costs = {name: measure_costs(name, model, bench, progress) for name, model in models.items()}
    compared = {name: of[JUDGED_SNR_DB] for name, of in scores.items()}
    bars = [
        *proof_bars(models, options.reports),
        *reconstruction_bars(exact),
        *quality_bars(compared),
        *instruction_bars(costs),
        *ram_bars(costs, ram_of_other_sizes(models)),
        code_bar(),
        *transform_bars(transforms),
        *class_estimate_bars(costs),
    ]
    return Findings(models, scores, costs, bars)


def write_geometry(found: Findings, command: str, folder: Path) -> list[Path]:
    """Write bars-geometry, a page and a JSON file, and the picture into `folder`; renew its index.

    The table of choosing.md is renewed where that page lies beside the folder. Return the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    classes = found.classes()
    data = {
        "command": command,
        "classes": classes,
        "bars": [{**bar.to_dict(), "state": state_of(bar.met)} for bar in found.bars],
    }
    draw_latency(classes, command, folder / PICTURE)
    files = [
        folder / PICTURE,
        write_text_if_changed(folder / f"{NAME}.md", _page(found, classes, command)),
        write_text_if_changed(folder / f"{NAME}.json", json.dumps(data, indent=1, sort_keys=True) + "\n"),
    ]
    write_index(folder)
    document = folder.parent / DOCUMENT
    if document.is_file():
        text = renewed(document.read_text(encoding="utf-8"), classes, folder.name)
        files.append(write_text_if_changed(document, text))
    return files


def _scores(
    model: AnyModel, mixtures: Mixtures, store: Store, jobs: int | None, progress: Progress | None
) -> dict[str, dict[str, float]]:
    """Return the figures of a model at the SNR of `mixtures`, by metric and mixture; from the store if it has them."""
    engine = ReducedModel(model, GenerateOptions(), _ENGINE)
    at_rate = mixtures_at(mixtures, model.geometry.rate_hz)
    identity = {**engine.told, "mixtures": at_rate.describe(), "runtime_format": RUNTIME_FORMAT, "metrics": SCORES}
    kept: dict[str, dict[str, float]] | None = store.result("scores", identity)
    if kept is None:
        found = evaluate_systems({_MODEL: Blind(engine.engine)}, at_rate, SCORES, jobs, progress=progress)
        kept = {
            metric: {each.id: each.figures[metric] for each in found.scores if each.system == _MODEL}
            for metric in SCORES
        }
        store.keep_result("scores", identity, kept)
    return kept


def _page(found: Findings, classes: Mapping[str, Any], command: str) -> str:
    states = [state_of(bar.met) for bar in found.bars]
    counts = [f"{states.count(word)} {word}" for word in ("met", "NOT MET", "not measured") if word in states]
    lacking = [name for name in CLASSES if name not in found.models]
    parts = [
        "# The bars of the classes: any latency and rate",
        f"`{command}`",
        ", ".join(counts) + (f"; no model of {', '.join(lacking)}" if lacking else ""),
        table(HEADER, bar_rows(found.bars)),
        _NOTES,
        "## The classes",
        table(LATENCY_HEADER, latency_rows(classes)),
        f"![quality and instructions against latency]({PICTURE})",
    ]
    rows = found.rival_rows()
    if rows:
        titles = ", ".join(METRICS[metric].shown.title for metric in SCORES)
        parts += [
            f"## Quality less that of `{RIVAL}`",
            table(("class", "SNR", f"{titles}: mean and 95 % interval"), rows),
        ]
    return "\n\n".join([*parts, "## What was measured", _measured(found)]) + "\n"


def _measured(found: Findings) -> str:
    """Return the table of all images that were built and run."""
    header = ("class", "model", "entries", "board", "M instr/s", "most a hop", "code", "tables", "RAM", "stack")
    rows = []
    for name, costs in found.costs.items():
        for (case, board), row in costs.rows.items():
            of, ram = row["instructions"], row["ram"]
            cells = (of["maximum"], row["flash"]["code"], row["flash"]["tables"], ram["state"] + ram["application"])
            millions = f"{of['millions_per_second']:.2f}"
            figures = [f"{cell:,}" for cell in (*cells, ram["stack_computed"])]
            rows.append([f"`{name}`", case, f"{row['entries']:,}", board, millions, *figures])
    return table(header, rows)


def _own_costs(costs: ClassCosts) -> dict[str, Any]:
    """Return the costs of the class's own model, and the instructions of the budgets' model, as JSON values."""
    own = {"M4": costs.rows[OWN, M4], "M0": costs.rows[OWN, SMALLEST]}
    budget = {"M4": costs.rows[BUDGET, M4], "M0": costs.rows[BUDGET, M0_ROW]}
    return {
        "millions": {core: row["instructions"]["millions_per_second"] for core, row in own.items()},
        "budget_millions": {core: row["instructions"]["millions_per_second"] for core, row in budget.items()},
        "ram_bytes": row_ram(own["M4"]).whole,
        "flash_bytes": own["M4"]["flash"]["code"] + own["M4"]["flash"]["tables"],
    }


def _told(found: Mapping[str, MeanInterval]) -> dict[str, Any]:
    return {metric: each.to_dict() for metric, each in found.items()}
