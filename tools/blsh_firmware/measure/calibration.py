# SPDX-License-Identifier: Apache-2.0
"""Measure the costs that estimates are made of: build models for each board, count them in the emulator, fit costs."""

import hashlib
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from blsh_codegen.cost.cost_signal import MEASURED_HOPS, cost_signal
from blsh_codegen.cost.estimate import state_bytes, table_bytes
from blsh_codegen.cost.measured_costs import COSTS_FILE, BoardSizes, CoreCosts, Costs, load_costs, save_costs
from blsh_codegen.cost.stage_work import HOP_STAGES, MANY_NEIGHBOURS, Work, signal_codes, stage_work
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.project import project_root
from blsh_codegen.spec.constants import ModelKind
from blsh_codegen.spec.stages import STAGES
from blsh_firmware.build.compiler_alone import build_alone
from blsh_firmware.build.platformio import Footprint, compiler_version, measure
from blsh_firmware.build.project_files import firmware_digest
from blsh_hil.boards.board import CROSS_COMPILER, Board
from blsh_hil.boards.session import Expected, connect
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.prove.instruction_count import ICOUNT_SHIFT, count_hops
from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model
from blsh_trainer.model.voting_model import VOTE_BANDS, VOTE_WEIGHTS
from blsh_trainer.signals.features import find_feature_kind
from blsh_trainer.signals.masks import find_mask_kind

_FEW_HOPS = 4  # hops where only the stack is measured: more hops use no more of it
_NONE = np.zeros(0, np.int64)

# Features, L, K, N, masks, smoothing of each model. Together they do each kind of work at two sizes or more, and each
# fits the smallest board.
_MODELS = (
    ("mel", 50, 10, 2048, "ibm", 0),
    ("stft", 260, 5, 400, "ibm", 0),
    ("tracked", 64, 8, 1216, "bands2", 4),
    ("tracked", 128, 8, 2560, "bands2", 4),
    ("mel", 150, 20, 500, "ibm", 3),
    ("stft", 33, 32, 70, "ibm", 0),
    ("tracked", 96, 3, 96, "bands", 0),
    ("tracked", 20, 16, 1500, "bands1", 9),
    ("mel", 77, 20, 640, "bands", 4),
)

# Projections, thresholds, groups, neighbours, entries, votes of bits, smoothings of voting models, to the same end.
_VOTING_MODELS: tuple[tuple[int, int, int, int, int, bool, tuple[int, int]], ...] = (
    (96, 3, 8, 16, 64, True, (4, 12)),
    (40, 2, 3, 8, 32, False, (0, 0)),
    (60, 1, 20, 4, 96, True, (0, 0)),
    (75, 4, 5, 20, 128, False, (8, 8)),
    (20, 3, 2, 10, 200, True, (0, 0)),
)


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
) -> Costs:
    """Measure every board of `boards`, and every core on the first virtual board that has it. Takes minutes.

    log: takes a line for each model. known: the costs measured before. resumed: a file that keeps what this run has
    measured, written after each board; a run that was interrupted goes on from it.
    For a real board the firmware is built, but not run: its stack is taken to be the largest of the boards measured
    before it and of those in `known`. Raises BlshError where a board cannot be built for or run.
    """
    models = [untrained_model(number, *parts) for number, parts in enumerate(_MODELS)]
    models += [untrained_voting_model(number, *parts) for number, parts in enumerate(_VOTING_MODELS)]
    begun = load_costs(resumed) if resumed is not None and resumed.is_file() else None
    cores = dict(begun.cores) if begun else {}
    sizes = dict(begun.boards) if begun else {}
    for board in boards:
        if board.name in sizes:
            log(f"{board.name}: measured before the interruption")
            continue
        real = board.qemu_machine is None
        stacks = [each.stack_bytes for each in (*(known.boards.values() if known else ()), *sizes.values())]
        if real and not stacks:
            raise BlshError(f"{board.name} is a real board; measure the virtual ones first: blsh estimate --calibrate")
        counted = not real and board.core not in cores
        measured = []
        for number, model in enumerate(models):
            log(f"{board.name}: model {number + 1} of {len(models)}")
            with TemporaryDirectory() as folder:
                elf = build_alone(board, model, Path(folder))
                if real:
                    measured.append(Measured(model, measure(elf), max(stacks), _NONE, _NONE))
                else:
                    samples = cost_signal(MEASURED_HOPS if counted else _FEW_HOPS)
                    measured.append(run_model(board, elf, model, samples))
        sizes[board.name] = board_sizes(measured)
        if counted:
            cores[board.core] = core_costs(measured, vector_lanes(board))
        if resumed is not None:
            save_costs(Costs(compiler_version().splitlines()[0], cores, sizes), resumed)
    return Costs(compiler_version().splitlines()[0], cores, sizes)


def interrupted_file() -> Path:
    """Return the file that keeps an interrupted calibration of all boards.

    Its name has a digest of the firmware, the compiler and the Python code that counts: a run goes on only with them.
    """
    digest = hashlib.sha256(firmware_digest().encode() + compiler_version().encode())
    for path in [*sorted(COSTS_FILE.parents[1].rglob("*.py")), Path(__file__)]:
        digest.update(path.read_bytes())
    return project_root() / "build" / f"calibration-{digest.hexdigest()[:16]}.json"


