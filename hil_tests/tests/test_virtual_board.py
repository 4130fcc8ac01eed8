# SPDX-License-Identifier: Apache-2.0
"""Check the emulator behind a serial port: bytes, faults and resets pass, and no process outlives its use."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import serial
from elftools.elf.elffile import ELFFile

from blsh_codegen.project import project_root
from blsh_hil.boards.board import Board
from blsh_hil.boards.table import find_board, load_boards
from blsh_hil.boards.virtual import QEMU, VirtualBoard
from blsh_trainer.errors import BlshError

from .marks import needs_emulator

pytestmark = [pytest.mark.heavy, needs_emulator]

BOARD = find_board("mps2-an386")
VIRTUAL = [name for name, board in load_boards().items() if board.qemu_machine]
UNDEFINED_INSTRUCTION = 0x10000  # in CFSR, which an M0 has not
LINKS: tuple[Literal["socket", "pty"], ...] = ("socket", "pty")
DATA = bytes(1 + (index * 2654435761 >> 13) % 255 for index in range(65536))  # no zero: that is the escape
POWER_ON, SOFTWARE, FAULT = 0, 1, 2


def build_echo(board: Board, folder: Path) -> Path:
    """Build the echo application on top of the firmware's own HAL and start-up code."""
    output = folder / "echo.elf"
    source = Path(__file__).with_name("echo_main.c")
    command = board.compile_command(project_root(), output, [source])
    built = subprocess.run(command, cwd=output.parent, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return output


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_echo(BOARD, tmp_path_factory.mktemp("echo"))


@pytest.fixture(params=LINKS)
def port(elf: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    with VirtualBoard(BOARD, elf, link=request.param) as virtual, open_port(virtual) as opened:
        yield opened


def open_port(virtual: VirtualBoard) -> Any:
    """Open the board's port, and wait until it answers."""
    port = serial.serial_for_url(virtual.url, baudrate=115200, timeout=20)
    await_board(port)
    return port


def await_board(port: Any) -> None:
    """Wait until the board echoes: it may lose what is sent before its UART is on, or while it resets.

    One such loss is real in the emulator. The start of hal_cmsdk.c enables reception and then reads DATA once, so that
    QEMU looks for input. On a busy machine QEMU may deliver a byte between these two steps, and the read takes it away.
    """
    patience, port.timeout = port.timeout, 0.2
    for _ in range(100):
        port.write(b"x")
        if port.read(1):
            break
    port.timeout = patience
    port.write(b"y")
    while port.read(1) == b"x":  # the board had not lost this one, and echoes it late; the y comes behind it
        pass


def read(port: Any, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        part = port.read(min(4096, count - len(received)))
        assert part, f"only {len(received)} of {count} bytes came back"
        received += part
    return bytes(received)


def echo(port: Any, data: bytes) -> bytes:
    """Send and receive at the same time, because the echo fills both directions."""
    writer = threading.Thread(target=port.write, args=(data,))
    writer.start()
    try:
        return read(port, len(data))
    finally:
        writer.join()


def words(port: Any, command: bytes, count: int) -> list[int]:
    port.write(b"\0" + command)
    received = read(port, 4 * count)
    return [int.from_bytes(received[at : at + 4], "little") for at in range(0, len(received), 4)]


def emulators(elf: Path) -> list[int]:
    """Return the processes, of any parent, that run this very ELF file."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if arguments[0].endswith(QEMU.encode()) and os.fsencode(elf) in arguments:
            found.append(int(folder.name))
    return found


def wait_until_gone(elf: Path) -> bool:
    deadline = time.monotonic() + 60
    while emulators(elf) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not emulators(elf)


def test_64_kib_come_back_without_a_byte_lost(port: Any) -> None:
    assert echo(port, DATA) == DATA
    cause, overruns, _ = words(port, b"q", 3)
    assert (cause, overruns) == (POWER_ON, 0)


def test_input_waits_while_the_board_does_not_read(port: Any) -> None:
    burst = DATA[:20000]  # five times the receive ring
    port.write(b"\0w")
    assert echo(port, burst) == burst


@pytest.mark.parametrize("name", VIRTUAL)
def test_hal_of_every_board(name: str, tmp_path: Path) -> None:
    """Check that bytes pass even when the ring is full, and that resets and faults are reported and told apart."""
    board = find_board(name)
    burst = DATA[: 2 * board.ring_bytes]
    with VirtualBoard(board, build_echo(board, tmp_path)) as virtual, open_port(virtual) as port:
        assert words(port, b"q", 3)[:2] == [POWER_ON, 0]
        port.write(b"\0w")
        assert echo(port, burst) == burst
        earlier, later = words(port, b"t", 1)[0], words(port, b"t", 1)[0]
        assert 0 < (later - earlier) % 2**32 < 2**31, "the counter counts up"
        pc, cfsr, _ = words(port, b"u", 3)
        assert board.flash.origin < pc < board.flash.origin + 0x10000
        assert cfsr == (0 if board.core == "cortex-m0" else UNDEFINED_INSTRUCTION)
        await_board(port)
        assert words(port, b"q", 3)[0] == FAULT
        port.write(b"\0r")
        await_board(port)
        assert words(port, b"q", 3)[:2] == [SOFTWARE, 0]


def test_every_byte_value_passes(port: Any) -> None:
    assert echo(port, bytes(range(1, 256))) == bytes(range(1, 256))
    port.write(b"\0\0")
    assert read(port, 1) == b"\0"


def test_fault_is_reported_and_the_next_start_knows_of_it(port: Any) -> None:
    pc, cfsr, address = words(port, b"f", 3)
    assert 0 < pc < 0x10000
    assert cfsr == 0x8200  # BFARVALID and PRECISERR
    assert address == 0xF0000000
    await_board(port)
    assert words(port, b"q", 3)[0] == FAULT


def test_reset_is_told_from_power_on(port: Any) -> None:
    port.write(b"\0r")
    await_board(port)
    assert words(port, b"q", 3)[0] == SOFTWARE


def test_stack_mark_rises_with_use(port: Any) -> None:
    before = words(port, b"q", 3)[2]
    port.write(b"\0s")
    after = words(port, b"q", 3)[2]
    assert 0 < before < 512
    assert 32 * 256 < after < BOARD.stack_bytes


def test_port_can_be_closed_and_opened_again(elf: Path) -> None:
    for link in LINKS:
        with VirtualBoard(BOARD, elf, link=link) as virtual:
            for _ in range(3):
                with open_port(virtual) as port:
                    assert echo(port, b"again") == b"again"


def test_counting_instructions_makes_the_ticks_repeat(elf: Path) -> None:
    def ticks() -> int:
        with VirtualBoard(BOARD, elf, icount_shift=6) as virtual, open_port(virtual) as port:
            return words(port, b"m", 1)[0]

    assert abs(ticks() - ticks()) <= 1  # an instruction is 1.6 ticks, so the count may be cut either way


@pytest.mark.parametrize("link", LINKS)
def test_five_starts_and_stops_leave_no_process(elf: Path, link: Literal["socket", "pty"]) -> None:
    for _ in range(5):
        with VirtualBoard(BOARD, elf, link=link) as virtual:
            assert emulators(elf) == [virtual.process.pid]
        assert virtual.process.returncode is not None
    assert emulators(elf) == []


def test_unread_output_does_not_keep_the_emulator_alive(elf: Path) -> None:
    with VirtualBoard(BOARD, elf, link="pty") as virtual, open_port(virtual) as port:
        port.write_timeout = 1
        with pytest.raises(serial.SerialTimeoutException):
            port.write(DATA * 2)
    assert emulators(elf) == []


def test_exception_in_the_body_leaves_no_process(elf: Path) -> None:
    with pytest.raises(ZeroDivisionError), VirtualBoard(BOARD, elf):
        raise ZeroDivisionError
    assert emulators(elf) == []


def test_parent_killed_leaves_no_process(elf: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from blsh_hil.boards.table import find_board
        from blsh_hil.boards.virtual import VirtualBoard

        with VirtualBoard(find_board("mps2-an386"), Path(sys.argv[1])):
            print("running", flush=True)
            time.sleep(600)
    """)
    with subprocess.Popen([sys.executable, "-c", script, str(elf)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"running\n"
        assert len(emulators(elf)) == 1
        parent.send_signal(signal.SIGKILL)
    assert wait_until_gone(elf)


@pytest.mark.parametrize("content", [b"", b"\x7fELF" + b"\xff" * 100, b"hello" * 100])
def test_what_is_no_firmware_is_refused(tmp_path: Path, content: bytes) -> None:
    bad = tmp_path / "bad.elf"
    bad.write_bytes(content)
    with pytest.raises(BlshError, match=r"bad\.elf is not an ELF program for ARM"):
        VirtualBoard(BOARD, bad).__enter__()


@pytest.mark.parametrize("link", LINKS)
def test_emulator_that_dies_is_reported_with_its_words(
    elf: Path, tmp_path: Path, link: Literal["socket", "pty"]
) -> None:
    """Run a program without vectors: the core locks up, which ends QEMU."""
    program = bytearray(elf.read_bytes())
    with elf.open("rb") as stream:
        text = ELFFile(stream).get_section_by_name(".text")
        assert text is not None
        at = text["sh_offset"]
    program[at : at + 64] = bytes(64)
    bad = tmp_path / "bad.elf"
    bad.write_bytes(program)
    with pytest.raises(BlshError, match=r"ended with exit code -?\d+; expected (?s:.)*Lockup"):  # noqa: SIM117
        with VirtualBoard(BOARD, bad, link=link) as virtual:
            virtual.process.wait(60)
            virtual.check()
    assert emulators(bad) == []


def test_missing_firmware_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BlshError, match=r"none\.elf does not exist; build it first"):
        VirtualBoard(BOARD, tmp_path / "none.elf").__enter__()


def test_bad_argument_for_the_emulator_is_reported(elf: Path) -> None:
    with pytest.raises(BlshError, match="no-such-option"):
        VirtualBoard(BOARD, elf, extra_args=["-no-such-option"]).__enter__()


def test_missing_emulator_names_the_package(elf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BlshError, match="Debian package qemu-system-arm"):
        VirtualBoard(BOARD, elf).__enter__()
