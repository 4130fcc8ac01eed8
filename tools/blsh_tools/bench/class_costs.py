# SPDX-License-Identifier: Apache-2.0
"""Measure what each class of products costs on a Cortex-M4 and a Cortex-M0, and judge it.

Of each class there are two models: that of the budgets in the geometry of the class, and the class's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from blsh_codegen.cost.costs_file import costs_digest
from blsh_codegen.cost.measured_costs import RENEW
from blsh_firmware.build.platformio import compiler_version
from blsh_firmware.build.project_files import firmware_digest
from blsh_firmware.measure.bench_images import M0_ROW, bench_project, build_for
from blsh_firmware.measure.bench_inputs import BUDGET_ENTRIES, budget_model, noisy_speech
from blsh_firmware.measure.image_figures import Workbench, measure_image
from blsh_firmware.measure.profiling import build_plugin
from blsh_tools.bench.bars import estimate_bars
from blsh_tools.bench.budgets import M4, SMALLEST, Row
from blsh_tools.bench.demand import Demand, absent
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.experiments.work_store import Store
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.progress import Progress, named_within
from blsh_trainer.signals.geometry import CLASSES, Geometry

BUDGET, OWN = "budget", "own"
"""The cases: the model of the budgets, and the class's own."""

_BOARDS = {BUDGET: (M4, M0_ROW, SMALLEST), OWN: (M4, SMALLEST)}
_HOPS: Final = 384
_MILLIONS: Final = {
    M4: {"recorder": 9.2, "intercom": 9.2, "headset": 15.0, "hearing": 26.0, "phone": 7.0},
    M0_ROW: {"recorder": 25.0, "intercom": 25.0, "phone": 17.0},
}
"""The most million instructions a second of the budgets' model, by board and class."""
_CORES = {M4: "M4", M0_ROW: "M0"}
_ESTIMATED: Final = {"flash and RAM": "within 1 %", "instructions": "within 5 %"}


@dataclass(frozen=True)
class CostBench:
    """The inputs of measuring. work: keeps models, images and figures. hops: of noisy speech to denoise."""

    corpus: Corpus
    work: Path
    hops: int = _HOPS


@dataclass(frozen=True)
class ClassCosts:
    """The figures of a class, whose own model has the geometry: a row of each case on each board, as measure_image."""

    geometry: Geometry
    rows: Mapping[tuple[str, str], Row]

    def to_dict(self) -> list[dict[str, Any]]:
        """Return what the bars are judged by, as JSON values."""
        counts = ("hops", "mean", "maximum", "millions_per_second")
        return [
            {
                **{key: row[key] for key in ("board", "core", "case", "entries", "hop", "flash", "ram")},
                "instructions": {key: row["instructions"][key] for key in counts},
                "estimate": row["estimate"],
            }
            for row in self.rows.values()
        ]


def measure_costs(name: str, model: AnyModel, bench: CostBench, progress: Progress) -> ClassCosts:
    """Return the figures of the class `name`, whose own model is `model`; those that are kept are not made anew.

    BlshError, which names class, model and board, where an image does not build or does not run.
    """
    told = named_within(progress, name) or progress
    models = {BUDGET: budget_model(bench.corpus, bench.work, told, model.geometry), OWN: model}
    cases = [(case, board) for case, boards in _BOARDS.items() for board in boards]
    rows = {}
    for done, (case, board) in enumerate(cases, 1):
        try:
            rows[case, board] = _row(case, board, models[case], bench)
        except BlshError as error:
            raise BlshError(f"{name}, {case} model on {board}: {error}") from error
        told("boards", done, len(cases))
    return ClassCosts(model.geometry, rows)


def instruction_bars(measured: Mapping[str, ClassCosts]) -> list[Demand]:
    """Return the bars of instructions a second. measured: the figures of each class."""
    bars = []
    for board, limits in _MILLIONS.items():
        for name, most in limits.items():
            what = f"{name}: instructions a second on {_CORES[board]}, L = 50, {BUDGET_ENTRIES:,} entries"
            asked = f"at most {most:g} M/s"
            if name not in measured:
                bars.append(Demand(what, asked, "", absent(name), None))
                continue
            row = measured[name].rows[BUDGET, board]
            of = row["instructions"]
            told = f"{of['millions_per_second']:.2f} M/s, {of['mean']:,} a hop; {row['entries']:,} entries"
            met = of["millions_per_second"] <= most and row["entries"] == BUDGET_ENTRIES
            bars.append(Demand(what, asked, "", told, met, None, {"millions_per_second": of["millions_per_second"]}))
    return bars


def class_estimate_bars(measured: Mapping[str, ClassCosts]) -> list[Demand]:
    """Return the bars that compare estimates with built firmware, two of each class.

    measured: the figures of each class.
    """
    bars = []
    for name in CLASSES:
        found = [] if name not in measured else list(measured[name].rows.values())
        lacking = absent(name)
        if found:
            lacking = "" if any(row["estimate"] for row in found) else f"not measured: no costs; {RENEW}"
        judged = estimate_bars(found, (M4, SMALLEST), lacking or None)
        for (part, asked), bar in zip(_ESTIMATED.items(), judged, strict=True):
            bars.append(Demand(f"{name}: estimate of {part} against built firmware", asked, "", bar.told, bar.met))
    return bars


def _row(case: str, board: str, model: AnyModel, bench: CostBench) -> Row:
    entries = min(BUDGET_ENTRIES, model.entries)
    store = Store(bench.work)
    identity = {
        "firmware": firmware_digest(),
        "costs": costs_digest(),
        "compiler": compiler_version(),
        "model": model.sha256,
        "corpus": bench.corpus.sha256,
        "hops": bench.hops,
        "row": [case, board, entries],
    }
    row: Row | None = store.result("costs", identity)
    if row is None:
        samples = noisy_speech(bench.corpus, bench.hops, model.geometry)
        image = build_for(board, model, entries, bench_project(bench.work / "project"), lambda _line: None)
        row = measure_image(image, Workbench(build_plugin(bench.work), bench.work, samples), case)
        store.keep_result("costs", identity, row)
    return row
