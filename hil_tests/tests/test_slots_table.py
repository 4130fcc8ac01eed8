# SPDX-License-Identifier: Apache-2.0
"""Check `slots` of boards.toml, and the drivers of the flash that they name."""

import ctypes
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from blsh_codegen.emit.c_code import C_WARNINGS
from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.project import project_root
from blsh_firmware.build.compiler_alone import build_alone
from blsh_hil.boards.build_files import render_board_header
from blsh_hil.boards.table import find_board, load_boards
from blsh_trainer.errors import BlshError

from .marks import needs_emulator
from .slot_models import FACTORY

pytestmark = pytest.mark.heavy

ROW = """\
[part]
title = "A board"
note = "A note"
core = "cortex-m4"
clock_hz = 16_000_000
stack_bytes = 0x1000
ring_bytes = 1024
flash = { origin = 0x08000000, size = 0x100000 }
ram = { origin = 0x20000000, size = 0x4000 }
uart = { driver = "stm32f4", base = 0x40011000, rx_irq = 37, baud = 115_200 }
tick = { counter = 0x40000024, hz = 1_000_000 }
slots = { driver = "stm32f4", origin = 0x080c0000, size = 0x20000, sector = 0x20000 }
qemu = { machine = "part" }
"""


def test_slots_end_the_firmwares_flash_and_bring_their_driver(tmp_path: Path) -> None:
    table = tmp_path / "boards.toml"
    table.write_text(ROW)
    board = load_boards(table)["part"]
    assert board.firmware_flash_bytes == 0xC0000
    assert board.linker_symbols["__firmware_end"] == "0x080c0000"
    assert board.sources()[-2:] == ("firmware/hal/hal_storage.c", "firmware/hal/hal_storage_stm32f4.c")
    assert "#define BOARD_SECTOR_BYTES       0x20000u" in render_board_header(board)
    plain = replace(board, slots=None)
    assert plain.firmware_flash_bytes == 0x100000
    assert "SLOT" not in render_board_header(plain)
    assert not any("storage" in source for source in plain.sources())
    apart = find_board("netduinoplus2")
    assert apart.firmware_flash_bytes == apart.flash.size


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("origin = 0x080c0000", "origin = 0x080c1000", "expected whole sectors of 0x20000 bytes"),
        ("size = 0x20000", "size = 0x10000", "expected whole sectors of 0x20000 bytes"),
        ("sector = 0x20000", "sector = 0x1001", "expected whole sectors"),
        ("origin = 0x080c0000", "origin = 0x080e0000", "two of them end at 0x8120000, the flash at 0x8100000"),
        ("origin = 0x080c0000", "origin = 0x20000000", "the RAM from 0x20000000 on is the firmware's"),
        ('driver = "stm32f4", origin', "origin", "slots: field 'driver' is missing"),
        ("sector = 0x20000", "sector = 0x20000, page = 2", "slots: unknown field 'page'"),
    ],
)
def test_bad_slots_are_refused_by_name(tmp_path: Path, old: str, new: str, expected: str) -> None:
    table = tmp_path / "boards.toml"
    assert ROW.count(old) == 1
    table.write_text(ROW.replace(old, new))
    with pytest.raises(BlshError, match=expected):
        load_boards(table)


# ---- the STM32F4's flash, which no emulator writes --------------------------------------------------------------

FAKE_PORT = """
#include <stdbool.h>
#include <stdint.h>
#define BOARD_TICK_HZ 1000u
uint32_t *fake_register(uint32_t address);
#define HAL_REGISTER(address) (*(volatile uint32_t *)fake_register(address))
"""
FAKE = """
#include "hal.h"
#include "hal_port.h"
uint32_t fake_log[256], fake_count, fake_busy, fake_ticks;
static uint32_t registers[16], before;
static uint32_t *last;
/* Notes the register that was used before, if its value has changed: it was written. */
static void note(void) {
    if (last != 0 && *last != before && fake_count < 128u) {
        fake_log[2u * fake_count] = (uint32_t)(last - registers) * 4u;
        fake_log[2u * fake_count + 1u] = *last;
        fake_count++;
    }
}
uint32_t *fake_register(uint32_t address) {
    note();
    last = &registers[(address & 0xffu) / 4u];
    if ((address & 0xffu) == 0x0cu) { /* SR */
        *last = fake_busy > 0u ? 1u << 16 : 0u;
        fake_busy -= fake_busy > 0u ? 1u : 0u;
    }
    before = *last;
    return last;
}
uint32_t hal_ticks(void) { return fake_ticks += 10u; }
void fake_end(void);
void fake_end(void) { note(); last = 0; }
"""
KEYR, SR, CR = 0x04, 0x0C, 0x10
LOCK, START = 1 << 31, 1 << 16


