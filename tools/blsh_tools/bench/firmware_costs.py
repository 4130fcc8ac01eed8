# SPDX-License-Identifier: Apache-2.0
"""Measure the costs of the firmware on every board, beside those of other denoisers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blsh_codegen.cost.costs_file import costs_digest
from blsh_codegen.emit.generate import GenerateOptions, integer_model, reduced_model
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.packing import unpack_words
from blsh_firmware.build.project_files import firmware_digest
from blsh_firmware.measure.bench_images import M0_ROW, bench_project, build_for
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
from blsh_tools.bench.search_growth import CORES, SIZES, SearchBench, search_growth
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel, load_model
from blsh_trainer.model.reduction import reduce_model
from blsh_trainer.model.voting_model import VotingModel
from blsh_trainer.progress import Progress

FIXED_HOPS = 24
"""Hops of the cases that are not about the search."""

_MOST_EXTENDED_BITS = 64


@dataclass(frozen=True)
class BenchOptions:
    """The options of a measurement.

    boards: names of boards.toml; with the micro:bit, M0_ROW comes first. sizes: of the dictionaries whose search is
    measured. cmsis: whether to fetch and measure CMSIS-DSP's transforms. work: folder for what is trained and built.
    model: another artifact to measure, reduced to `bits`; None: to 64, or all that it has.
    """

    boards: Sequence[str]
    hops: int = 384
    sizes: Sequence[int] = SIZES
    cmsis: bool = True
    work: Path = Path("out/bench-firmware")
    model: Path | None = None
    bits: int | None = None

    def check(self) -> None:
        """Raise BlshError unless all boards can be measured, with at least one hop."""
        if self.hops < 1:
            raise BlshError(f"{self.hops} hops to measure; give 1 or more")
        for name in self.boards:
            if find_board(name).qemu_machine is None:
                raise BlshError(f"{name} is a real board; instructions are counted on virtual ones, see `blsh boards`")

    def extended(self) -> AnyModel | None:
        """Return the other model, reduced, or None. Raises BlshError as load_model and reduce_model do."""
        if self.model is None:
            return None
        whole = load_model(self.model)
        if isinstance(whole, VotingModel):
            return reduced_model(whole, GenerateOptions(bits=self.bits))
        return reduce_model(whole, bits=min(_MOST_EXTENDED_BITS, whole.bits) if self.bits is None else self.bits)


@dataclass(frozen=True)
class _Case:
    """One row to measure: the model `model` with `entries` entries denoises `samples` in the image of the row `row`."""

    name: str
    row: str
    model: AnyModel
    entries: int
    samples: Samples


def virtual_boards() -> list[str]:
    """Return the names of the boards on which instructions can be counted."""
    return [board.name for board in load_boards().values() if board.qemu_machine]


def measure_firmware(
    corpus: Corpus, extended: AnyModel | None, options: BenchOptions, progress: Progress
) -> dict[str, Any]:
    """Measure everything, and return it as JSON values. extended: another model to measure, as of BenchOptions."""
    options.check()
    model = budget_model(corpus, options.work, progress)
    samples = noisy_speech(corpus, options.hops, model.geometry)
    plugin = build_plugin(options.work)
    digests = {"firmware_sha256": firmware_digest(), "costs_sha256": costs_digest()}
    project = bench_project(options.work / "project")
    few = None if extended is None else noisy_speech(corpus, FIXED_HOPS, extended.geometry)
    cases, rows = list(_cases(model, extended, options.boards, samples, few)), []
    for done, case in enumerate(cases, 1):
        image = build_for(case.row, case.model, case.entries, project, lambda _line: None)
        rows.append(measure_image(image, Workbench(plugin, options.work, case.samples), case.name))
        progress("boards", done, len(cases))
    cores = tuple(dict.fromkeys(find_board(name).core for name in options.boards))
    return {
        "benchmark": "firmware",
        **digests,
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "icount_shift": ICOUNT_SHIFT,
        "models": {name: describe_model(of) for name, of in (("budget", model), ("extended", extended)) if of},
        "rows": rows,
        "cmsis": count_cmsis(cores, options.work, plugin, progress) if options.cmsis else {"not_built": "left out"},
        **_searches(_search_bench(model, samples, options.work, plugin), cores, options.sizes, progress),
    }


def _cases(
    model: AnyModel, extended: AnyModel | None, boards: Sequence[str], samples: Samples, of_extended: Samples | None
) -> Iterator[_Case]:
    """Yield the rows to measure, in their order in the result. samples: for `model`. of_extended: for `extended`."""
    few = samples[: FIXED_HOPS * model.geometry.hop]
    for board in boards:
        for row in (M0_ROW, board) if board == "microbit" else (board,):
            yield _Case("budget", row, model, min(BUDGET_ENTRIES, model.entries), samples)
    for board in boards:
        yield _Case("smallest", board, model, model.neighbours, few)
    if extended is not None and of_extended is not None:
        for board in boards:
            yield _Case("extended", board, extended, min(BUDGET_ENTRIES, extended.entries), of_extended)


def _search_bench(model: AnyModel, samples: Samples, work: Path, plugin: Path) -> SearchBench:
    """Return the inputs of measuring the search: all codes of `model`, and the codes of the hops of `samples`."""
    whole = integer_model(model, GenerateOptions(entries=min(BUDGET_ENTRIES, model.entries)))
    codes = [part.code for part in VectorisedDenoiser(whole).chunks(samples)]
    geometry = model.geometry
    counted = counted_hops(len(samples) // geometry.hop, geometry)
    queries = unpack_words(np.concatenate(codes).astype(np.uint32), whole.bits)[counted]
    return SearchBench(model.code_bits, queries, model.neighbours, work, plugin)


def _searches(bench: SearchBench, cores: Sequence[str], sizes: Sequence[int], progress: Progress) -> dict[str, Any]:
    """Measure the search beside the plain scan: of the budget's dictionary on every core, and as it grows on CORES."""
    growing = [core for core in CORES if core in cores]
    budget = min(BUDGET_ENTRIES, len(bench.codes))
    return {
        "search": [cost.to_dict() for cost in search_growth(bench, (budget,), cores, progress)],
        "growth": [cost.to_dict() for cost in search_growth(bench, sizes, growing, progress)] if growing else [],
    }
