# SPDX-License-Identifier: Apache-2.0
"""Measure the costs that estimates are made of: build models for each board, count them in the emulator, fit costs."""

import hashlib
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from blsh_codegen.cost.cost_signal import MEASURED_HOPS, cost_signal
from blsh_codegen.cost.costs_file import COSTS_FILE
from blsh_codegen.cost.estimate import state_bytes, table_bytes
from blsh_codegen.cost.measured_costs import (
    BoardSizes,
    CoreCosts,
    Costs,
    geometry_terms,
    load_costs,
    save_costs,
)
from blsh_codegen.cost.stage_work import HOP_STAGES, MANY_NEIGHBOURS, Work, signal_codes, stage_work
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.project import project_root
from blsh_codegen.spec.constants import ModelKind
from blsh_codegen.spec.stages import STAGES
from blsh_firmware.build.compiler_alone import build_alone
from blsh_firmware.build.platformio import Footprint, compiler_version, measure
from blsh_firmware.build.project_files import firmware_digest
from blsh_firmware.measure.calibration_models import calibration_models
from blsh_hil.boards.board import CROSS_COMPILER, Board
from blsh_hil.boards.session import Expected, connect
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.prove.instruction_count import ICOUNT_SHIFT, count_hops
from blsh_trainer.errors import BlshError
from blsh_trainer.progress import Progress
from blsh_trainer.signals.geometry import LARGEST_HOP

_FEW_HOPS = 4  # hops where only the stack is measured: more hops use no more of it
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Measured:
    """A model on a board.

    size, stack_bytes: as measured. totals: int64 (T,), instructions of each hop; stages: int64 (T, 8), of its stages;
    both without rows where they were not counted.
    """

    model: IntegerModel
    size: Footprint
    stack_bytes: int
    totals: npt.NDArray[np.int64]
    stages: npt.NDArray[np.int64]


def calibrate(
    boards: Iterable[Board],
    log: Callable[[str], None],
    known: Costs | None = None,
    resumed: Path | None = None,
    progress: Progress | None = None,
) -> Costs:
    """Measure every board of `boards`, and every core on the first virtual board that has it. Takes minutes.

    log: takes a line for each board that was measured before. known: the costs measured before. resumed: a file that
    keeps what this run has measured, written after each board; a run that was interrupted goes on from it. progress: is
    told of each model on each board that is left.
    For a real board the firmware is built, but not run: its stack is taken to be the largest of the boards measured
    before it and of those in `known`. Raises BlshError where a board cannot be built for or run.
    """
    models = calibration_models()
    begun = load_costs(resumed) if resumed is not None and resumed.is_file() else None
    cores = dict(begun.cores) if begun else {}
    sizes = dict(begun.boards) if begun else {}
    boards = list(boards)
    advance = _advancing(progress, len(models) * sum(board.name not in sizes for board in boards))
    for board in boards:
        if board.name in sizes:
            log(f"{board.name}: measured before the interruption")
            continue
        stacks = [each.stack_bytes for each in (*(known.boards.values() if known else ()), *sizes.values())]
        if board.qemu_machine is None and not stacks:
            raise BlshError(f"{board.name} is a real board; measure the virtual ones first: blsh estimate --calibrate")
        counted = board.qemu_machine is not None and board.core not in cores
        measured = []
        for model in models:
            measured.append(_measured(board, model, counted, stacks))
            advance()
        sizes[board.name] = board_sizes(measured)
        if counted:
            cores[board.core] = core_costs(measured, vector_lanes(board))
        if resumed is not None:
            save_costs(Costs(compiler_version().splitlines()[0], cores, sizes), resumed)
    return Costs(compiler_version().splitlines()[0], cores, sizes)


def _advancing(progress: Progress | None, total: int) -> Callable[[], None]:
    """Return a function that counts one model more of `total`, and tells `progress`, which hears of the start now."""
    if progress is None or not total:
        return lambda: None
    done = count(1)
    progress("measuring", 0, total)
    return lambda: progress("measuring", next(done), total)


def _measured(board: Board, model: IntegerModel, counted: bool, stacks: Sequence[int]) -> Measured:
    """Build `model` for `board`, and run it on a virtual one. counted: for MEASURED_HOPS, which are counted.

    stacks: the stacks of other boards; a real board has the largest.
    """
    with TemporaryDirectory() as folder:
        elf = build_alone(board, model, Path(folder))
        if board.qemu_machine is None:
            return Measured(model, measure(elf), max(stacks), _NONE, _NONE)
        return run_model(board, elf, model, cost_signal(MEASURED_HOPS if counted else _FEW_HOPS, model.geometry))


def interrupted_file() -> Path:
    """Return the file that keeps an interrupted calibration of all boards.

    Its name has a digest of the firmware, the compiler and the Python code that counts: a run goes on only with them.
    """
    digest = hashlib.sha256(firmware_digest().encode() + compiler_version().encode())
    for path in [*sorted(COSTS_FILE.parents[1].rglob("*.py")), Path(__file__)]:
        digest.update(path.read_bytes())
    return project_root() / "build" / f"calibration-{digest.hexdigest()[:16]}.json"