def untrained_model(
    seed: int, features: str, bits: int, neighbours: int, entries: int, masks: str, smoothing: int
) -> IntegerModel:
    """Return a model without training: random projections and masks, and the codes of a signal like `cost_signal`."""
    rng = np.random.default_rng(seed)
    kind = find_mask_kind(masks)
    first = Model(
        name=f"calibration {seed}",
        feature_kind=features,
        neighbours=neighbours,
        projections=rng.normal(size=(bits, find_feature_kind(features).count())),
        biases=np.zeros(bits),
        betas=np.ones(bits),
        code_bits=rng.random((entries, bits)) < 0.5,
        mask_levels=rng.integers(0, kind.top + 1, (entries, kind.width)).astype(np.uint8),
        card={},
        mask_kind=masks,
        smoothing=smoothing,
    )
    signal = _other_signal(256, rng)
    seen = VectorisedDenoiser(integer_model(first.subsample(entries=neighbours), GenerateOptions())).stages(signal)
    norms = np.maximum(np.sqrt((seen.features**2).sum(axis=1)), 1)
    along = (seen.features / norms[:, None]).mean(axis=0) @ first.projections.T
    centred = replace(first, biases=-along)
    codes = signal_codes(integer_model(centred.subsample(entries=neighbours), GenerateOptions()), signal)
    drawn = codes[rng.integers(0, len(codes), entries)] ^ (rng.random((entries, bits)) < 0.1)
    return integer_model(replace(centred, code_bits=drawn), GenerateOptions())


def untrained_voting_model(
    seed: int,
    projections: int,
    thresholds: int,
    groups: int,
    neighbours: int,
    entries: int,
    bit_votes: bool,
    smoothing: tuple[int, int],
) -> IntegerModel:
    """Return a voting model without training: random rows and votes, and codes of a signal like `cost_signal`.

    The thresholds of a projection part the hops of that signal in equal numbers.
    """
    rng = np.random.default_rng(seed)
    first = random_voting_model(
        seed,
        projections=projections,
        thresholds=thresholds,
        group_edges=tuple(VOTE_BANDS * group // groups for group in range(groups + 1)),
        entries=entries,
        neighbours=neighbours,
        bit_votes=bit_votes,
        settling=(*smoothing, 0, 0),
    )
    signal = _other_signal(256, rng)
    sums = VectorisedDenoiser(integer_model(first, GenerateOptions())).stages(signal).accumulators
    parts = np.quantile(sums, np.arange(1, thresholds + 1) / (thresholds + 1), axis=0).T
    reached = (np.rint(parts) + np.arange(thresholds)).astype(np.int32)
    weights = np.tile(np.maximum(255 - 12 * np.arange(VOTE_WEIGHTS), 0).astype(np.uint8), (groups, 1))
    centred = replace(first, name=f"calibration voting {seed}", thresholds=reached, weights=weights)
    codes = signal_codes(integer_model(centred, GenerateOptions()), signal)
    drawn = codes[rng.integers(0, len(codes), (groups, entries))]
    return integer_model(replace(centred, code_bits=drawn ^ (rng.random(drawn.shape) < 0.05)), GenerateOptions())


def run_model(board: Board, elf: Path, model: IntegerModel, samples: npt.NDArray[np.int16]) -> Measured:
    """Run the image `elf` on `board` and count the instructions of the hops of `samples`, int16."""
    expected = Expected(model.model_sha256, model.dictionary_crc32)
    with connect(VirtualBoard(board, elf, icount_shift=ICOUNT_SHIFT), expected) as client:
        totals, stages = count_hops(client, samples)
        stack = client.hello().stack_bytes_used
    return Measured(model, measure(elf), stack, totals, stages)


def board_sizes(measured: Sequence[Measured]) -> BoardSizes:
    """Return the largest sizes of the firmware beside the measured models, some of each kind.

    Its code is a few words shorter with the limits of some models than with those of others.
    """
    kind = np.array([each.model.kind for each in measured])
    many = np.array([each.model.neighbours >= MANY_NEIGHBOURS for each in measured])
    flash = np.array([each.size.flash_bytes - table_bytes(each.model) for each in measured])
    ram = [each.size.ram_bytes - state_bytes(each.model) for each in measured]
    return BoardSizes(
        flash_bytes=int(flash[(kind == ModelKind.MASKS) & ~many].max()),
        flash_bytes_many=int(flash[(kind == ModelKind.MASKS) & many].max()),
        flash_bytes_small_votes=int(flash[kind == ModelKind.SMALL_VOTES].max()),
        flash_bytes_large_votes=int(flash[kind == ModelKind.LARGE_VOTES].max()),
        ram_bytes=max(ram),
        stack_bytes=max(each.stack_bytes for each in measured),
    )


def core_costs(measured: Sequence[Measured], lanes: int) -> CoreCosts:
    """Fit the cost of each term to the instructions of the measured models, by least squares over all hops.

    lanes: words that the core works on at once. Only costs of `rest` may be negative.
    """
    works = [
        stage_work(each.model, signal_codes(each.model, cost_signal(len(each.totals))), lanes) for each in measured
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


def _other_signal(hops: int, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Return a signal like `cost_signal`, reversed, louder and softer, with more noise; int16."""
    samples = cost_signal(hops)[::-1].astype(np.float64)
    swing = np.exp(0.8 * np.sin(np.arange(len(samples)) / 5000))
    return np.clip(samples * swing + 300 * rng.standard_normal(len(samples)), -32768, 32767).astype(np.int16)
