# SPDX-License-Identifier: Apache-2.0
"""Compile the small programs of firmware/bench, and run them in the emulator under our profiling plugin."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blsh_codegen.project import project_root
from blsh_firmware.build.compiler_alone import compile_alone, m0_board
from blsh_firmware.measure.disassembly import functions_of
from blsh_firmware.measure.profiling import Profile, passage_of, plugin_arguments, read_profile
from blsh_hil.boards.board import Board
from blsh_hil.boards.table import load_boards
from blsh_hil.boards.virtual import QEMU
from blsh_trainer.errors import BlshError

TIMEOUT_S = 300
_ROOM_BYTES = 512 << 10


@dataclass(frozen=True)
class Program:
    """A program for a board, linked against the HAL's start-up."""

    board: Board
    elf: Path


def bench_core(name: str) -> Board:
    """Return the virtual board that measures the core `name`: one with half a megabyte of RAM or more."""
    if name == "cortex-m0":
        return m0_board()
    virtual = [board for board in load_boards().values() if board.qemu_machine is not None]
    roomy = [board for board in virtual if board.core == name and board.ram.size >= _ROOM_BYTES]
    if not roomy:
        raise BlshError(f"no virtual board with {_ROOM_BYTES} bytes of RAM has a {name}; see `blsh boards`")
    return roomy[0]


def compile_program(board: Board, elf: Path, sources: Sequence[Path], options: Sequence[str]) -> Program:
    """Compile `sources` for `board` with the firmware's flags, and `options` after them.

    Raises BlshError with the compiler's words.
    """
    elf.parent.mkdir(parents=True, exist_ok=True)
    firmware = project_root() / "firmware"
    arguments = ["-UBLSH_MODEL_LIMITS", f"-I{firmware / 'bench'}", *options]
    return Program(board, compile_alone(board, project_root(), elf, sources, arguments))


def run_program(
    program: Program, plugin: Path, functions: Sequence[str], data: tuple[Path, int] | None = None
) -> Profile:
    """Run `program` to its end, and count the instructions of each run of `functions`.

    data: a file, and the address to which it is loaded. Raises BlshError unless the program prints "ok".
    """
    known = functions_of(program.elf)
    output = program.elf.with_suffix(".profile")
    output.unlink(missing_ok=True)
    arguments = plugin_arguments(plugin, output, [passage_of(known, name) for name in functions])
    command = [QEMU, "-machine", str(program.board.qemu_machine), "-kernel", str(program.elf)]
    command += ["-display", "none", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-plugin", arguments]
    if data is not None:
        command += ["-device", f"loader,file={data[0]},addr={data[1]:#x},force-raw=on"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        raise BlshError(f"{QEMU} is missing; run `make setup`") from error
    except subprocess.TimeoutExpired as error:
        raise BlshError(f"{program.elf.name} did not end on {program.board.core} within {TIMEOUT_S} s") from error
    said = (done.stdout + done.stderr).strip()
    if said != "ok":
        raise BlshError(f"{program.elf.name} on {program.board.core} said {said or '(nothing)'}; expected ok")
    return read_profile(output, known)