def run_model(board: Board, elf: Path, model: IntegerModel, samples: npt.NDArray[np.int16]) -> Measured:
    """Run the image `elf` on `board` and count the instructions of the hops of `samples`, int16."""
    expected = Expected(model.model_sha256, model.dictionary_crc32)
    with connect(VirtualBoard(board, elf, icount_shift=ICOUNT_SHIFT), expected) as client:
        totals, stages = count_hops(client, samples)
        stack = client.hello().stack_bytes_used
    return Measured(model, measure(elf), stack, totals, stages)


def board_sizes(measured: Sequence[Measured]) -> BoardSizes:
    """Return the sizes of the firmware beside the measured models, some of each kind.

    What a geometry adds is fitted to all of them; of each kind it is then the largest, for the code is a few words
    shorter with the limits of some models than with those of others.
    """
    kinds = [_code_of(each.model) for each in measured]
    flash = np.array([each.size.flash_bytes - table_bytes(each.model) for each in measured], np.float64)
    apart = _apart(kinds, [geometry_terms(each.model.geometry) for each in measured], flash)
    recorder = [
        whole - sum(apart[term] for term in geometry_terms(each.model.geometry))
        for whole, each in zip(flash, measured, strict=True)
    ]
    most = {kind: int(max(size for size, of in zip(recorder, kinds, strict=True) if of == kind)) for kind in set(kinds)}
    hops = np.array([LARGEST_HOP - each.model.geometry.hop for each in measured])
    ram = np.array([each.size.ram_bytes - state_bytes(each.model) for each in measured])
    longest, a_sample = int(ram[hops == hops.min()].max()), 0
    if hops.any():
        a_sample = round(float((longest - ram[hops > 0]) @ hops[hops > 0] / (hops @ hops)))
    return BoardSizes(
        **most,
        ram_bytes=longest + a_sample * int(hops.min()),
        stack_bytes=max(each.stack_bytes for each in measured),
        flash_bytes_apart=apart,
        ram_bytes_a_sample=a_sample,
    )


def _code_of(model: IntegerModel) -> str:
    """Return the field of BoardSizes that holds the code for models like this."""
    if model.kind is ModelKind.MASKS:
        return "flash_bytes" if model.neighbours < MANY_NEIGHBOURS else "flash_bytes_many"
    return "flash_bytes_small_votes" if model.kind is ModelKind.SMALL_VOTES else "flash_bytes_large_votes"


def _apart(kinds: Sequence[str], terms: Sequence[Sequence[str]], flash: npt.NDArray[np.float64]) -> dict[str, int]:
    """Return what each term of a geometry adds to the code, by least squares over all models beside their kinds."""
    names = sorted({term for of in terms for term in of})
    columns = [*sorted(set(kinds)), *names]
    matrix = np.zeros((len(flash), len(columns)))
    for row, (kind, of) in enumerate(zip(kinds, terms, strict=True)):
        matrix[row, [columns.index(name) for name in (kind, *of)]] = 1
    found: Any = np.linalg.lstsq(matrix, flash, rcond=None)
    return {name: round(float(found[0][columns.index(name)])) for name in names}


def core_costs(measured: Sequence[Measured], lanes: int) -> CoreCosts:
    """Fit the cost of each term to the instructions of the measured models, by least squares over all hops.

    lanes: words that the core works on at once. Only costs of `rest` may be negative.
    """
    works = [
        stage_work(each.model, signal_codes(each.model, cost_signal(len(each.totals), each.model.geometry)), lanes)
        for each in measured
    ]
    instructions: dict[str, dict[str, float]] = {}
    for stage in HOP_STAGES:
        counted = [
            each.totals - each.stages.sum(axis=1) if stage == "rest" else each.stages[:, STAGES.index(stage)]
            for each in measured
        ]
        instructions[stage] = _fitted([work[stage] for work in works], counted, signed=stage == "rest")
    return CoreCosts(lanes, instructions)


def _fitted(works: Sequence[Work], counted: Sequence[npt.NDArray[np.int64]], signed: bool) -> dict[str, float]:
    terms = list(dict.fromkeys(term for work in works for term in work.terms))
    rows = []
    for work in works:
        matrix = np.zeros((len(work.counts), len(terms)))
        matrix[:, [terms.index(term) for term in work.terms]] = work.counts
        rows.append(matrix)
    known, wanted = np.concatenate(rows), np.concatenate(counted).astype(np.float64)
    scale = np.maximum(known.max(axis=0), 1)  # scaled, so that the solver sees columns of one size
    weight = 1 / np.sqrt(np.maximum(np.abs(wanted), 1))[:, None]
    solved: Any = (
        np.linalg.lstsq(known / scale * weight, wanted * weight[:, 0], rcond=None)
        if signed
        else nnls(known / scale * weight, wanted * weight[:, 0])
    )
    return {term: round(float(cost), 3) for term, cost in zip(terms, solved[0] / scale, strict=True)}


def vector_lanes(board: Board) -> int:
    """Return the words that the core of `board` works on at once: 4 where it has Helium, else 1."""
    command = [CROSS_COMPILER, *board.cpu_flags, "-dM", "-E", "-x", "c", "/dev/null"]
    macros = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return 4 if "__ARM_FEATURE_MVE" in macros else 1
