"""Reads a table of boards: every field is checked, and a wrong one is named."""

import re
import tomllib
from pathlib import Path
from typing import Any

from blsh_hil.boards_model import Board, Memory, Tick, Uart
from blsh_trainer.errors import BlshError

_LEAST_RING = 1024
"""Holds the longest HOP request as it stands on the line, 529 bytes."""


_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def read_table(table: Path) -> dict[str, Board]:
    """All boards of `table` by name, in its order. Raises BlshError naming the board, the field and the value."""
    try:
        rows = tomllib.loads(table.read_text(encoding="utf-8"))
    except OSError as error:
        raise BlshError(f"cannot read {table}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BlshError(f"{table} is not a TOML file: {error}; mend the table") from error
    return {name: _board(name, _Row(f"{table.name}: [{name}]", row)) for name, row in rows.items()}


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
    board = Board(
        name=name,
        title=row.text("title"),
        core=row.text("core"),
        fpu=row.text("fpu") if row.has("fpu") else None,
        clock_hz=clock_hz,
        stack_bytes=row.integer("stack_bytes", 0x400, 0x100000),
        ring_bytes=row.integer("ring_bytes", _LEAST_RING, 0x10000),
        flash=_memory(row.row("flash")),
        ram=_memory(row.row("ram")),
        uart=_uart(row.row("uart"), clock_hz),
        tick=_tick(row.row("tick")),
        qemu_machine=_only(row.row("qemu"), "machine") if row.has("qemu") else None,
        upload_command=_only(row.row("upload"), "command") if row.has("upload") else None,
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


def _tick(row: _Row) -> Tick:
    tick = Tick(counter=row.integer("counter", 0x40000000, 0x5FFFFFFF), hz=row.integer("hz", 1000, 1_000_000_000))
    row.end()
    return tick


def _only(row: _Row, field: str) -> str:
    value = row.text(field)
    row.end()
    return value
