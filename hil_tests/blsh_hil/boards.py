"""The boards, read from `boards.toml`, and the files written from it.

`load_boards()` gives every consumer the same facts. `python -m blsh_hil.boards` rewrites platformio.ini,
the board files of the PlatformIO platform and the C headers `board.h`; a test holds them to the table.
"""

import json
import os
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blsh_codegen.c_code import C_WARNINGS
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing

C_FLAGS = (
    "-std=c11",
    "-O2",
    "-g",
    *C_WARNINGS,
    "-fstack-usage",
    "-ffunction-sections",
    "-fdata-sections",
    "-DBLSH_MODEL_LIMITS",  # the state is as large as the one model needs that is compiled in
)
"""What every C file of the firmware is compiled with, on every board."""

LINK_FLAGS = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-Wl,--fatal-warnings")
"""No nosys.specs: whatever needs a heap or a file then fails to link, instead of failing in the field."""

INCLUDE_FOLDERS = ("core", "hal", "app", "generated")
"""Folders of `firmware/` that hold headers."""

LINKER_SCRIPT = "firmware/boards/cortexm.ld"

_NOTE = "GENERATED from boards.toml - do not edit; rewrite with: python -m blsh_hil.boards"
_LEAST_RING = 1024
"""Holds the longest HOP request as it stands on the line, 529 bytes."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Memory:
    """A memory region: origin and size in bytes."""

    origin: int
    size: int


@dataclass(frozen=True)
class Uart:
    """The serial port that the firmware talks on; `driver` names `firmware/hal/hal_<driver>.c`.

    clock_hz: the clock that the baud rate is divided from. Pins are as the driver numbers them; None where it has none.
    """

    driver: str
    base: int
    rx_irq: int
    baud: int
    clock_hz: int
    tx_pin: int | None
    rx_pin: int | None


@dataclass(frozen=True)
class Tick:
    """A free-running 32-bit up-counter: the address of the register that is read and its rate in Hz."""

    counter: int
    hz: int


@dataclass(frozen=True)
class Slots:
    """Two places for models that are pushed: `size` bytes each, from `origin` on, erased by `sector` bytes.

    `driver` names `firmware/hal/hal_storage_<driver>.c`.
    """

    driver: str
    origin: int
    size: int
    sector: int


@dataclass(frozen=True)
class Watchdog:
    """A watchdog whose place differs between boards of one driver: base address and rate in Hz."""

    base: int
    hz: int


@dataclass(frozen=True)
class Board:
    """One row of boards.toml. `qemu_machine` is set on a virtual board, `upload_command` on a real one."""

    name: str
    title: str
    core: str
    fpu: str | None
    clock_hz: int
    stack_bytes: int
    ring_bytes: int
    flash: Memory
    ram: Memory
    uart: Uart
    watchdog: Watchdog | None
    tick: Tick
    qemu_machine: str | None
    upload_command: str | None
    slots: Slots | None = None

    @property
    def firmware_flash_bytes(self) -> int:
        """Flash below the slots: what a firmware that takes pushed models may fill."""
        inside = self.slots is not None and 0 <= self.slots.origin - self.flash.origin < self.flash.size
        return self.slots.origin - self.flash.origin if self.slots is not None and inside else self.flash.size

    @property
    def cpu_flags(self) -> tuple[str, ...]:
        """What tells the compiler and the linker about the core."""
        floats = ("-mfloat-abi=soft",) if self.fpu is None else (f"-mfpu={self.fpu}", "-mfloat-abi=hard")
        return (f"-mcpu={self.core}", "-mthumb", *floats)

    @property
    def linker_symbols(self) -> dict[str, str]:
        """The memory map, as the linker script wants it."""
        return {
            "__flash_origin": f"{self.flash.origin:#010x}",
            "__flash_size": f"{self.flash.size:#010x}",
            "__ram_origin": f"{self.ram.origin:#010x}",
            "__ram_size": f"{self.ram.size:#010x}",
            "__stack_size": f"{self.stack_bytes:#010x}",
            "__firmware_end": f"{self.flash.origin + self.firmware_flash_bytes:#010x}",
        }

    def sources(self) -> tuple[str, ...]:
        """The files under the root that make up the seam for this board: start-up, HAL, driver."""
        storage = (
            ()
            if self.slots is None
            else ("firmware/hal/hal_storage.c", f"firmware/hal/hal_storage_{self.slots.driver}.c")
        )
        return (
            "firmware/boards/startup.c",
            "firmware/hal/hal_cortexm.c",
            f"firmware/hal/hal_{self.uart.driver}.c",
            *storage,
        )

    def compile_command(self, root: Path, output: Path, sources: list[Path]) -> list[str]:
        """The command that builds `sources` on top of the HAL, without PlatformIO: same flags, same link."""
        folders = [f"firmware/{folder}" for folder in INCLUDE_FOLDERS] + [f"firmware/boards/{self.name}"]
        return [
            "arm-none-eabi-gcc",
            *self.cpu_flags,
            *C_FLAGS,
            *(f"-I{root / folder}" for folder in folders),
            *LINK_FLAGS,
            *(f"-Wl,--defsym={symbol}={value}" for symbol, value in self.linker_symbols.items()),
            f"-T{root / LINKER_SCRIPT}",
            *(str(root / source) for source in self.sources()),
            *map(str, sources),
            "-o",
            str(output),
        ]


def project_root() -> Path:
    """The folder that holds boards.toml and firmware/: the checkout that this package runs from, or $BLSH_PROJECT.

    The variable names another copy of that folder, to generate and build in without touching the checkout's.
    Raises BlshError when that folder holds no boards.toml and firmware/, or the package was installed away from its
    checkout.
    """
    named = os.environ.get("BLSH_PROJECT")
    if named:
        root = Path(named).resolve()
        if not (root / "boards.toml").is_file() or not (root / "firmware").is_dir():
            raise BlshError(f"BLSH_PROJECT is {named}, which holds no boards.toml and firmware/; correct or unset it")
        return root
    for folder in Path(__file__).resolve().parents:
        if (folder / "boards.toml").is_file() and (folder / "firmware").is_dir():
            return folder
    raise BlshError(
        f"{Path(__file__).resolve().parent} is not inside a checkout of blsh-mcu (no boards.toml and firmware/ "
        "above it); the firmware is built from a checkout: clone it and run `make setup` there"
    )


def load_boards(path: Path | None = None) -> dict[str, Board]:
    """All boards by name, in the order of the table (`path`: another table than the checkout's).

    Raises BlshError naming the board, the field, the value and what was expected.
    """
    table = project_root() / "boards.toml" if path is None else path
    try:
        rows = tomllib.loads(table.read_text(encoding="utf-8"))
    except OSError as error:
        raise BlshError(f"cannot read {table}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BlshError(f"{table} is not a TOML file: {error}; mend the table") from error
    return {name: _board(name, _Row(f"{table.name}: [{name}]", row)) for name, row in rows.items()}


def find_board(name: str) -> Board:
    """The board of that name. Raises BlshError listing the known ones."""
    boards = load_boards()
    if name not in boards:
        known = ", ".join(sorted(boards))
        raise BlshError(f"board {name!r} is unknown; known boards: {known} (add one in boards.toml)")
    return boards[name]


class _Row:
    """A TOML table whose fields are taken one by one; what is left over at the end is an error."""

    def __init__(self, where: str, fields: Any) -> None:
        if not isinstance(fields, dict):
            raise BlshError(f"{where} is {fields!r}; expected a table")
        self._where = where
        self._fields = dict(fields)

    def text(self, field: str) -> str:
        value = self._take(field)
        if not isinstance(value, str) or not value.isprintable() or not value.strip():
            raise self.error(field, value, "expected one line of text")
        return value

    def integer(self, field: str, low: int, high: int) -> int:
        value = self._take(field)
        if type(value) is not int or not low <= value <= high:
            raise self.error(field, value, f"expected an integer from {low:#x} to {high:#x}")
        return value

    def row(self, field: str) -> "_Row":
        return _Row(f"{self._where} {field}", self._take(field))

    def has(self, field: str) -> bool:
        return field in self._fields

    def end(self) -> None:
        if self._fields:
            raise BlshError(f"{self._where}: unknown field {min(self._fields)!r}; see the head of boards.toml")

    def error(self, field: str, value: object, expected: str) -> BlshError:
        return BlshError(f"{self._where} {field} = {value!r}; {expected}")

    def _take(self, field: str) -> Any:
        if field not in self._fields:
            raise BlshError(f"{self._where}: field {field!r} is missing; see the head of boards.toml")
        return self._fields.pop(field)


def _board(name: str, row: _Row) -> Board:
    if not _NAME.fullmatch(name):
        raise BlshError(f"boards.toml: [{name}]; expected a name of small letters, digits and hyphens")
    clock_hz = row.integer("clock_hz", 1_000_000, 2_000_000_000)
    flash, ram = _memory(row.row("flash")), _memory(row.row("ram"))
    board = Board(
        name=name,
        title=row.text("title"),
        core=row.text("core"),
        fpu=row.text("fpu") if row.has("fpu") else None,
        clock_hz=clock_hz,
        stack_bytes=row.integer("stack_bytes", 0x400, 0x100000),
        ring_bytes=row.integer("ring_bytes", _LEAST_RING, 0x10000),
        flash=flash,
        ram=ram,
        uart=_uart(row.row("uart"), clock_hz),
        watchdog=_watchdog(row.row("watchdog")) if row.has("watchdog") else None,
        tick=_tick(row.row("tick")),
        qemu_machine=_only(row.row("qemu"), "machine") if row.has("qemu") else None,
        upload_command=_only(row.row("upload"), "command") if row.has("upload") else None,
        slots=_slots(row.row("slots"), flash, ram) if row.has("slots") else None,
    )
    row.end()
    if (board.qemu_machine is None) == (board.upload_command is None):
        raise BlshError(f"boards.toml: [{name}]: expected either `qemu` or `upload`")
    if board.stack_bytes % 8 or board.stack_bytes > board.ram.size:
        expected = f"expected a multiple of 8, at most the RAM of {board.ram.size:#x}"
        raise row.error("stack_bytes", board.stack_bytes, expected)
    if board.ring_bytes & (board.ring_bytes - 1):
        raise row.error("ring_bytes", board.ring_bytes, "expected a power of two: the ring is indexed by masking")
    return board


def _memory(row: _Row) -> Memory:
    memory = Memory(origin=row.integer("origin", 0, 0xFFFFFFFF), size=row.integer("size", 0x1000, 0x20000000))
    row.end()
    return memory


def _uart(row: _Row, core_hz: int) -> Uart:
    uart = Uart(
        driver=row.text("driver"),
        base=row.integer("base", 0x40000000, 0x5FFFFFFF),
        rx_irq=row.integer("rx_irq", 0, 95),
        baud=row.integer("baud", 9600, 12_000_000),
        clock_hz=row.integer("clock_hz", 1_000_000, 2_000_000_000) if row.has("clock_hz") else core_hz,
        tx_pin=row.integer("tx_pin", 0, 0xFF) if row.has("tx_pin") else None,
        rx_pin=row.integer("rx_pin", 0, 0xFF) if row.has("rx_pin") else None,
    )
    row.end()
    return uart


def _watchdog(row: _Row) -> Watchdog:
    base, hz = row.integer("base", 0x40000000, 0x5FFFFFFF), row.integer("hz", 1000, 1_000_000_000)
    row.end()
    return Watchdog(base, hz)


def _tick(row: _Row) -> Tick:
    tick = Tick(counter=row.integer("counter", 0x40000000, 0x5FFFFFFF), hz=row.integer("hz", 1000, 1_000_000_000))
    row.end()
    return tick


def _slots(row: _Row, flash: Memory, ram: Memory) -> Slots:
    slots = Slots(
        driver=row.text("driver"),
        origin=row.integer("origin", 0, 0xFFFFFFFF),
        size=row.integer("size", 0x1000, 0x20000000),
        sector=row.integer("sector", 4, 0x100000),
    )
    for field, value in (("origin", slots.origin), ("size", slots.size), ("sector", slots.sector & 3)):
        if value % slots.sector:
            raise row.error(field, value, f"expected whole sectors of {slots.sector:#x} bytes, a multiple of 4")
    end = slots.origin + 2 * slots.size
    if flash.origin <= slots.origin < flash.origin + flash.size and end > flash.origin + flash.size:
        raise row.error("size", slots.size, f"two of them end at {end:#x}, the flash at {flash.origin + flash.size:#x}")
    if slots.origin < ram.origin + ram.size and end > ram.origin:
        raise row.error("origin", slots.origin, f"the RAM from {ram.origin:#x} on is the firmware's")
    row.end()
    return slots


def _only(row: _Row, field: str) -> str:
    value = row.text(field)
    row.end()
    return value


def render_platformio_ini(boards: dict[str, Board]) -> str:
    """The text of platformio.ini: one environment for each board."""
    lines = [
        f"; {_NOTE}",
        "",
        "[platformio]",
        "src_dir = firmware",
        "; PlatformIO's own files stay inside the checkout",
        "core_dir = .pio/core",
        f"default_envs = {', '.join(name for name, board in boards.items() if board.qemu_machine)}",
        "",
        "[env]",
        "platform = symlink://${PROJECT_DIR}/firmware/platform",
        "; otherwise a test folder would make PlatformIO fetch a test framework",
        "test_framework = custom",
        "lib_ldf_mode = off",
        "monitor_speed = 115200",
        "build_flags =",
        *(f"    {flag}" for flag in C_FLAGS),
        *(f"    -Ifirmware/{folder}" for folder in INCLUDE_FOLDERS),
    ]
    for board in boards.values():
        lines += ["", f"[env:{board.name}]", f"board = {board.name}", "build_src_filter ="]
        lines += ["    -<*>", *(f"    +<{folder}/*.c>" for folder in ("core", "app", "generated"))]
        lines += [f"    +<{source.removeprefix('firmware/')}>" for source in board.sources()]
        lines += [f"build_flags =\n    ${{env.build_flags}}\n    -Ifirmware/boards/{board.name}"]
        if board.upload_command:
            lines += ["upload_protocol = custom", f"upload_command = {board.upload_command}"]
    return "\n".join(lines) + "\n"


def render_board_json(board: Board) -> str:
    """The text of `firmware/platform/boards/<name>.json`, which tells PlatformIO about the board."""
    description = {
        "name": board.title,
        "vendor": "blsh-mcu",
        "url": "boards.toml",
        "frameworks": [],
        "build": {
            "mcu": board.core,
            "f_cpu": f"{board.clock_hz}L",
            "cpu_flags": list(board.cpu_flags),
            "link_flags": list(LINK_FLAGS),
            "linker_script": LINKER_SCRIPT,
            "linker_symbols": board.linker_symbols,
        },
        "upload": {
            "maximum_size": board.flash.size,
            "maximum_ram_size": board.ram.size - board.stack_bytes,
            "protocol": "custom" if board.upload_command else "none",
            "protocols": ["custom", "none"],
        },
    }
    return json.dumps(description, indent=1) + "\n"


def render_board_header(board: Board) -> str:
    """The text of `firmware/boards/<name>/board.h`: what the HAL must know of the board."""
    uart = board.uart
    values = {
        "NAME": f'"{board.name}"',
        "CORE": f'"{board.core}"',
        "CORE_HZ": f"{board.clock_hz}u",
        "RECEIVE_RING_BYTES": f"{board.ring_bytes}u",
        "UART_BASE": f"{uart.base:#010x}u",
        "UART_RX_IRQ": f"{uart.rx_irq}u",
        "UART_BAUD": f"{uart.baud}u",
        "UART_CLOCK_HZ": f"{uart.clock_hz}u",
        "TICK_COUNTER": f"{board.tick.counter:#010x}u /* address of a 32-bit up-counter */",
        "TICK_HZ": f"{board.tick.hz}u",
    }
    pins = {"UART_TX_PIN": uart.tx_pin, "UART_RX_PIN": uart.rx_pin}
    if board.watchdog is not None:
        values |= {"WATCHDOG_BASE": f"{board.watchdog.base:#010x}u", "WATCHDOG_HZ": f"{board.watchdog.hz}u"}
    values |= {name: f"{pin:#x}u" for name, pin in pins.items() if pin is not None}
    if board.slots is not None:
        values |= {
            "SLOT_ORIGIN": f"{board.slots.origin:#010x}u /* of two places for models */",
            "SLOT_BYTES": f"{board.slots.size:#x}u",
            "SECTOR_BYTES": f"{board.slots.sector:#x}u",
        }
    guard = "BLSH_BOARD_" + board.name.upper().replace("-", "_") + "_H"
    lines = [f"/* {_NOTE} */", f"#ifndef {guard}", f"#define {guard}", ""]
    lines += [f"#define {'BOARD_' + name:<24} {value}" for name, value in values.items()]
    return "\n".join([*lines, "", "#endif", ""])


def rendered_files(boards: dict[str, Board]) -> dict[str, str]:
    """Every file that is written from the table: path under the root -> text."""
    files = {"platformio.ini": render_platformio_ini(boards)}
    for board in boards.values():
        files[f"firmware/platform/boards/{board.name}.json"] = render_board_json(board)
        files[f"firmware/boards/{board.name}/board.h"] = render_board_header(board)
    return files


def main() -> int:
    """Rewrite the files that come from boards.toml."""
    try:
        root = project_root()
        for name, text in rendered_files(load_boards()).items():
            with replacing(root / name) as temporary:
                temporary.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote {name}", file=sys.stderr)
    except BlshError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
