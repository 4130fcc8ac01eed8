# SPDX-License-Identifier: Apache-2.0
"""Sound on the nRF52840: its driver on a model of PDM and I2S by the Product Specification (v1.7, 6.10 and 6.15)."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.emit.library import LibraryModel, library_files
from blsh_codegen.project import project_root
from blsh_hil.boards.table import find_board
from blsh_hil.prove.random_model import random_model

from .marks import needs_compiler
from .register_model import Registers
from .sound_driver import SoundDriver

pytestmark = [pytest.mark.heavy, pytest.mark.needs("gcc"), pytest.mark.xdist_group("audio nrf52")]

EXAMPLES = project_root() / "examples"
OWN, AUDIO = EXAMPLES / "nrf52840-dk", EXAMPLES / "audio"
BLOCK, HOP = 64, 96
HFCLKSTART, HFCLKSTARTED = 0x40000000, 0x40000100
PDM, I2S, P0 = 0x4001D000, 0x40025000, 0x50000000
STARTED, END, TXPTRUPD = PDM + 0x100, PDM + 0x108, I2S + 0x114
MASTER_CLOCKS = {0x08400000: 32e6 / 31}  # of PDMCLKCTRL and of MCKFREQ
PDM_RATIOS, I2S_RATIOS = {0: 64, 1: 80}, {0: 32, 1: 48, 2: 64, 3: 96, 4: 128}
TASKS = (PDM, I2S)
STATIC = {PDM: range(0x504, 0x548), I2S: range(0x504, 0x574)}  # what stands before the part is enabled


class Nrf52Sound(Registers):
    """Start the crystal when asked to, or never; run PDM and I2S once they are enabled and started."""

    def __init__(self, crystal: bool = True) -> None:
        super().__init__()
        self.crystal = crystal
        self.started: list[int] = []
        self.next_pointer: dict[int, int] = {}

    def written(self, address: int, before: int, value: int) -> None:
        if address == HFCLKSTART and self.crystal:
            self[HFCLKSTARTED] = 1
        for base, registers in STATIC.items():
            changed = address - base in registers and address != I2S + 0x540
            assert not (changed and self[base + 0x500]), f"{address:#x} was set up while its part was on"
        if address in TASKS:
            assert self[address + 0x500] == 1, "a part was started that is off"
            self.started.append(address)
            self[address] = 0


class Sound(SoundDriver):
    """The driver of the example on a model."""

    def __init__(self, part: Nrf52Sound, folder: Path) -> None:
        clock = project_root() / "firmware" / "hal" / "clock_nrf52.c"
        super().__init__(find_board("nrf52840_dk"), part, folder, OWN, [clock], (BLOCK, HOP))

    def halves(self, name: str, *shape: int) -> np.ndarray:
        return np.ctypeslib.as_array((ctypes.c_int16 * int(np.prod(shape))).in_dll(self._library, name)).reshape(shape)

    def address(self, half: np.ndarray) -> int:
        """Return a half's address as a register of 32 bits holds it."""
        return half.ctypes.data & 0xFFFFFFFF


@pytest.fixture
def driver(tmp_path: Path) -> Sound:
    return Sound(Nrf52Sound(), tmp_path)


def test_microphone_and_amplifier_have_one_rate(driver: Sound) -> None:
    assert driver.start_sound() is None
    part = driver.registers
    bits = MASTER_CLOCKS[part[PDM + 0x504]]
    assert 1e6 <= bits <= 3.25e6, "the microphone's clock"
    rate = bits / PDM_RATIOS[part[PDM + 0x520]]
    assert rate == MASTER_CLOCKS[part[I2S + 0x514]] / I2S_RATIOS[part[I2S + 0x518]]
    assert rate == pytest.approx(16_000, rel=0.01)
    assert I2S_RATIOS[part[I2S + 0x518]] % (2 * 16) == 0, "MCK / LRCK is a multiple of both samples' bits"
    assert (part[I2S + 0x50C], part[I2S + 0x510], part[I2S + 0x51C]) == (1, 1, 1)
    assert (part[PDM + 0x564], part[I2S + 0x550]) == (BLOCK, BLOCK)
    assert (part[PDM + 0x304], part[I2S + 0x304]) == (0b101, 1 << 5)
    assert (part[0xE000E100], part[0xE000E104]) == (1 << 29, 1 << 5)
    assert driver.registers.started == [PDM, I2S]  # type: ignore[attr-defined]


def test_pins_are_connected(driver: Sound) -> None:
    assert driver.start_sound() is None
    part = driver.registers
    pins = [part[PDM + 0x540], part[PDM + 0x544], part[I2S + 0x564], part[I2S + 0x568], part[I2S + 0x570]]
    assert pins == [30, 31, 45, 46, 47]
    assert (P0 + 0x300 + 0x518, 1 << 15) in part.writes and (P0 + 0x518, 1 << 30) in part.writes


def test_a_crystal_that_is_missing_is_told(tmp_path: Path) -> None:
    driver = Sound(Nrf52Sound(crystal=False), tmp_path)
    told = driver.start_sound()
    assert told is not None and told.startswith("clock: ")
    assert driver.registers.started == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("together", [False, True], ids=["an event each", "both events at once"])
def test_samples_go_through_the_halves_in_turn(together: bool, driver: Sound, rng: np.random.Generator) -> None:
    """Play EasyDMA for 30 blocks: it takes the address that the pointer has when a half begins."""
    assert driver.start_sound() is None
    part = driver.registers
    microphone, amplifier = driver.halves("sound_input", 2, BLOCK), driver.halves("sound_output", 2, BLOCK, 2)
    into = {driver.address(half): half for half in microphone}
    out_of = {driver.address(half): half for half in amplifier}
    samples = rng.integers(-(2**15), 2**15, (30, BLOCK)).astype(np.int16)
    filled, heard = into[part[PDM + 0x560]], out_of[part[I2S + 0x540]]
    part[STARTED] = part[TXPTRUPD] = 1
    driver.interrupt("pdm")
    driver.interrupt("i2s")
    played = []
    for block in samples:
        filled[:] = block
        played.append(heard.copy())
        part[END] = 1
        if not together:
            driver.interrupt("pdm")
        filled, heard = into[part[PDM + 0x560]], out_of[part[I2S + 0x540]]
        part[STARTED] = part[TXPTRUPD] = 1
        driver.interrupt("pdm")
        driver.interrupt("i2s")
        assert not part[END] and not part[STARTED] and not part[TXPTRUPD]
        driver.main_loop()
    output, (lag, latency) = np.concatenate(played), driver.lag_and_latency()
    assert latency == lag + 2 * BLOCK
    assert np.array_equal(output[:, 0], output[:, 1])
    assert not output[:latency].any()
    assert np.array_equal(output[latency:, 0], samples.ravel()[: len(output) - latency])


@needs_compiler
@pytest.mark.slow
def test_the_example_builds(tmp_path: Path) -> None:
    for path, content in library_files([LibraryModel(random_model(), GenerateOptions())]).items():
        (tmp_path / "blsh" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "blsh" / path).write_bytes(content)
    command = ["make", "-C", str(OWN), f"BLSH={tmp_path / 'blsh'}", f"OUT={tmp_path / 'out'}", "WERROR=-Werror"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    image = np.frombuffer((tmp_path / "out" / "sound.bin").read_bytes()[: 4 * 54], "<u4")
    assert image[0] == 0x20040000
    assert [int(number) - 16 for number in np.flatnonzero(image) if number >= 15] == [29, 37]
