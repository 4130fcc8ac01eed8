# SPDX-License-Identifier: Apache-2.0
"""Measure one image on one virtual board: instructions of every stage, cycles, and bytes of flash, RAM and stack."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from blsh_codegen.cost.estimate import estimate
from blsh_codegen.cost.measured_costs import load_costs
from blsh_codegen.spec.stages import STAGES
from blsh_firmware.measure.bench_images import BenchImage
from blsh_firmware.measure.bench_inputs import Samples, counted_hops
from blsh_firmware.measure.cycles import Cycles, Mix, m0_plus, m4, m7, measure_mix
from blsh_firmware.measure.disassembly import Function, functions_of
from blsh_firmware.measure.profiling import Profile, passage_of, plugin_arguments, read_profile
from blsh_firmware.measure.stack_usage import image_stack
from blsh_hil.boards.session import Expected, connect
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.prove.instruction_count import ICOUNT_SHIFT, count_hops
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import Geometry

CYCLES = {"cortex-m0": m0_plus, "cortex-m4": m4, "cortex-m7": m7}
TRANSFORMS = ("blsh_forward_fft", "blsh_inverse_fft")
SEARCH_STAGE = "neighbours"
_PROFILED_HOPS = 40
_CORE = "firmware/core/"


@dataclass(frozen=True)
class Workbench:
    """The tools of the bench. plugin: the profiling plugin. folder: for its output. samples: int16, to denoise."""

    plugin: Path
    folder: Path
    samples: Samples


def measure_image(image: BenchImage, bench: Workbench, case: str) -> dict[str, Any]:
    """Return all figures of an image, as JSON values. case: what the bench calls it.

    Instructions are counted twice, by the emulator's clock and by the plugin. Raises BlshError unless the two counts
    differ by the same few instructions in every hop: those that read the clock.
    """
    every, stages, painted = _counted(image, bench.samples)
    functions = functions_of(image.elf)
    profile = _profiled(image, bench, functions, ("blsh_hop",))
    handful = np.unique(every[: profile.count] - np.array(profile.passes[0]))
    if len(handful) != 1 or not 0 <= handful[0] < 50:
        raise BlshError(
            f"{image.row}: plugin and icount differ by {handful.tolist()} instructions a hop; expected one, 0 to 49"
        )
    geometry = image.model.geometry
    counted = counted_hops(len(every), geometry)
    totals, stages = every[counted], stages[counted]
    transforms = _profiled(image, bench, functions, TRANSFORMS)
    in_cycles = CYCLES.get(image.core)
    mix = measure_mix(profile, functions)
    return {
        "board": image.row,
        "core": image.core,
        "case": case,
        "entries": image.entries,
        "hop": geometry.hop,
        "instructions": {
            "hops": len(totals),
            "mean": round(float(totals.mean())),
            "maximum": int(totals.max()),
            "millions_per_second": round(float(totals.mean()) * geometry.hops_per_second / 1e6, 3),
            "reading_the_counter": int(handful[0]),
            "stages": {
                name: {"mean": round(float(of.mean())), "maximum": int(of.max())}
                for name, of in zip(STAGES, stages.T, strict=True)
            },
            "transforms": {
                name: {"mean": round(float(np.mean(counts))), "maximum": max(counts)}
                for name, counts in zip(("forward", "inverse"), transforms.passes.values(), strict=True)
            },
            "search_per_entry": round(float(stages[:, STAGES.index(SEARCH_STAGE)].mean()) / image.entries, 3),
        },
        **memory_figures(image, painted),
        "estimate": estimated(image, bench.samples, float(every.mean())),
        "cycles": None if in_cycles is None else _cycles(in_cycles(mix), mix, geometry),
    }


def estimated(image: BenchImage, samples: Samples, measured: float) -> dict[str, Any] | None:
    """Return the estimate of `blsh estimate` for this image and these samples; None where it has no costs of the board.

    measured: mean instructions of all hops of the samples, which stand beside the estimate.
    """
    try:
        costs = load_costs()
        told = estimate(image.model, costs.core(image.core), costs.board(image.row), samples).to_dict()
        return {**told, "measured_mean": round(measured)}
    except BlshError:
        return None


def memory_figures(image: BenchImage, painted: int) -> dict[str, Any]:
    """Return flash, RAM and stack of an image, in bytes.

    painted: bytes of the stack that were in use after the hops, by the part of it that is no longer painted.
    """
    sizes, functions = symbol_sizes(image.elf), functions_of(image.elf)
    names = core_functions(image.su_files)
    code = image.size.flash_bytes - image.size.sections.get(".rodata", 0)
    stack = image_stack(image.elf, image.su_files)
    state = sizes["state"]
    return {
        "flash": {
            "code": code,
            "tables": image.size.flash_bytes - code,
            "core_code": sum(function.size for name, function in functions.items() if name.split(".")[0] in names),
        },
        "ram": {
            "state": state,
            "application": image.size.ram_bytes - state,
            "stack_computed": stack.total_bytes,
            "stack_painted": painted,
            "stack_of_a_hop": stack.hop.bytes,
            "deepest": list(stack.thread.chain),
        },
    }


def symbol_sizes(elf: Path) -> dict[str, int]:
    """Return the bytes of each named object and function of an image; of several with one name, the sum."""
    sizes: dict[str, int] = {}
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        if not isinstance(table, SymbolTableSection):
            raise BlshError(f"{elf} has no symbols; build it with -g")
        for symbol in table.iter_symbols():
            if symbol["st_info"]["type"] in ("STT_OBJECT", "STT_FUNC"):
                sizes[symbol.name] = sizes.get(symbol.name, 0) + symbol["st_size"]
    return sizes


def core_functions(su_files: tuple[Path, ...]) -> set[str]:
    """Return the names of the functions that were compiled from firmware/core."""
    lines = [line for file in su_files for line in file.read_text(encoding="utf-8").splitlines()]
    places = [line.split("\t")[0].rsplit(":", 1) for line in lines]
    return {name for place, name in places if _CORE in place}


def _counted(image: BenchImage, samples: Samples) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    with connect(VirtualBoard(image.board, image.elf, icount_shift=ICOUNT_SHIFT), Expected()) as client:
        totals, stages = count_hops(client, samples)
        return totals, stages, client.hello().stack_bytes_used


def _profiled(image: BenchImage, bench: Workbench, functions: dict[str, Function], names: tuple[str, ...]) -> Profile:
    passages = [passage_of(functions, name) for name in names]
    output = bench.folder / f"{image.row.replace(' ', '-')}.profile"
    output.unlink(missing_ok=True)
    arguments = plugin_arguments(bench.plugin, output, passages, image.board.flash)
    with connect(VirtualBoard(image.board, image.elf, extra_args=["-plugin", arguments]), Expected()) as client:
        client.reset_stream()
        for hop in bench.samples.reshape(-1, image.model.geometry.hop)[:_PROFILED_HOPS]:
            client.hop(hop, masked=True)
    return read_profile(output, functions)


def _cycles(cycles: Cycles, mix: Mix, geometry: Geometry) -> dict[str, Any]:
    classes = {kind: round(count) for kind, count in mix.classes.items()}
    return {**cycles.to_dict(geometry.hops_per_second), "mix": classes}
