# SPDX-License-Identifier: Apache-2.0
"""Render the tables of docs/boards.md that repeat boards.toml."""

from typing import Final

from blsh_hil.boards.board import DWT_CYCCNT, Board, Clock, Memory, Uart
from blsh_hil.wire.markdown import table, with_written_part

DOCUMENT: Final = "docs/boards.md"


def rewritten(text: str, boards: dict[str, Board]) -> str:
    """Return `text` of docs/boards.md with its written part renewed."""
    virtual = [board for board in boards.values() if board.qemu_machine]
    real = [board for board in boards.values() if board.uploads]
    header = ("board", "core, clock", "flash, RAM", "UART driver, baud", "counter", "what for")
    parts = [
        "Virtual boards:",
        table(header, [_row(board) for board in virtual]),
        "Real boards, and what is on them:",
        table(header, [_row(board) for board in real]),
        table(("board", "clock tree", "TX, RX", "LED", "USB ids"), [_wiring(board) for board in real]),
        "How `blsh flash` reaches them, the first way unless `--method` names another; `--dry-run` prints the command:",
        table(("board", "methods"), [_methods(board) for board in real]),
    ]
    return with_written_part(text, parts)


def _row(board: Board) -> tuple[str, ...]:
    core = board.core.replace("cortex-m", "Cortex-M") + ("F" if board.core == "cortex-m4" else "")
    counter = "DWT, the core's" if board.tick.counter == DWT_CYCCNT else "a timer"
    return (
        f"`{board.name}`: {board.title}",
        f"{core}, {_hertz(board.clock_hz)}" + (f"; real time at {_hertz(board.proof_hz)}" if board.proof_hz else ""),
        f"{_size(board.flash)}, {_size(board.ram)}",
        f"`hal_{board.uart.driver}.c`, {board.uart.baud}",
        f"{counter}, {_hertz(board.tick.hz)}",
        board.note,
    )


def _wiring(board: Board) -> tuple[str, ...]:
    uart, led = board.uart, board.led
    return (
        f"`{board.name}`",
        _clock_tree(board.clock) if board.clock else "as it starts",
        f"{_pin(uart, uart.tx_pin)}, {_pin(uart, uart.rx_pin)}",
        f"{_pin(uart, led.pin)}, shines at {int(not led.active_low)}" if led else "none",
        ", ".join(board.usb) or "none",
    )


def _clock_tree(clock: Clock) -> str:
    pll = clock.pll
    if pll is None:
        return f"`clock_{clock.driver}.c`"
    source = "given to it" if pll.bypass else "crystal"
    return (
        f"`clock_{clock.driver}.c`: {_hertz(pll.crystal_hz)} ({source}) / {pll.m} x {pll.n} / {pll.p}; "
        f"APB1 / {pll.apb1}, APB2 / {pll.apb2}; {pll.wait_states} wait states"
        + ("; over-drive" if pll.overdrive else "")
    )


def _methods(board: Board) -> tuple[str, ...]:
    return f"`{board.name}`", ", ".join(upload.method for upload in board.uploads)


def _pin(uart: Uart, pin: int | None) -> str:
    if pin is None:
        return "fixed"
    return f"P{pin // 16:X}{pin % 16}" if uart.driver.startswith("stm32") else f"P{pin // 32}.{pin % 32:02}"


def _size(memory: Memory) -> str:
    return f"{memory.size >> 20} MiB" if memory.size % (1 << 20) == 0 else f"{memory.size >> 10} KiB"


def _hertz(hertz: int) -> str:
    return f"{hertz / 1e6:g} MHz"
