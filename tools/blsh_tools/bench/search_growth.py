# SPDX-License-Identifier: Apache-2.0
"""Count how the cost of the search grows with the dictionary: ours and the plain scan, on each kind of core."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.entry_order import bit_planes, bounds_table, tight_order
from blsh_codegen.project import project_root
from blsh_codegen.spec.packing import pack_words
from blsh_hil.boards.board import Board
from blsh_tools.bench.emulated_program import Program, bench_core, compile_program, run_program
from blsh_trainer.errors import BlshError
from blsh_trainer.progress import Progress

SIZES = (1_000, 2_000, 4_096, 8_192, 16_384, 32_768, 65_536, 100_000)
CORES = ("cortex-m0", "cortex-m4", "cortex-m55")
_SOURCES = ("core/blsh_search.c", "bench/plain_scan.c", "bench/search_cost.c")
_HEADER_WORDS = 9
_SRAM_OF_AN547 = (0x31000000, 4 << 20)  # address and bytes; the board's row in boards.toml has another 512 KiB
_PROGRAM_BYTES = 0x40000  # bytes of RAM for the program at either end; the dictionary lies in between

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SearchCost:
    """Instructions per entry of a search among `entries` entries: the mean and the most over the queries.

    plain: of the plain scan, the mean.
    """

    core: str
    entries: int
    ours: float
    ours_most: float
    plain: float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {key: round(value, 3) if isinstance(value, float) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class SearchBench:
    """The inputs and the place of a measurement: the codes (N, L), the queries (T, L), K neighbours.

    folder: for the programs. plugin: of the emulator, as build_plugin makes it.
    """

    codes: Bits
    queries: Bits
    neighbours: int
    folder: Path
    plugin: Path


def search_growth(
    bench: SearchBench,
    sizes: Sequence[int] = SIZES,
    cores: Sequence[str] = CORES,
    progress: Progress | None = None,
) -> list[SearchCost]:
    """Count the search among the first `sizes` of the codes, drawn at random, on each of `cores`.

    Sizes below K and beyond N are left out. Raises BlshError where our answers differ from the plain scan's.
    """
    drawn = np.random.default_rng(0).permutation(len(bench.codes))
    programs = {core: compile_search(bench_core(core), bench.folder) for core in cores}
    fitting = [size for size in sizes if bench.neighbours <= size <= len(bench.codes)]
    found = []
    for size in fitting:
        chosen = bench.codes[np.sort(drawn[:size])]
        words = dictionary_words(chosen[tight_order(chosen)], bench.queries, bench.neighbours)
        for core, program in programs.items():
            found.append(_cost(program, core, size, words, bench.plugin))
            if progress is not None:
                progress("search", len(found), len(fitting) * len(programs))
    return found


def compile_search(board: Board, folder: Path) -> Program:
    """Compile the search and the plain scan into a program for `board`."""
    sources = [project_root() / "firmware" / source for source in _SOURCES]
    address, _ = _place(board)
    return compile_program(board, folder / f"search-{board.core}.elf", sources, [f"-DDICTIONARY={address:#x}u"])


def dictionary_words(codes: Bits, queries: Bits, neighbours: int) -> npt.NDArray[np.uint32]:
    """Return the words that search_cost.c reads. codes: (N, L), in the firmware's order; queries: (T, L)."""
    planes, (bounds, radius) = bit_planes(codes), bounds_table(codes)
    asked = pack_words(queries)
    bounds_at = _HEADER_WORDS + planes.size
    queries_at = bounds_at + bounds.size
    codes_at = queries_at + asked.size
    head = [
        codes.shape[1],
        neighbours,
        len(codes),
        radius,
        len(queries),
        asked.shape[1],
        bounds_at,
        queries_at,
        codes_at,
    ]
    parts = (np.array(head), planes, bounds, asked, pack_words(codes))
    return np.concatenate([part.ravel().astype("<u4") for part in parts])


def _cost(program: Program, core: str, entries: int, words: npt.NDArray[np.uint32], plugin: Path) -> SearchCost:
    address, room = _place(program.board)
    if words.nbytes > room:
        raise BlshError(
            f"{entries} entries and their queries take {words.nbytes} bytes, {core} has {room}; choose fewer"
        )
    data = program.elf.with_suffix(".bin")
    data.write_bytes(words.tobytes())
    profile = run_program(program, plugin, ("blsh_find_nearest", "plain_scan"), (data, address))
    ours, plain = (np.array(profile.passes[which]) / entries for which in (0, 1))
    return SearchCost(core, entries, float(ours.mean()), float(ours.max()), float(plain.mean()))


def _place(board: Board) -> tuple[int, int]:
    """Return the address of the dictionary, and the bytes that are free there."""
    if board.qemu_machine == "mps3-an547":
        return _SRAM_OF_AN547
    return board.ram.origin + _PROGRAM_BYTES, board.ram.size - 2 * _PROGRAM_BYTES


def draw_growth(costs: Sequence[SearchCost], path: Path) -> None:
    """Draw instructions per entry against entries, both axes logarithmic, as a PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    for number, core in enumerate(dict.fromkeys(cost.core for cost in costs)):
        rows = [cost for cost in costs if cost.core == core]
        sizes, colour = [row.entries for row in rows], f"C{number}"
        axes.plot(sizes, [row.ours for row in rows], "o-", color=colour, label=f"{core}, ours")
        axes.plot(sizes, [row.plain for row in rows], "s--", color=colour, label=f"{core}, plain scan")
    axes.set(xscale="log", yscale="log", xlabel="entries", ylabel="instructions per entry")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)
