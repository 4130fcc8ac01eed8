# SPDX-License-Identifier: Apache-2.0
"""Building: the size of an ELF file, and the messages when it cannot be built."""

import dataclasses
import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from blsh_codegen.project import project_root
from blsh_codegen.source_snapshot import Snapshot
from blsh_firmware.build import platformio as build
from blsh_hil.boards.board import Board
from blsh_hil.boards.table import find_board
from blsh_trainer.errors import BlshError

BOARD = find_board("mps2-an386")
needs_compiler = pytest.mark.needs(build.CROSS_COMPILER)

PROGRAM = """\
#include <stdint.h>
#include "hal.h"
extern const uint8_t table[1000];
const uint8_t table[1000] = {1};
static volatile uint8_t started[200] = {1};
static volatile uint8_t cleared[3000];
int main(void)
{
    hal_init();
    for (;;) {
        cleared[0] = (uint8_t)(table[started[0]] + cleared[1]);
    }
}
"""


def compile_program(folder: Path, board: Board = BOARD) -> Path:
    source = folder / "main.c"
    source.write_text(PROGRAM, encoding="utf-8")
    output = folder / "main.elf"
    command = board.compile_command(project_root(), output, [source])
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return output


@needs_compiler
def test_measure_counts_tables_in_flash_and_variables_in_ram(tmp_path: Path) -> None:
    size = build.measure(compile_program(tmp_path))
    assert size.sections[".data"] == 200
    assert size.sections[".rodata"] >= 1000
    assert size.sections[".bss"] >= 3000
    assert size.flash_bytes == sum(size.sections[name] for name in (".text", ".rodata", ".data"))
    assert size.ram_bytes == sum(size.sections[name] for name in (".data", ".bss", ".noinit"))


@needs_compiler
def test_measure_agrees_with_the_binary_image(tmp_path: Path) -> None:
    elf = compile_program(tmp_path)
    image = tmp_path / "main.bin"
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", elf, image], check=True)
    assert build.measure(elf).flash_bytes == image.stat().st_size


@needs_compiler
def test_data_that_reach_into_the_stack_do_not_link(tmp_path: Path) -> None:
    tight = dataclasses.replace(BOARD, ram=dataclasses.replace(BOARD.ram, size=0x2000), stack_bytes=0x1000)
    with pytest.raises(subprocess.CalledProcessError) as failure:
        compile_program(tmp_path, tight)
    assert b"the data reach into the space kept for the stack" in failure.value.stderr


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "cannot read .*build it first"), (b"no", "is not an ELF file")]
)
def test_measure_refuses_what_is_no_elf(tmp_path: Path, content: bytes | None, expected: str) -> None:
    elf = tmp_path / "firmware.elf"
    if content is not None:
        elf.write_bytes(content)
    with pytest.raises(BlshError, match=expected):
        build.measure(elf)


@needs_compiler
def test_firmware_without_generated_tables_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a copy of the checkout, because the real one may hold generated tables."""
    root = project_root()
    shutil.copytree(root / "firmware", tmp_path / "firmware", ignore=shutil.ignore_patterns("generated", "__pycache__"))
    shutil.copy(root / "platformio.ini", tmp_path)
    monkeypatch.setattr(build, "project_root", lambda: tmp_path)
    lines: list[str] = []
    with pytest.raises(BlshError, match="firmware/generated is missing: run blsh generate MODEL first"):
        build.build_firmware(BOARD, 0, log=lines.append)
    assert any("mps2-an386" in line for line in lines)


def test_missing_compiler_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    build.compiler_version.cache_clear()  # an earlier test may have asked
    with pytest.raises(BlshError, match="gcc-arm-none-eabi libnewlib-arm-none-eabi"):
        build.build_firmware(BOARD, 0, log=lambda line: None)


def test_progress_counts_what_is_compiled_and_ends_with_the_link() -> None:
    """PlatformIO names what it compiles, if it is not told to show whole commands."""
    heard, told = list[str](), list[tuple[str, int, int]]()
    take = build._counted(heard.append, lambda *step: told.append(step), 3)
    lines = ["Processing board", "Compiling .pio/a.o", "Compiling .pio/b.o", "Compiling .pio/more.o", "Linking a.elf"]
    for line in lines:
        take(line)
    assert heard == lines and told == [("compiling", done, 3) for done in range(3)]
    assert build._counted(heard.append, None, 3) == heard.append


def test_build_id_must_fit_in_32_bits() -> None:
    with pytest.raises(BlshError, match="expected an integer of 32 bits"):
        build.build_firmware(BOARD, 1 << 32, log=lambda line: None)


@needs_compiler
def test_a_full_folder_for_temporary_files_is_told_with_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", fail)
    expected = (
        r"^cannot build mps2-an386: the folder for temporary files, .*: No space left on .*; free .* set TMPDIR to"
    )
    with pytest.raises(BlshError, match=expected) as refused:
        build.build_firmware(BOARD, 0, log=print, root=tmp_path, sources=Snapshot({"a.c": b"int a;"}))
    assert "blsh-build-" not in str(refused.value), "nobody but the program knows that folder"
