# SPDX-License-Identifier: Apache-2.0
"""The real boards, checked without them: registers on a model of the part, and images by their ELF.

The images of the STM32 boards also run in the emulator, whose clocks never get ready.
"""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.project import project_root
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_firmware.build.compiler_alone import build_alone
from blsh_firmware.build.platformio import build_firmware, measure
from blsh_firmware.measure.calibration_models import untrained_model
from blsh_hil.boards.board import Board, Clock
from blsh_hil.boards.table import find_board, load_boards
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.link.board_errors import FaultError
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.compare import compare
from blsh_hil.prove.random_model import random_model
from blsh_hil.wire.codes import ResetCause

from .elf_map import check_memory_map
from .marks import needs_compiler, needs_emulator
from .register_model import Driver, Registers
from .stm32f4_model import (
    DEMCR,
    DWT_CTRL,
    FLASH_ACR,
    GPIO,
    HSI_HZ,
    IDCODE,
    PARTS,
    PREFETCH,
    RCC_CFGR,
    RCC_CR,
    READY,
    Stm32f4,
)

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("real boards")]  # one worker builds its fixtures, once

REAL = [name for name, board in load_boards().items() if board.uploads]
STM32 = list(PARTS)
READS = 100_000  # HAL_CLOCK_READINGS
NMI = 0x7104  # a code of sabotage.c
BAUD_ERROR = 0.01  # the share by which a rate may be wrong; two ends may differ by some 4 %


def stm32f4(name: str, folder: Path, stuck: str | None = None, left_on: bool = False) -> tuple[Driver, Stm32f4]:
    board = find_board(name)
    assert board.clock is not None and board.clock.pll is not None
    part = Stm32f4(PARTS[name], board.clock.pll.crystal_hz, stuck, left_on)
    return Driver(board, part, folder), part


def check_usart(part: Stm32f4, board: Board) -> None:
    """Check that the UART's rate is right for its bus, that its pins are connected, and that it sends and receives."""
    brr, cr1 = part[board.uart.base + 0x08], part[board.uart.base + 0x0C]
    assert part.bus_hz(10) / brr == pytest.approx(board.uart.baud, rel=BAUD_ERROR)
    assert cr1 == 1 << 13 | 1 << 5 | 1 << 3 | 1 << 2
    for pin in (2, 3):
        assert part[GPIO] >> 2 * pin & 3 == 2, "the pin is not the USART's"
        assert part[GPIO + 0x20] >> 4 * pin & 15 == 7, "AF7 is USART2"


# ---- STM32F4 ------------------------------------------------------------------------------------------------


def test_every_stm32_of_the_table_is_modelled() -> None:
    assert {name for name in REAL if find_board(name).uart.driver == "stm32f4"} == set(STM32)


@pytest.mark.parametrize("left_on", [False, True], ids=["after reset", "after a loader"])
@pytest.mark.parametrize("name", STM32)
def test_clock_is_brought_up_as_the_manual_says(name: str, left_on: bool, tmp_path: Path) -> None:
    driver, part = stm32f4(name, tmp_path, left_on=left_on)
    driver.start()
    board = driver.board
    assert driver.trouble is None
    assert part.core_hz == PARTS[name].core_hz == board.clock_hz
    assert driver.number("hal_core_hz") == driver.number("hal_tick_hz") == board.clock_hz
    assert part[FLASH_ACR] & 15 == PARTS[name].needed_wait_states(board.clock_hz), "more wait states than are needed"
    assert part[FLASH_ACR] >> 8 & 7 == 7, "the flash's accelerator is off"
    assert part[RCC_CR] >> 19 & 1, "nobody watches the crystal"
    assert part[DEMCR] >> 24 & 1 and part[DWT_CTRL] & 1, "the cycle counter stands still"
    check_usart(part, board)
    assert part.accesses < 1000


@pytest.mark.parametrize("stuck", READY)
@pytest.mark.parametrize("name", STM32)
def test_clock_that_does_not_get_ready_is_given_up(name: str, stuck: str, tmp_path: Path) -> None:
    driver, part = stm32f4(name, tmp_path, stuck)
    driver.start()
    if stuck.startswith("OD") and PARTS[name].core_hz <= PARTS[name].plain_hz:
        assert driver.trouble is None, "a part without over-drive does not wait for it"
        return
    expected = {
        "HSERDY": "the crystal (HSE) does not start",
        "PLLRDY": "the PLL does not lock",
        "ODRDY": "the regulator is not ready",
        "ODSWRDY": "the regulator is not ready",
        "VOSRDY": "the regulator is not ready",
        "LATENCY": "the flash does not take its wait states",
        "SWS": "the core does not switch to the PLL",
    }
    assert driver.trouble == f"clock: {expected[stuck]}"
    assert READS <= part.accesses < READS + 1000
    assert part.core_hz == HSI_HZ == driver.number("hal_core_hz") == driver.number("hal_tick_hz")
    assert part[RCC_CFGR] == 0 and not part[RCC_CR] & (1 << 24 | 1 << 16), "the PLL or the crystal is still on"
    assert part[FLASH_ACR] & 15 == 0
    check_usart(part, driver.board)


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"wait_states": 4}, "the flash is too slow"),
        ({"overdrive": False}, "over-drive is not on"),
        ({"voltage_scale": 2}, "the regulator is too weak"),
        ({"apb1": 2}, "a bus is too fast"),
        ({"apb2": 1}, "a bus is too fast"),
        ({"bypass": False}, "a crystal is not bypassed"),
    ],
)
def test_model_of_the_part_objects_to_a_wrong_table(change: dict[str, int], objection: str, tmp_path: Path) -> None:
    board = find_board("nucleo_f446re")
    assert board.clock is not None and board.clock.pll is not None
    wrong = replace(board, clock=replace(board.clock, pll=replace(board.clock.pll, **change)))
    driver = Driver(wrong, Stm32f4(PARTS[board.name], board.clock.pll.crystal_hz), tmp_path)
    with pytest.raises(AssertionError, match=objection):
        driver.start()


