# SPDX-License-Identifier: Apache-2.0
"""Check by an image's ELF file where its parts lie, for any board."""

from pathlib import Path

import numpy as np
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from blsh_hil.boards.board import Board, Memory


def symbol(elf: Path, name: str) -> int:
    """Return the value of a symbol."""
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        assert table is not None
        return int(table.get_symbol_by_name(name)[0]["st_value"])


def check_memory_map(elf: Path, board: Board) -> None:
    """Check that code, tables and start values lie in flash, variables in RAM below the stack; check the vectors."""
    with elf.open("rb") as stream:
        image = ELFFile(stream)
        assert (image["e_machine"], image["e_entry"]) == ("EM_ARM", symbol(elf, "reset_handler") | 1)
        for segment in image.iter_segments("PT_LOAD"):
            if segment["p_filesz"]:
                assert _inside(segment["p_paddr"], segment["p_filesz"], board.flash)
        for section in image.iter_sections():
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_size"]:
                writable = section["sh_flags"] & SH_FLAGS.SHF_WRITE
                free = Memory(board.ram.origin, board.ram.size - board.stack_bytes)
                place = free if writable else board.flash
                assert _inside(section["sh_addr"], section["sh_size"], place), section.name
        text = image.get_section_by_name(".text")
        assert text is not None
        assert text["sh_addr"] == board.flash.origin
        vectors = np.frombuffer(text.data()[: 4 * (17 + board.uart.rx_irq)], dtype="<u4").tolist()
    assert vectors[0] == board.ram.origin + board.ram.size == symbol(elf, "_estack")
    handlers = {2: "fault_handler", 3: "fault_handler", 16 + board.uart.rx_irq: "hal_rx_irq", 1: "reset_handler"}
    for number, name in handlers.items():
        assert vectors[number] == symbol(elf, name) | 1, name
        assert _inside(vectors[number] & ~1, 2, board.flash), name


def _inside(start: int, size: int, memory: Memory) -> bool:
    return memory.origin <= start and start + size <= memory.origin + memory.size
