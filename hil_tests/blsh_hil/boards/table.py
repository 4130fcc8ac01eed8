# SPDX-License-Identifier: Apache-2.0
"""Read the table of boards, boards.toml: every field is checked, and an error names board, field and value."""

import re
import tomllib
from pathlib import Path
from typing import Any

from blsh_codegen.project import project_data
from blsh_hil.boards.board import (
    DWT_CYCCNT,
    Board,
    Budget,
    Clock,
    Led,
    Memory,
    Pll,
    Slots,
    Tick,
    Uart,
    Upload,
    Watchdog,
)
from blsh_trainer.errors import BlshError
from blsh_trainer.suggestions import did_you_mean

_LEAST_RING = 1024
"""The smallest receive ring. It holds the longest HOP request as it stands on the line, 533 bytes."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_USB_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_PLL_INPUT_HZ = (1_000_000, 2_000_000)
_PLL_OUTPUT_HZ = (100_000_000, 432_000_000)
_APB2_BASE = 0x40010000
"""The address at which the faster bus of an STM32F4 begins."""


def find_board(name: str) -> Board:
    """Return the board called `name`. Raises BlshError that lists the known boards."""
    boards = load_boards()
    if name not in boards:
        known = ", ".join(sorted(boards))
        if name == "host":
            raise BlshError(
                "'host' is this machine, no board with a firmware image: `blsh hil --board host` and "
                f"`blsh denoise --engine device --board host` compile it themselves; boards here: {known}"
            )
        raise BlshError(
            f"board {name!r} is unknown{did_you_mean(name, [*boards, 'host'])}; known boards: {known}, and host, this "
            "machine, for denoise and hil (blsh docs howto/new-board: add one)"
        )
    return boards[name]


def load_boards(table: Path | None = None) -> dict[str, Board]:
    """Return all boards by name, in the order of `table` (default: the project's boards.toml).

    Raises BlshError that names the board, the field, the value and what was expected.
    """
    table = table or project_data() / "boards.toml"
    try:
        rows = tomllib.loads(table.read_text(encoding="utf-8"))
    except OSError as error:
        raise BlshError(f"cannot read {table}: {error.strerror or error}; restore it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BlshError(f"{table} is not a TOML file: {error}; mend the table") from error
    return {name: _board(name, _Row(f"{table.name}: [{name}]", row)) for name, row in rows.items()}


class _Row:
    """A TOML table that gives its fields one by one; a field that was never asked for is an error at the end."""

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

    def share(self, field: str) -> float:
        value = self._take(field)
        if not isinstance(value, float) or not 0 < value <= 1:
            raise self.error(field, value, "expected a share above 0.0, at most 1.0")
        return value

    def flag(self, field: str) -> bool:
        value = self._take(field) if self.has(field) else False
        if not isinstance(value, bool):
            raise self.error(field, value, "expected true or false")
        return value

    def items(self, field: str) -> list[Any]:
        value = self._take(field)
        if not isinstance(value, list) or not value:
            raise self.error(field, value, "expected a list that is not empty")
        return value

    def where(self, field: str) -> str:
        return f"{self._where} {field}"

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
        raise BlshError(f"boards.toml: [{name}]; expected a name of small letters, digits, hyphens and underlines")
    clock_hz = row.integer("clock_hz", 1_000_000, 2_000_000_000)
    flash, ram = _memory(row.row("flash")), _memory(row.row("ram"))
    qemu_machine, proof_hz = _qemu(row.row("qemu"), clock_hz) if row.has("qemu") else (None, None)
    board = Board(
        name=name,
        title=row.text("title"),
        note=row.text("note"),
        core=row.text("core"),
        fpu=row.text("fpu") if row.has("fpu") else None,
        clock_hz=clock_hz,
        clock=_clock(row.row("clock")) if row.has("clock") else None,
        stack_bytes=row.integer("stack_bytes", 0x400, 0x100000),
        ring_bytes=row.integer("ring_bytes", _LEAST_RING, 0x10000),
        flash=flash,
        ram=ram,
        uart=_uart(row.row("uart"), clock_hz),
        watchdog=_watchdog(row.row("watchdog")) if row.has("watchdog") else None,
        tick=_tick(row.row("tick")),
        led=_led(row.row("led")) if row.has("led") else None,
        budget=_budget(row.row("budget") if row.has("budget") else None, flash, ram),
        usb=_usb(row) if row.has("usb") else (),
        qemu_machine=qemu_machine,
        proof_hz=proof_hz,
        uploads=_uploads(row) if row.has("upload") else (),
        slots=_slots(row.row("slots"), flash, ram) if row.has("slots") else None,
    )
    row.end()
    if (board.qemu_machine is None) == (not board.uploads):
        raise BlshError(f"boards.toml: [{name}]: expected either `qemu` or `upload`")
    if board.stack_bytes % 8 or board.stack_bytes > board.ram.size:
        expected = f"expected a multiple of 8, at most the RAM of {board.ram.size:#x}"
        raise row.error("stack_bytes", board.stack_bytes, expected)
    if board.ring_bytes & (board.ring_bytes - 1):
        raise row.error("ring_bytes", board.ring_bytes, "expected a power of two: the ring is indexed by masking")
    if board.clock is not None:
        _check_clock(row, board, board.clock)
    return board


def _check_clock(row: _Row, board: Board, clock: Clock) -> None:
    """Check the clocks against each other: the drivers use the figures without a check."""
    if (board.tick.counter, board.tick.hz) != (DWT_CYCCNT, board.clock_hz):
        expected = f"expected the core's cycle counter, {DWT_CYCCNT:#x} at clock_hz: clock drivers start that"
        raise row.error("tick", f"{board.tick.counter:#x} at {board.tick.hz}", expected)
    pll = clock.pll
    if pll is None:
        return
    for what, hz, (low, high) in (
        ("crystal_hz / m", pll.crystal_hz / pll.m, _PLL_INPUT_HZ),
        ("crystal_hz / m * n", pll.crystal_hz / pll.m * pll.n, _PLL_OUTPUT_HZ),
        ("crystal_hz / m * n / p", pll.crystal_hz / pll.m * pll.n / pll.p, (board.clock_hz, board.clock_hz)),
    ):
        if not low <= hz <= high:
            raise row.error(f"clock {what}", round(hz), f"expected {low} to {high}")
    divider = pll.apb2 if board.uart.base >= _APB2_BASE else pll.apb1
    if board.uart.clock_hz * divider != board.clock_hz:
        expected = f"expected clock_hz / {divider}, which the bus of {board.uart.base:#x} has"
        raise row.error("uart clock_hz", board.uart.clock_hz, expected)


def _clock(row: _Row) -> Clock:
    clock = Clock(driver=row.text("driver"), pll=_pll(row) if row.has("crystal_hz") else None)
    row.end()
    return clock


def _pll(row: _Row) -> Pll:
    pll = Pll(
        crystal_hz=row.integer("crystal_hz", 1_000_000, 50_000_000),
        bypass=row.flag("bypass"),
        m=row.integer("m", 2, 63),
        n=row.integer("n", 50, 432),
        p=row.integer("p", 2, 8),
        apb1=row.integer("apb1", 1, 16),
        apb2=row.integer("apb2", 1, 16),
        wait_states=row.integer("wait_states", 0, 15),
        voltage_scale=row.integer("voltage_scale", 1, 3),
        overdrive=row.flag("overdrive"),
    )
    if pll.p % 2:
        raise row.error("p", pll.p, "expected 2, 4, 6 or 8")
    for name, divider in (("apb1", pll.apb1), ("apb2", pll.apb2)):
        if divider & (divider - 1):
            raise row.error(name, divider, "expected 1, 2, 4, 8 or 16")
    return pll


def _led(row: _Row) -> Led:
    led = Led(pin=row.integer("pin", 0, 0xFF), active_low=row.flag("active_low"))
    row.end()
    return led


def _budget(row: _Row | None, flash: Memory, ram: Memory) -> Budget:
    if row is None:
        return Budget(None, flash.size, ram.size)
    budget = Budget(
        cpu=row.share("cpu") if row.has("cpu") else None,
        flash=row.integer("flash", 0x1000, flash.size) if row.has("flash") else flash.size,
        ram=row.integer("ram", 0x1000, ram.size) if row.has("ram") else ram.size,
    )
    row.end()
    return budget


def _usb(row: _Row) -> tuple[str, ...]:
    ids = row.items("usb")
    for each in ids:
        if not isinstance(each, str) or not _USB_ID.fullmatch(each):
            raise row.error("usb", each, 'expected vendor and product, such as "0483:374b"')
    return tuple(ids)


def _uploads(row: _Row) -> tuple[Upload, ...]:
    uploads = []
    for fields in row.items("upload"):
        each = _Row(row.where("upload"), fields)
        upload = Upload(
            method=each.text("method"),
            command=each.text("command"),
            probe=each.text("probe") if each.has("probe") else None,
        )
        each.end()
        if (upload.probe is None) != ("$PROBE" not in upload.command) or "$ID" not in (upload.probe or "$ID"):
            raise each.error("probe", upload.probe, "expected $ID in it, and $PROBE in the command; or neither field")
        uploads.append(upload)
    methods = [upload.method for upload in uploads]
    if len(set(methods)) < len(methods):
        raise row.error("upload", ", ".join(methods), "expected each method once")
    return tuple(uploads)


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
    tick = Tick(counter=row.integer("counter", 0x40000000, DWT_CYCCNT), hz=row.integer("hz", 1000, 1_000_000_000))
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


def _qemu(row: _Row, clock_hz: int) -> tuple[str, int | None]:
    machine = row.text("machine")
    proof_hz = row.integer("proof_hz", clock_hz, 2_000_000_000) if row.has("proof_hz") else None
    row.end()
    return machine, proof_hz
