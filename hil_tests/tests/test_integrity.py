# SPDX-License-Identifier: Apache-2.0
"""Check what a board does about its own damage: it says so, and passes audio through unprocessed."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_firmware.build.compiler_alone import build_alone
from blsh_hil.boards.board import Board
from blsh_hil.boards.table import find_board
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.link.board_errors import FaultError, IntegrityError
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.random_model import random_model
from blsh_hil.wire.codes import FaultReason, Integrity, ResetCause
from blsh_hil.wire.messages import HelloReply

from .marks import needs_emulator

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.xdist_group("integrity"),  # one worker builds its fixtures, once
    needs_emulator,
]

MODEL = random_model()
HOP, LAG = MODEL.geometry.hop, MODEL.geometry.lag
OVERFLOW, FAULT, HANG = 0x7101, 0x7102, 0x7103  # codes of sabotage.c
WATCHDOG_MS = 700
OTHERS = tuple(pytest.param(name, marks=pytest.mark.slow) for name in ("mps2-an505", "mps3-an547"))
ALL = ("microbit", "mps2-an386", pytest.param("netduinoplus2", marks=pytest.mark.slow), *OTHERS)
WATCHED = ("mps2-an386", *OTHERS)
UNDEFINED_INSTRUCTION = 0x10000  # in CFSR, which an M0 has not


@dataclass(frozen=True)
class Sabotaged:
    """Firmware in which a hop can do harm."""

    board: Board
    elf: Path

    def symbol(self, name: str) -> int:
        """Return the address of a symbol."""
        with self.elf.open("rb") as stream:
            table = ELFFile(stream).get_section_by_name(".symtab")
            assert table is not None
            return int(table.get_symbol_by_name(name)[0]["st_value"])


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Sabotaged]:
    arguments = ["-Wl,--wrap=blsh_hop", f"-DHAL_WATCHDOG_MS={WATCHDOG_MS}u", Path(__file__).with_name("sabotage.c")]

    @cache
    def sabotaged(name: str) -> Sabotaged:
        board = find_board(name)
        return Sabotaged(board, build_alone(board, MODEL, tmp_path_factory.mktemp(name), arguments=arguments))

    return sabotaged


@pytest.fixture(params=ALL)
def firmware(request: pytest.FixtureRequest, build: Callable[[str], Sabotaged]) -> Sabotaged:
    return build(request.param)


@contextmanager
def running(firmware: Sabotaged, *extra: str) -> Iterator[BoardClient]:
    with VirtualBoard(firmware.board, firmware.elf, extra_args=extra) as virtual:
        with BoardClient.open(virtual.url) as client:
            client.require(dictionary_crc32=MODEL.dictionary_crc32)
            yield client
        virtual.check()


def noise(hops: int) -> np.ndarray:
    return np.random.default_rng(hops).integers(-9000, 9000, hops * HOP).astype(np.int16)


def harm(kind: int) -> np.ndarray:
    return np.full(HOP, kind, np.int16)


def is_denoised(client: BoardClient) -> bool:
    samples = noise(5)
    client.reset_stream()
    return np.array_equal(client.stream(samples), VectorisedDenoiser(MODEL).hops(samples))


def is_passed_through(client: BoardClient) -> bool:
    samples = noise(6)
    client.reset_stream()
    return np.array_equal(client.stream(samples)[LAG:], samples[:-LAG])


# ---- the stack ----------------------------------------------------------------------------------------------


def test_overflowed_stack_is_noticed_and_audio_passes(firmware: Sabotaged) -> None:
    with running(firmware) as client:
        assert is_denoised(client)
        assert client.hello().stack_bytes_used < firmware.board.stack_bytes
        client.accept_unprocessed = True
        before, after = noise(4), noise(5)
        client.reset_stream()
        client.stream(before)
        struck = client.hop(harm(OVERFLOW))
        assert struck.integrity == Integrity.STACK
        assert not struck.samples.any(), "what was computed is not to be trusted"
        said = np.concatenate([before[-LAG + HOP :], harm(OVERFLOW), after])
        assert np.array_equal(client.stream(after), said[: len(after)]), "the same 768 samples late as before"
        hello = client.hello()
        assert (hello.integrity, hello.stack_bytes_used) == (Integrity.STACK, firmware.board.stack_bytes)
        assert client.check().integrity == Integrity.STACK
        client.accept_unprocessed = False
        client.reset_stream()
        with pytest.raises(IntegrityError, match="the stack overflowed: its guard words were overwritten"):
            client.stream(after)
        client.reset()
        assert client.hello().integrity == 0
        assert is_denoised(client)


# ---- faults and the watchdog --------------------------------------------------------------------------------


def after_fault(client: BoardClient, kind: int) -> tuple[FaultError, HelloReply]:
    client.reset_stream()
    client.hop(noise(1))
    with pytest.raises(FaultError) as fault:
        client.hop(harm(kind))
    hello = client.hello()
    assert client.counts.restarts == 1, "the nonce tells"
    assert client.counts.retries == 0, "a fault is an answer"
    assert is_denoised(client)
    return fault.value, hello


def test_fault_in_a_hop_is_reported_with_its_registers(firmware: Sabotaged) -> None:
    with running(firmware) as client:
        error, hello = after_fault(client, FAULT)
    assert error.fault.reason == FaultReason.FAULT
    place = error.fault.registers[6] - (firmware.symbol("__wrap_blsh_hop") & ~1)
    assert 0 <= place < 200, "the pc lies in the function"
    assert error.fault.cfsr == (0 if firmware.board.core == "cortex-m0" else UNDEFINED_INSTRUCTION)
    assert (hello.reset_cause, hello.integrity) == (ResetCause.FAULT, 0)


@pytest.mark.parametrize("firmware", WATCHED, indirect=True)
def test_hop_that_never_ends_is_ended_by_the_watchdog(firmware: Sabotaged) -> None:
    with running(firmware) as client:
        error, hello = after_fault(client, HANG)
    assert "watchdog found it at work on one request for too long" in str(error)
    assert error.fault.reason == FaultReason.WATCHDOG
    assert 0 <= error.fault.registers[6] - (firmware.symbol("hang") & ~1) < 20, "where it hung"
    assert hello.reset_cause == ResetCause.WATCHDOG


def test_watchdog_leaves_a_board_in_peace_that_waits_for_its_host(firmware: Sabotaged) -> None:
    with running(firmware) as client:
        before = client.hello()
        client.reset_stream()
        client.hop(noise(1))
        time.sleep(3 * WATCHDOG_MS / 1000)
        after = client.hello()
        assert (after.boot_nonce, after.reset_cause) == (before.boot_nonce, ResetCause.POWER_ON)
        client.hop(noise(1))


NRF51_WDT = {  # CONFIG, CRV, RREN, START; RR[0]
    0x1050C: 0,
    0x10504: 32768 * WATCHDOG_MS // 1000,
    0x10508: 1,
    0x10000: 1,
    0x10600: 0x6E524635,
}
# QEMU has another name for the place.
STM32_IWDG = {4: 6, 8: WATCHDOG_MS * 125 // 1000, 0: 0xAAAA}  # PR, RLR; KR: the last of start, unlock and feed


@pytest.mark.parametrize(
    ("firmware", "region", "writes"),
    [("microbit", "nrf51_soc.io", NRF51_WDT), ("netduinoplus2", "I2S2ext", STM32_IWDG)],
    indirect=["firmware"],
)
def test_watchdog_that_is_not_modelled_gets_the_register_writes_of_its_manual(
    firmware: Sabotaged, region: str, writes: dict[int, int], tmp_path: Path
) -> None:
    """Show what can be shown without the part: QEMU logs what is written where it models nothing."""
    log = tmp_path / "unimplemented.log"
    with running(firmware, "-d", "unimp", "-D", str(log)) as client:
        client.check()
    found: dict[int, int] = {}
    for line in log.read_text().splitlines():
        if line.startswith(f"{region}: unimplemented device write"):
            words = line.replace(",", " ").replace(")", " ").split()
            found[int(words[words.index("offset") + 1], 16)] = int(words[words.index("value") + 1], 16)
    assert {place: found.get(place) for place in writes} == writes


# ---- the dictionary -----------------------------------------------------------------------------------------


class Debugger:
    """The part of GDB's remote protocol that changes a running board's memory."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(str(path))  # stops the core
        self._stream = self._socket.makefile("rwb", buffering=0)

    def ask(self, packet: str) -> str:
        self._stream.write(f"${packet}#{sum(packet.encode()) % 256:02x}".encode())
        while (answer := self._packet()).startswith("T"):  # it has stopped: said once, at any time
            pass
        return answer

    def _packet(self) -> str:
        while (found := self._stream.read(1)) != b"$":
            assert found, "the emulator hung up"
        answer = b""
        while (found := self._stream.read(1)) != b"#":
            answer += found or b""
        self._stream.read(2)
        self._stream.write(b"+")
        return answer.decode()

    def flip(self, address: int, bit: int) -> None:
        byte = int(self.ask(f"m{address:x},1"), 16)
        assert self.ask(f"M{address:x},1:{byte ^ 1 << bit:02x}") == "OK"
        assert int(self.ask(f"m{address:x},1"), 16) == byte ^ 1 << bit

    def leave(self) -> None:
        """Let the core go on."""
        self.ask("D")
        self._socket.close()