class Stm32Flash:
    """hal_storage_stm32f4.c with a list of writes in place of its registers."""

    def __init__(self, folder: Path) -> None:
        hal = project_root() / "firmware" / "hal"
        for name in ("hal.h", "hal_storage.h", "hal_storage_stm32f4.c"):
            shutil.copy(hal / name, folder)
        (folder / "hal_port.h").write_text(FAKE_PORT)
        (folder / "fake.c").write_text(FAKE)
        library = folder / "flash.so"
        sources = [str(folder / name) for name in ("fake.c", "hal_storage_stm32f4.c")]
        warnings = [flag for flag in C_WARNINGS if flag != "-Wmissing-prototypes"]
        subprocess.run(["gcc", "-std=c11", "-fPIC", "-shared", *warnings, *sources, "-o", str(library)], check=True)
        self.c = ctypes.CDLL(str(library))
        self.busy = ctypes.c_uint32.in_dll(self.c, "fake_busy")
        self.ticks = ctypes.c_uint32.in_dll(self.c, "fake_ticks")

    def writes(self) -> list[tuple[int, int]]:
        """Return each write since the start: register and value."""
        self.c.fake_end()
        count = ctypes.c_uint32.in_dll(self.c, "fake_count").value
        log = (ctypes.c_uint32 * 256).in_dll(self.c, "fake_log")
        return [(log[2 * place], log[2 * place + 1]) for place in range(count)]


@pytest.mark.parametrize(
    ("address", "sector"),
    [(0x08000000, 0), (0x0800C000, 3), (0x08010000, 4), (0x08020000, 5), (0x08040000, 6), (0x080E0000, 11)],
)
def test_a_sector_is_erased_by_its_number_and_the_flash_locked_again(tmp_path: Path, address: int, sector: int) -> None:
    flash = Stm32Flash(tmp_path)
    flash.busy.value = 3
    flash.c.hal_sector_erase(ctypes.c_void_p(address))
    control = 2 << 8 | 1 << 1 | sector << 3
    writes = [write for write in flash.writes() if write[0]]
    assert writes[:2] == [(KEYR, 0x45670123), (KEYR, 0xCDEF89AB)]
    assert writes[2:] == [(SR, 0xF2), (CR, control), (CR, control | START), (CR, LOCK)]


def test_a_word_is_programmed_and_the_flash_locked_again(tmp_path: Path) -> None:
    flash = Stm32Flash(tmp_path)
    word = ctypes.c_uint32(0xFFFFFFFF)
    flash.c.hal_word_program(ctypes.byref(word), 0x12345678)
    assert word.value == 0x12345678
    assert flash.writes()[2:] == [(SR, 0xF2), (CR, 2 << 8 | 1), (CR, LOCK)]


def test_a_flash_that_stays_busy_does_not_hang_the_board(tmp_path: Path) -> None:
    flash = Stm32Flash(tmp_path)
    flash.busy.value = 1 << 31
    flash.c.hal_sector_erase(ctypes.c_void_p(0x080E0000))
    assert 2 * 4000 <= flash.ticks.value < 2 * 4000 + 100  # four seconds, before and after


@needs_emulator
@pytest.mark.parametrize("name", ["nucleo_f446re", "disco_f407vg", "nrf52840_dk"])
def test_a_real_parts_firmware_links_below_its_slots(name: str, tmp_path: Path) -> None:
    board = find_board(name)
    assert board.slots is not None and board.firmware_flash_bytes == board.slots.origin - board.flash.origin
    with build_alone(board, FACTORY, tmp_path, GenerateOptions(slots=True)).open("rb") as stream:
        elf = ELFFile(stream)
        ends = [segment["p_paddr"] + segment["p_filesz"] for segment in elf.iter_segments("PT_LOAD")]
        symbols = elf.get_section_by_name(".symtab")
        assert symbols is not None and symbols.get_symbol_by_name("hal_word_program")
    assert max(ends) <= board.slots.origin
