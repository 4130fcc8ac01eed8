# SPDX-License-Identifier: Apache-2.0
"""Build the firmware of a board by the compiler alone: with PlatformIO's flags, without its start of some seconds."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from blsh_codegen.emit.generate import GenerateOptions, generate
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.project import project_root
from blsh_firmware.build.platformio import WITH_MODEL, compiler_version
from blsh_firmware.build.project_files import GENERATED, project_sources
from blsh_hil.boards.board import Board
from blsh_hil.boards.table import find_board
from blsh_hil.wire import protocol_header
from blsh_trainer.errors import BlshError

M0_HOST: Final = "mps2-an385"
"""A machine with the RAM and flash that a micro:bit lacks; its core executes all that a Cortex-M0 does."""

_ERROR_CHARACTERS: Final = 4000
_TOO_SMALL: Final = "region `"
"""The linker's word in front of the name of a memory that does not suffice."""


@dataclass(frozen=True)
class BoardImage:
    """An image and the board that runs it."""

    board: Board
    elf: Path


def compile_alone(
    board: Board, project: Path, elf: Path, sources: Sequence[Path], arguments: Sequence[str | Path] = ()
) -> Path:
    """Compile `sources` with the start-up code and HAL of `board` to `elf`, the .su files beside it. Returns `elf`.

    project: the folder with the `firmware/` that HAL and headers are read from. arguments: further options, or further
    sources, for the compiler, behind all others. Raises BlshError where the compiler is missing, or with the end of
    its output where it refuses.
    """
    compiler_version()
    for stale in elf.parent.glob("*.su"):
        stale.unlink()
    command = [*board.compile_command(project, elf, list(sources)), *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise BlshError(
            f"{elf.name} does not build for {board.name} ({board.core}); the end of the compiler's output:\n"
            f"{done.stderr.strip()[-_ERROR_CHARACTERS:]}"
        )
    return elf


def compile_project(board: Board, project: Path, elf: Path, arguments: Sequence[str | Path] = ()) -> Path:
    """Build the firmware in `project`, its generated C included, for `board`; as compile_alone."""
    # the core last: of two sources with one name, the .su file of the later one stays
    folders = [project / "firmware" / name for name in WITH_MODEL]
    sources = [file for folder in folders for file in sorted(folder.glob("*.c"))]
    return compile_alone(board, project, elf, sources, arguments)


def build_alone(
    board: Board,
    model: IntegerModel,
    folder: Path,
    options: GenerateOptions | None = None,
    arguments: Sequence[str | Path] = (),
) -> Path:
    """Build the firmware of `board` with `model` in a copy of this project's sources; returns its ELF file.

    folder: takes the copy, the ELF file and its .su files. options: what to generate the model with.
    arguments: as of compile_alone. Raises BlshError where it does not build.
    """
    folder = folder.resolve()
    project_sources(project_root()).write(folder)
    generated = folder / "firmware" / GENERATED
    generate(model, options or GenerateOptions(), generated)
    protocol_header.write(generated)
    return compile_project(board, folder, folder / f"{board.name}.elf", arguments)


def build_where_it_fits(board: Board, model: IntegerModel, folder: Path) -> BoardImage:
    """Build the firmware with `model` in `folder`, for `board` or, if that is too small a Cortex-M0, for m0_board().

    A test of the core's arithmetic needs the core, not the memory of the part. Raises BlshError where the model does
    not fit a board of another core, or does not build.
    """
    own, larger = folder / "own", folder / "larger"
    own.mkdir(parents=True)
    try:
        return BoardImage(board, build_alone(board, model, own))
    except BlshError as error:
        if _TOO_SMALL not in str(error) or board.core != "cortex-m0":
            raise
    larger.mkdir()
    return BoardImage(m0_board(), build_alone(m0_board(), model, larger))


def m0_board() -> Board:
    """Return the board M0_HOST with the code of a Cortex-M0."""
    return replace(find_board(M0_HOST), core="cortex-m0", fpu=None)