def test_flipped_bit_of_the_dictionary_is_found_on_demand(
    firmware: Sabotaged, rng: np.random.Generator, tmp_path: Path
) -> None:
    gdb = tmp_path / "gdb"
    tables = [firmware.symbol(name) for name in ("blsh_dictionary_planes", "blsh_dictionary_masks")]
    with running(firmware, "-gdb", f"unix:{gdb},server=on,wait=off") as client:
        assert is_denoised(client)
        for table in tables:
            address, bit = table + int(rng.integers(100)), int(rng.integers(8))
            debugger = Debugger(gdb)
            debugger.flip(address, bit)
            debugger.leave()
            checked = client.check()
            assert checked.integrity == client.hello().integrity == Integrity.DICTIONARY
            assert checked.dictionary_crc32_now == client.hello().dictionary_crc32_now != MODEL.dictionary_crc32
            client.reset_stream()
            with pytest.raises(IntegrityError, match="the dictionary's CRC is not the generated one"):
                client.hop(noise(1))
            client.accept_unprocessed = True
            assert is_passed_through(client)
            client.accept_unprocessed = False
            debugger = Debugger(gdb)
            debugger.flip(address, bit)
            debugger.leave()
            assert client.check().integrity == 0
            assert is_denoised(client)


def test_flipped_bit_of_the_dictionary_is_found_at_boot(firmware: Sabotaged, tmp_path: Path) -> None:
    with firmware.elf.open("rb") as stream:
        segment = next(each for each in ELFFile(stream).iter_segments("PT_LOAD") if each["p_filesz"])
        table = firmware.symbol("blsh_dictionary_masks")
        place = segment["p_offset"] + table - segment["p_vaddr"] + 5
    image = bytearray(firmware.elf.read_bytes())
    image[place] ^= 0x10
    bad = tmp_path / "bad.elf"
    bad.write_bytes(image)
    with VirtualBoard(firmware.board, bad) as virtual, BoardClient.open(virtual.url, accept_unprocessed=True) as client:
        hello = client.hello()
        assert hello.integrity == Integrity.DICTIONARY
        assert hello.dictionary_crc32 == MODEL.dictionary_crc32 != hello.dictionary_crc32_now
        assert is_passed_through(client)