@pytest.mark.parametrize(("idcode", "prefetch"), [(0x10000413, False), (0x10000411, False), (0x10070413, True)])
def test_first_revision_does_without_prefetching(idcode: int, prefetch: bool, tmp_path: Path) -> None:
    driver, part = stm32f4("disco_f407vg", tmp_path)
    part[IDCODE] = idcode
    driver.start()
    assert bool(part[FLASH_ACR] & PREFETCH) == prefetch


@pytest.mark.parametrize("name", STM32)
def test_led_is_a_pin_of_its_port(name: str, tmp_path: Path) -> None:
    driver, part = stm32f4(name, tmp_path)
    driver.start()
    led = driver.board.led
    assert led is not None
    port, bit = GPIO + 0x400 * (led.pin // 16 - 0xA), led.pin % 16
    assert part[port] >> 2 * bit & 3 == 1, "no output"
    driver.led(False)
    assert part[port + 0x18] == 1 << bit + 16
    driver.led(True)
    assert part[port + 0x18] == 1 << bit


# ---- nRF52 --------------------------------------------------------------------------------------------------

HFCLKSTART, HFCLKSTARTED, ICACHECNF, APPROTECT_DISABLE = 0x40000000, 0x40000100, 0x4001E540, 0x40000558
UART0, P0, P1 = 0x40002000, 0x50000000, 0x50000300
OUTSET, OUTCLR, DIRSET, PIN_CNF = 0x508, 0x50C, 0x518, 0x700


class Nrf52(Registers):
    """Let the crystal start a few readings after it was asked to, or never."""

    def __init__(self, starts: bool = True) -> None:
        super().__init__()
        self.starts = starts

    def written(self, address: int, before: int, value: int) -> None:
        if address == HFCLKSTART and self.starts:
            self[HFCLKSTARTED] = 1


@pytest.mark.parametrize("starts", [True, False])
def test_nrf52_runs_with_its_crystal_or_says_that_it_does_not(starts: bool, tmp_path: Path) -> None:
    part = Nrf52(starts)
    driver = Driver(find_board("nrf52840_dk"), part, tmp_path)
    driver.start()
    assert driver.trouble == (None if starts else "clock: the crystal (HFXO) does not start")
    assert (part.accesses < 100) == starts and part.accesses < READS + 100
    assert driver.number("hal_core_hz") == driver.number("hal_tick_hz") == 64_000_000
    assert part[ICACHECNF] & 1, "the flash's cache is off"
    assert part[APPROTECT_DISABLE] == 0x5A, "from revision 3 on, no debugger would get in again"
    assert part[DEMCR] >> 24 & 1 and part[DWT_CTRL] & 1, "the cycle counter stands still"
    # product specification: 460 800 baud of the UART (not the UARTE) is 0x075f7000
    assert (part[UART0 + 0x524], part[UART0 + 0x500]) == (0x075F7000, 4)
    assert (part[UART0 + 0x50C], part[UART0 + 0x514]) == (6, 8)
    assert part[P0 + DIRSET] == 1 << 13, "written last: the LED's"
    assert (P0 + DIRSET, 1 << 6) in part.writes and part[P0 + PIN_CNF + 4 * 8] == 0
    driver.led(True)
    assert part[P0 + OUTCLR] == 1 << 13
    driver.led(False)
    assert part[P0 + OUTSET] == 1 << 13


def test_pins_above_31_are_those_of_the_second_port(tmp_path: Path) -> None:
    board = find_board("nrf52840_dk")
    part = Nrf52()
    part[P1 + PIN_CNF + 4 * 2] = 2  # disconnected, as after a reset
    driver = Driver(replace(board, uart=replace(board.uart, tx_pin=32 + 1, rx_pin=32 + 2)), part, tmp_path)
    driver.start()
    assert (part[UART0 + 0x50C], part[UART0 + 0x514]) == (33, 34), "the port is bit 5 of PSEL"
    assert part[P1 + OUTSET] == part[P1 + DIRSET] == 1 << 1
    assert part[P1 + PIN_CNF + 4 * 2] == 0


# ---- images -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> IntegerModel:
    return untrained_model(4, "mel", 50, 10, 128, "ibm", 0)


@pytest.fixture(scope="module", params=REAL)
def image(request: pytest.FixtureRequest, model: IntegerModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image of one board, built by the compiler alone."""
    return build_alone(find_board(request.param), model, tmp_path_factory.mktemp(request.param))


@needs_compiler
def test_image_lies_where_the_part_has_memory(image: Path) -> None:
    board = find_board(image.stem)
    check_memory_map(image, board)
    size = measure(image)
    assert 10_000 < size.flash_bytes < board.flash.size
    assert 10_000 < size.ram_bytes <= board.ram.size - board.stack_bytes
    assert set(size.sections) <= {".text", ".rodata", ".data", ".bss", ".noinit", ".ARM.exidx"}
    attributes = subprocess.run(["arm-none-eabi-readelf", "-A", image], capture_output=True, text=True).stdout
    assert "Tag_CPU_arch: v7E-M" in attributes and "Tag_ABI_VFP_args: VFP registers" in attributes


@needs_emulator
@pytest.mark.parametrize("image", STM32, indirect=True)
def test_image_starts_without_its_clock_reports_it_and_is_bit_exact(image: Path, model: IntegerModel) -> None:
    """Run the image on the emulator's STM32F405: it has the same memory and USART2, and an RCC whose bits stay 0."""
    board = find_board(image.stem)
    twin = replace(board, qemu_machine="netduinoplus2", uploads=())
    samples = edge_signal("speech_like", 6 * model.geometry.hop, np.random.default_rng(4))
    # the first serial port is USART1, ours the second
    with VirtualBoard(twin, image, extra_args=["-serial", "null"]) as virtual, BoardClient.open(virtual.url) as client:
        hello = client.require(dictionary_crc32=model.dictionary_crc32)
        assert (hello.board, hello.core_hz, hello.tick_hz) == (board.name, HSI_HZ, HSI_HZ)
        client.reset()
        client.hello()
        assert list(client.logs)[-2:] == ["blsh-mcu started", "clock: the crystal (HSE) does not start"]
        comparison = compare(client, VectorisedDenoiser(model), samples)
        assert comparison.exact, str(comparison.first)


@needs_emulator
@pytest.mark.parametrize(("name", "cause"), [("disco_f407vg", ResetCause.CLOCK), ("mps2-an386", ResetCause.WATCHDOG)])
def test_nmi_is_a_failed_crystal_where_one_is_watched(name: str, cause: ResetCause, tmp_path: Path) -> None:
    """Raise the NMI by hand: the emulator has no crystal that could fail."""
    board, model = find_board(name), random_model()
    harmful = ["-Wl,--wrap=blsh_hop", Path(__file__).with_name("sabotage.c")]
    image = build_alone(board, model, tmp_path, arguments=harmful)
    twin = board if board.qemu_machine else replace(board, qemu_machine="netduinoplus2", uploads=())
    extra = [] if board.qemu_machine else ["-serial", "null"]
    with VirtualBoard(twin, image, extra_args=extra) as virtual, BoardClient.open(virtual.url) as client:
        client.require(dictionary_crc32=model.dictionary_crc32)
        client.reset_stream()
        with pytest.raises(FaultError):
            client.hop(np.full(model.geometry.hop, NMI, np.int16))
        assert client.hello().reset_cause == cause


@needs_emulator
def test_clock_of_the_nrf52_starts_on_the_emulated_nrf51(model: IntegerModel, tmp_path: Path) -> None:
    """Use the nRF51, whose clock is ready at once and whose registers are the same."""
    board = replace(find_board("microbit"), clock=Clock("nrf52", None))
    with VirtualBoard(board, build_alone(board, model, tmp_path)) as virtual, BoardClient.open(virtual.url) as client:
        client.require(dictionary_crc32=model.dictionary_crc32)
        client.reset()
        client.hello()
        assert list(client.logs)[-1] == "blsh-mcu started"


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_platformio_builds_the_same_image_offline(
    name: str, model: IntegerModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Build with `pio run -e NAME` and the checkout's platform: its three files hold one image, at the right place."""
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # no server listens there: no registry is asked
    board = find_board(name)
    alone = build_alone(board, model, tmp_path)
    root = tmp_path / "project"
    shutil.copytree(project_root() / "firmware", root / "firmware", ignore=shutil.ignore_patterns("generated"))
    shutil.copytree(tmp_path / "firmware" / "generated", root / "firmware" / "generated")
    shutil.copy(project_root() / "platformio.ini", root)
    elf = build_firmware(board, 0x1234, log=print, root=root).elf
    check_memory_map(elf, board)
    assert measure(elf).ram_bytes == measure(alone).ram_bytes
    assert abs(measure(elf).flash_bytes - measure(alone).flash_bytes) < 64, "linked in another order"
    by_hex = tmp_path / "from_hex.bin"
    command = ["arm-none-eabi-objcopy", "-I", "ihex", "-O", "binary", elf.with_suffix(".hex"), by_hex]
    subprocess.run(command, check=True)
    assert by_hex.read_bytes() == elf.with_suffix(".bin").read_bytes()
