# SPDX-License-Identifier: Apache-2.0
"""Images of the bench: a model of as many entries as a board holds, built in a copy of the firmware project."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blsh_codegen.emit.generate import GenerateOptions, flash_table_bytes, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.project import project_root
from blsh_codegen.spec.constants import BLOCK
from blsh_firmware.build.compiler_alone import M0_HOST, compile_project, m0_board
from blsh_firmware.build.images import build_image, generate_firmware, generated_folder
from blsh_firmware.build.platformio import Footprint, compiler_version, measure
from blsh_firmware.build.project_files import copy_project
from blsh_hil.boards.board import Board
from blsh_hil.boards.project_lock import project_lock
from blsh_hil.boards.table import find_board
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel

M0_ROW: Final = f"cortex-m0 on {M0_HOST}"
_CODE_ROOM_BYTES: Final = 24 << 10
"""Flash that is left to the code and to the tables that all models share."""


@dataclass(frozen=True)
class BenchImage:
    """An image that was built for the bench: the board that runs it, its files, and the bytes it takes.

    row: the name of its row in the results: the board's, or M0_ROW.
    """

    row: str
    board: Board
    core: str
    elf: Path
    su_files: tuple[Path, ...]
    size: Footprint
    model: IntegerModel

    @property
    def entries(self) -> int:
        """Entries of the dictionary."""
        return self.model.entries


def bench_project(folder: Path) -> Path:
    """Copy this project's firmware to `folder`, without generated C, for the bench to build in; returns the folder.

    What the bench generated and built there before stays.
    """
    folder = folder.resolve()  # PlatformIO runs there
    folder.mkdir(parents=True, exist_ok=True)
    with project_lock(folder):
        return copy_project(project_root(), folder)


def build_for(row: str, model: AnyModel, entries: int, project: Path, log: Callable[[str], None]) -> BenchImage:
    """Generate and build `model` in the folder `project` for the board named `row`, or for M0_ROW.

    entries: how many entries to keep; where the board's flash holds fewer, as many as it holds.
    Raises BlshError where it holds none, or the build fails.
    """
    compiler_version()  # its error for a missing compiler names the package
    board = m0_board() if row == M0_ROW else find_board(row)
    kept = _fitting(board, model, entries)
    with project_lock(project):  # no other program generates a model in between
        generate_firmware(model, GenerateOptions(entries=kept.entries), generated_folder(project))
        if row == M0_ROW:  # PlatformIO's environments are those of boards.toml
            elf, size = _build_m0(board, project)
        else:
            image = build_image(board, log, project, model)
            elf, size = image.elf, image.size
        return BenchImage(row, board, board.core, elf, tuple(sorted(elf.parent.rglob("*.su"))), size, kept)


def _build_m0(board: Board, project: Path) -> tuple[Path, Footprint]:
    folder = project / "bench-m0"
    folder.mkdir(exist_ok=True)
    elf = compile_project(board, project, folder / "firmware.elf")
    return elf, measure(elf)


def _fitting(board: Board, model: AnyModel, entries: int) -> IntegerModel:
    """Return `model` with the most entries, at most `entries`, whose tables leave _CODE_ROOM_BYTES of the flash."""
    room = board.flash.size - _CODE_ROOM_BYTES
    while True:
        integers = integer_model(model, GenerateOptions(entries=entries))
        taken = sum(flash_table_bytes(integers).values())
        if taken <= room:
            return integers
        fewer = (entries * room // taken) // BLOCK * BLOCK
        entries = min(fewer, entries - BLOCK)
        if entries <= model.neighbours:
            raise BlshError(f"{board.name}: {board.flash.size} bytes of flash hold no dictionary of {model.name}")
