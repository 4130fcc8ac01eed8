"""`blsh bench-firmware`: what the firmware costs on every board, beside what others take."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.constants import HOP
from blsh_codegen.spec.packing import unpack_words
from blsh_firmware.build.project_files import firmware_digest
from blsh_firmware.measure.bench_images import M0_ROW, bench_project, build_for, costs_digest
from blsh_firmware.measure.bench_inputs import (
    BUDGET_ENTRIES,
    Samples,
    budget_model,
    counted_hops,
    describe_model,
    noisy_speech,
)
from blsh_firmware.measure.image_figures import Workbench, measure_image
from blsh_firmware.measure.profiling import build_plugin
from blsh_hil.boards.table import find_board, load_boards
from blsh_hil.prove.instruction_count import ICOUNT_SHIFT
from blsh_tools.bench.cmsis import count_cmsis
from blsh_tools.bench.search_growth import CORES, SIZES, SearchCost, search_growth
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model
from blsh_trainer.progress import Progress

FIXED_HOPS = 24
"""Of the cases whose search is not what they are measured for."""


@dataclass(frozen=True)
class BenchOptions:
    """What to measure. boards: names of boards.toml; with the micro:bit, M0_ROW comes first.

    sizes: of the dictionaries whose search is measured. cmsis: whether to fetch and measure CMSIS-DSP's transforms.
    """

    boards: Sequence[str]
    hops: int = 384
    sizes: Sequence[int] = SIZES
    cmsis: bool = True
    work: Path = Path("out/bench-firmware")

    def check(self) -> None:
        """Raise BlshError unless all of it can be measured."""
        if self.hops < 1:
            raise BlshError(f"{self.hops} hops to measure; give 1 or more")
        for name in self.boards:
            if find_board(name).qemu_machine is None:
                raise BlshError(f"{name} is a real board; instructions are counted on virtual ones, see `blsh boards`")


@dataclass(frozen=True)
class _Case:
    """A model with `entries` of its entries that denoises `samples` on every board of `rows`."""

    name: str
    model: Model
    entries: int
    samples: Samples
    rows: Sequence[str]


def virtual_boards() -> list[str]:
    """The boards that instructions can be counted on."""
    return [board.name for board in load_boards().values() if board.qemu_machine]


def bench_firmware(
    corpus: Corpus,
    extended: Model | None,
    options: BenchOptions,
    log: Callable[[str], None],
    progress: Progress,
) -> dict[str, Any]:
    """Measure everything, and return it as JSON values. extended: another model to measure besides."""
    options.check()
    model = budget_model(corpus, options.work, progress)
    samples = noisy_speech(corpus, options.hops)
    plugin = build_plugin(options.work)
    digests = {"firmware_sha256": firmware_digest(), "costs_sha256": costs_digest()}
    project = bench_project(options.work / "project")
    entries = min(BUDGET_ENTRIES, model.entries)
    rows = [row for name in options.boards for row in ((M0_ROW, name) if name == "microbit" else (name,))]
    few = samples[: FIXED_HOPS * HOP]
    cases = [
        _Case("budget", model, entries, samples, rows),
        _Case("smallest", model, model.neighbours, few, options.boards),
    ]
    if extended is not None:
        kept = min(BUDGET_ENTRIES, extended.entries)
        cases.append(_Case("extended", extended, kept, few, options.boards))
    measured, total = [], sum(len(case.rows) for case in cases)
    for case in cases:
        bench = Workbench(plugin, options.work, case.samples)
        for row in case.rows:
            image = build_for(row, case.model, case.entries, project, log)
            measured.append(measure_image(image, bench, case.name))
            progress("boards", len(measured), total)
    cores = tuple(dict.fromkeys(find_board(name).core for name in options.boards))
    return {
        "benchmark": "firmware",
        **digests,
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "icount_shift": ICOUNT_SHIFT,
        "models": {name: describe_model(of) for name, of in (("budget", model), ("extended", extended)) if of},
        "rows": measured,
        "cmsis": count_cmsis(cores, options.work, plugin, progress) if options.cmsis else {"not_built": "left out"},
        **_searches(model, samples, entries, cores, options, plugin, progress),
    }


def _searches(
    model: Model,
    samples: Samples,
    entries: int,
    cores: Sequence[str],
    options: BenchOptions,
    plugin: Path,
    progress: Progress,
) -> dict[str, Any]:
    """The search beside the plain scan: of the budget's dictionary on every core, and as it grows on some."""
    whole = integer_model(model, GenerateOptions(entries=entries))
    codes = [part.code for part in VectorisedDenoiser(whole).chunks(samples)]
    queries = unpack_words(np.concatenate(codes).astype(np.uint32), whole.bits)[counted_hops(len(samples) // HOP)]
    growing = [core for core in CORES if core in cores]

    def measure(sizes: Sequence[int], of: Sequence[str]) -> list[SearchCost]:
        return search_growth(model.code_bits, queries, model.neighbours, options.work, plugin, sizes, of, progress)

    return {
        "search": [cost.to_dict() for cost in measure([entries], cores)],
        "growth": [cost.to_dict() for cost in measure(options.sizes, growing)] if growing else [],
    }
