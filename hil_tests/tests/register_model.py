# SPDX-License-Identifier: Apache-2.0
"""Model a part's registers: the drivers run on this machine, and the model sees each register that they touch.

The model behaves as the manual says: a ready bit follows its switch. The test fails where the manual forbids an
access: to a PLL that runs, to a clock too fast for its bus, to a peripheral without its clock.
"""

import ctypes
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from blsh_codegen.project import project_root
from blsh_hil.boards.board import Board
from blsh_hil.boards.build_files import render_board_header

SHIM = """
#include <stdbool.h>
#include <stdint.h>
volatile uint32_t *(*fake_register)(uint32_t);
bool hal_ring_full(void) { return false; }
void hal_ring_put(uint8_t byte) { (void)byte; }
void hal_ring_stall(void) {}
void hal_ring_lost(void) {}
"""
DECLARATION = "#include <stdint.h>\nextern volatile uint32_t *(*fake_register)(uint32_t);\n"

Address = int


class Registers:
    """32-bit registers, all 0 at first. Subclasses define what a write does."""

    def __init__(self) -> None:
        self._cells: dict[Address, ctypes.c_uint32] = {}
        self._seen: dict[Address, int] = {}
        self._last: Address | None = None
        self.accesses = 0
        self.writes: list[tuple[Address, int]] = []  # the writes that changed a register, in their order

    def __getitem__(self, address: Address) -> int:
        return self._cells[address].value if address in self._cells else 0

    def __setitem__(self, address: Address, value: int) -> None:
        self._cell(address).value = value
        self._seen[address] = value

    def written(self, address: Address, before: int, value: int) -> None:
        """Act on a register that the driver has changed; fail if the driver must not change it."""

    def before_access(self, address: Address) -> None:
        """Note that the driver is about to read or write a register."""

    def touch(self, address: Address) -> int:
        """Return the address at which the driver finds a register."""
        self.settle()
        self.accesses += 1
        self.before_access(address)
        self._last = address
        return ctypes.addressof(self._cell(address))

    def settle(self) -> None:
        """Act on what the driver did with the register that it touched last."""
        if self._last is None:
            return
        address, self._last = self._last, None
        before, value = self._seen.get(address, 0), self[address]
        if value != before:
            self._seen[address] = value
            self.writes.append((address, value))
            self.written(address, before, value)

    def _cell(self, address: Address) -> ctypes.c_uint32:
        return self._cells.setdefault(address, ctypes.c_uint32())


class Driver:
    """The clock and UART drivers of a board, compiled for this machine, on top of a model.

    board: None for drivers of no board of the table. sources: other drivers instead. options: further ones for the
    compiler.
    """

    def __init__(
        self,
        board: Board | None,
        registers: Registers,
        folder: Path,
        sources: Sequence[Path] = (),
        options: Sequence[str] = (),
    ) -> None:
        self.board = board
        self.registers = registers
        self._errors: list[BaseException] = []
        files = [*sources] if board is None else sources or _drivers(board)
        self._library = ctypes.CDLL(str(_compiled(board, folder, files, options)))
        self._callback = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)(self._touch)
        ctypes.c_void_p.in_dll(self._library, "fake_register").value = ctypes.cast(
            self._callback, ctypes.c_void_p
        ).value

    def start(self) -> None:
        """Initialise clock and UART as hal_init does."""
        self._run("hal_clock_init")
        self._run("hal_port_init")

    def led(self, lit: bool) -> None:
        self._library.hal_port_led(ctypes.c_bool(lit))
        self._settle()

    def number(self, function: str) -> int:
        value: Callable[[], int] = self._library[function]
        value.restype = ctypes.c_uint32  # type: ignore[attr-defined]
        return value()

    @property
    def trouble(self) -> str | None:
        """Return what hal_clock_trouble() returns."""
        self._library.hal_clock_trouble.restype = ctypes.c_char_p
        text: bytes | None = self._library.hal_clock_trouble()
        return None if text is None else text.decode()

    def _run(self, function: str) -> None:
        self._library[function]()
        self._settle()

    def _settle(self) -> None:
        self._guard(self.registers.settle)
        if self._errors:
            raise self._errors[0]

    def _touch(self, address: int) -> int:
        self._guard(lambda: self.registers.touch(address))
        return ctypes.addressof(self.registers._cell(address))

    def _guard(self, action: Callable[[], object]) -> None:
        """Keep an exception until the C function has returned: it cannot pass through C."""
        try:
            action()
        except BaseException as error:
            self._errors.append(error)


def _drivers(board: Board) -> list[Path]:
    root = project_root()
    return [root / source for source in board.sources() if "/hal_cortexm" not in source and "/hal/" in source]


def _compiled(board: Board | None, folder: Path, sources: Sequence[Path], options: Sequence[str]) -> Path:
    """Compile the drivers as a library of this machine, with every register behind fake_register()."""
    hal = project_root() / "firmware" / "hal"
    if board is not None:
        (folder / "board.h").write_text(render_board_header(board))
    (folder / "shim.c").write_text(SHIM)
    (folder / "declaration.h").write_text(DECLARATION)
    library = folder / f"{'part' if board is None else board.name}.so"
    command = ["gcc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{folder}"]
    command += [f"-I{hal}", "-DHAL_REGISTER(address)=(*fake_register(address))", *options]
    command += ["-include", str(folder / "declaration.h"), str(folder / "shim.c"), *map(str, sources)]
    built = subprocess.run([*command, "-o", str(library)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return library
