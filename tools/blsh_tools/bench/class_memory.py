# SPDX-License-Identifier: Apache-2.0
"""Judge the RAM of a stream in each class of products, and the code of a core that takes frames of all sizes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from blsh_codegen.emit.generate import GenerateOptions, generate, integer_model, own_limits
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.project import project_root
from blsh_codegen.spec.c_structs import CORE_LIMITS, Limits
from blsh_codegen.spec.constants import SMALL_ENTRIES
from blsh_firmware.build.compiler_alone import build_alone, compile_project
from blsh_firmware.build.images import generated_folder
from blsh_firmware.build.platformio import measure
from blsh_firmware.build.project_files import project_sources
from blsh_firmware.measure.image_figures import symbol_sizes
from blsh_firmware.measure.stack_usage import image_stack
from blsh_hil.boards.table import find_board
from blsh_hil.prove.random_model import random_model, random_voting_model
from blsh_hil.wire import protocol_header
from blsh_tools.bench.budgets import M4, Row
from blsh_tools.bench.class_costs import OWN, ClassCosts
from blsh_tools.bench.demand import Demand, absent
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.voting_model import VotingModel
from blsh_trainer.signals.geometry import CLASSES, WINDOWS, Geometry

_KIB: Final = 1024
_MOST_RAM: Final = {1024: 12 * _KIB, 512: 7 * _KIB, 256: 4 * _KIB + _KIB // 2}
"""The most bytes that a stream may take, by N."""
_MOST_CODE: Final = 18 * _KIB
_LIMITS_FILE: Final = "blsh_limits.h"


@dataclass(frozen=True)
class StreamRam:
    """The bytes of RAM that a stream takes: its state, the stack, and one hop, which is denoised in place."""

    state: int
    stack: int
    hop: int

    @property
    def whole(self) -> int:
        """All bytes."""
        return self.state + self.stack + self.hop

    def __str__(self) -> str:
        """Return the bytes in words, with those of a second buffer, for an output apart from the input."""
        return (
            f"{self.whole:,} bytes: state {self.state:,}, stack {self.stack:,}, one hop {self.hop:,}; "
            f"{self.whole + self.hop:,} with a buffer for the output besides"
        )


def row_ram(row: Row) -> StreamRam:
    """Return the RAM that a row of measure_image tells."""
    return StreamRam(row["ram"]["state"], row["ram"]["stack_computed"], 2 * row["hop"])


def compiled_ram(model: IntegerModel, board: str = M4) -> StreamRam:
    """Compile the firmware of `model` for a board, which need not run, and return the RAM of its stream."""
    with TemporaryDirectory(prefix="blsh-ram-") as name:
        elf = build_alone(find_board(board), model, Path(name))
        stack = image_stack(elf, tuple(sorted(elf.parent.glob("*.su")))).total_bytes
        return StreamRam(symbol_sizes(elf)["state"], stack, 2 * model.geometry.hop)


def ram_bars(measured: Mapping[str, ClassCosts], compiled: Mapping[int, StreamRam]) -> list[Demand]:
    """Return the bar of the RAM of each class, by its own model, and those of sizes of frames that no class has.

    measured: the figures of each class. compiled: as of ram_of_other_sizes.
    """
    bars = []
    for name, offered in CLASSES.items():
        found = measured.get(name)
        window = (found.geometry if found else offered).window
        own = [row_ram(row) for (case, _), row in found.rows.items() if case == OWN] if found else []
        bars.append(_ram_bar(name, window, own, absent(name)))
    return [*bars, *(_ram_bar(f"{_of_size(size)}, only compiled", size, [ram], "") for size, ram in compiled.items())]


def ram_of_other_sizes(models: Mapping[str, AnyModel]) -> dict[int, StreamRam]:
    """Return the RAM of a model as large as the first of `models` that votes, by each N that no class has.

    models: of the classes. None of them votes: nothing.
    """
    taken = {model.geometry.window for model in models.values()}
    taken |= {offered.window for name, offered in CLASSES.items() if name not in models}
    like = next((model for model in models.values() if isinstance(model, VotingModel)), None)
    if like is None:
        return {}
    sizes = [size for size in WINDOWS if size not in taken]
    return {size: compiled_ram(integer_model(_resized(like, _of_size(size)), GenerateOptions())) for size in sizes}


def code_bar() -> Demand:
    """Return the bar of the code of an M4 image that takes frames of all sizes, of models of one kind."""
    models = {
        "masks": random_model(),
        "small votes": integer_model(random_voting_model(), GenerateOptions()),
        "large votes": integer_model(random_voting_model(entries=2 * SMALL_ENTRIES), GenerateOptions()),
    }
    own = {name: own_limits(model) for name, model in models.items()}
    found = {name: _code_bytes(models[name], _all_sizes(own[name])) for name in models}
    one_size = {name: _code_bytes(models[name], own[name]) for name in models}
    every = _code_bytes(models["masks"], CORE_LIMITS)
    told = ", ".join(f"{name} {size:,} bytes (one size {one_size[name]:,})" for name, size in found.items())
    return Demand(
        "code of the M4 image, frames of all sizes, models of one kind",
        f"at most {_MOST_CODE:,} bytes",
        "",
        f"{told}; all sizes and all kinds {every:,}",
        max(found.values()) <= _MOST_CODE,
        None,
        {**found, "all kinds": every},
    )


def _ram_bar(name: str, window: int, found: list[StreamRam], lacking: str) -> Demand:
    most = _MOST_RAM[window]
    what, asked = f"{name}: RAM, N = {window}: state, stack, buffer", f"at most {most / _KIB:g} KiB"
    if not found:
        return Demand(what, asked, "", lacking, None)
    worst = max(found, key=lambda each: each.whole)
    return Demand(what, asked, "", str(worst), worst.whole <= most, None, {"bytes": worst.whole})


def _of_size(window: int) -> Geometry:
    return Geometry(16_000, window, window // 4, window)


def _resized(model: VotingModel, geometry: Geometry) -> VotingModel:
    """Return a random model with as many projections, thresholds, entries and dictionaries as `model`."""
    projections, thresholds = model.thresholds.shape
    return random_voting_model(
        projections=projections,
        thresholds=thresholds,
        group_edges=tuple(group * geometry.bands // model.dictionaries for group in range(model.dictionaries + 1)),
        entries=model.entries,
        neighbours=model.neighbours,
        geometry=geometry,
    )


def _all_sizes(own: Limits) -> Limits:
    whole = CORE_LIMITS
    return own._replace(windows=whole.windows, history=whole.history, overlap=whole.overlap, one_geometry=False)


def _code_bytes(model: IntegerModel, limits: Limits) -> int:
    """Return the bytes of code of the M4 image of `model`, compiled for all models within `limits`."""
    with TemporaryDirectory(prefix="blsh-code-") as name:
        folder = Path(name)
        project_sources(project_root()).write(folder)
        generated = generated_folder(folder)
        generate(model, GenerateOptions(), generated)
        protocol_header.write(generated)
        lines = ["#ifndef BLSH_LIMITS_H", "#define BLSH_LIMITS_H"]
        lines += [f"#define {define} {number}" + "u" * (number > 1) for define, number in limits.defines().items()]
        (generated / _LIMITS_FILE).write_text("\n".join([*lines, "#endif\n"]))
        size = measure(compile_project(find_board(M4), folder, folder / "firmware.elf"))
        return size.flash_bytes - size.sections.get(".rodata", 0)
