# SPDX-License-Identifier: Apache-2.0
"""Call the firmware's models.c on this machine through ctypes: on slots in memory, or on one image."""

import ctypes
import subprocess
from pathlib import Path

from blsh_codegen.emit.c_code import C_WARNINGS
from blsh_codegen.emit.generate import render_tables
from blsh_codegen.project import project_root
from blsh_hil.prove.push import NO_SLOT
from blsh_hil.wire import protocol_header

BOARD = Path(__file__).with_name("slots_board.c")
SLOT_BYTES, SECTOR_BYTES = 10_240, 1024
POWER_CUT = 1000


def compile_library(folder: Path, *flags: str, source: Path = BOARD) -> Path:
    """Compile `source`, which includes models.c, with the core and SHA-256 into a shared library in `folder`."""
    firmware = project_root() / "firmware"
    (folder / "blsh_tables.c").write_text(render_tables(), encoding="utf-8")
    protocol_header.write(folder)
    includes = [folder, *(firmware / name for name in ("app", "core", "hal", "host"))]
    sources = [source, firmware / "app" / "sha256.c", folder / "blsh_tables.c", *(firmware / "core").glob("*.c")]
    library = folder / f"{source.stem}.so"
    command = [
        "gcc",
        "-std=c11",
        "-O2",
        "-g",
        "-fPIC",
        "-shared",
        "-DBLSH_SLOTS",
        *C_WARNINGS,
        "-Wno-clobbered",
        *flags,
    ]
    command += ["-Wno-clobbered", *flags]  # setjmp causes the warning
    command += [*(f"-I{path}" for path in includes), *map(str, sources), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return library


class MemoryBoard:
    """A board of slots_board.c, on which pushes and power cuts take microseconds."""

    def __init__(self, library: Path, factory: bytes) -> None:
        self._library = ctypes.CDLL(str(library))
        assert self._library.board_factory_model(factory, len(factory)) == 0

    def fill(self, content: bytes = b"\xff" * (2 * SLOT_BYTES)) -> None:
        """Fill both slots with `content`."""
        assert len(content) == 2 * SLOT_BYTES
        self._library.board_fill(content)

    def content(self) -> bytes:
        """Return the content of both slots."""
        buffer = ctypes.create_string_buffer(2 * SLOT_BYTES)
        self._library.board_read(buffer)
        return buffer.raw

    def cut_after(self, step: int, seed: int = 0) -> None:
        """Have the power fail in the middle of write number `step` from now on; with 0 it does not fail."""
        self._library.board_cut_after(step, seed & 0xFFFFFFFF)

    @property
    def steps(self) -> int:
        """Return how many words were programmed and sectors erased since cut_after()."""
        return int(self._library.board_steps())

    def power_on(self) -> tuple[int, str, int]:
        """Start; return the slot that runs, the SHA-256 of its model, and the CRC of its self-test."""
        sha256, crc = ctypes.create_string_buffer(32), ctypes.c_uint32()
        slot = int(self._library.board_power_on(sha256, ctypes.byref(crc)))
        assert slot in (0, 1, NO_SLOT), f"the model that runs is refused by the core: {slot}"
        return slot, sha256.raw.hex(), crc.value

    def push(self, image: bytes, piece: int = 256) -> int:
        """Transfer an image, try and keep it; return 0, a refusal or POWER_CUT."""
        return int(self._library.board_push(image, piece))

    def try_only(self, image: bytes, piece: int = 256) -> int:
        """Transfer an image and try it."""
        return int(self._library.board_try(image, piece))

    def erase(self) -> int:
        """Go back to the compiled-in model."""
        return int(self._library.board_erase())

    def state(self, slot: int) -> int:
        """Return the SlotState of a slot."""
        return int(self._library.board_state(slot))

    def flip(self, slot: int, bit: int) -> int:
        """Flip one bit of a slot; return its new value."""
        return int(self._library.board_flip(slot, bit))
