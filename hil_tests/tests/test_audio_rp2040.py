# SPDX-License-Identifier: Apache-2.0
"""Sound on RP2040 and RP2350: drivers on a model of the part, and I2S at the pins of a PIO played cycle by cycle."""

import ctypes
import re
import runpy
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.emit.library import LibraryModel, library_files
from blsh_codegen.project import project_root
from blsh_hil.prove.random_model import random_model

from .marks import needs_compiler
from .pio_model import I2sMicrophone
from .register_model import Driver, Registers
from .rp2_sound_model import PARTS, Rp2Sound
from .sound_driver import SoundDriver

pytestmark = [pytest.mark.heavy, pytest.mark.needs("gcc"), pytest.mark.xdist_group("audio rp2040")]

EXAMPLES = project_root() / "examples"
OWN, AUDIO = EXAMPLES / "rp2040", EXAMPLES / "audio"
IMAGE = runpy.run_path(str(OWN / "image.py"))
BLOCK, HOP, GAIN_BITS, FRAME_CYCLES = 64, 96, 2, 2 * 32 * 5
FIFO_FRAMES = 2  # of the output, behind the DMA's counter


class Sound(SoundDriver):
    """The driver of the example on a model."""

    def __init__(self, part: Rp2Sound, name: str, folder: Path) -> None:
        options = [f"-DPART_{name}", "-DRP2_READINGS=300"]
        super().__init__(None, part, folder, OWN, [OWN / "clock.c"], (BLOCK, HOP), options)
        self._library.clock_start.restype = ctypes.c_bool
        for buffer in ("sound_input", "sound_output"):
            words = np.ctypeslib.as_array((ctypes.c_uint32 * (4 * BLOCK)).in_dll(self._library, buffer))
            part.memory.append((words.ctypes.data & 0xFFFFFFFF, words))

    def start_sound(self) -> str | None:
        self._run("clock_start")
        return super().start_sound()


Made = Callable[..., tuple[Sound, Rp2Sound]]


@pytest.fixture
def sound(tmp_path: Path, rng: np.random.Generator) -> Made:
    """Return a function that makes driver and model, with a microphone that hears noise."""

    def made(name: str, **faults: bool) -> tuple[Sound, Rp2Sound]:
        samples = rng.integers(-(2**21), 2**21, 1 << 12).tolist()
        part = Rp2Sound(name, I2sMicrophone(samples, rng), **faults)
        return Sound(part, name, tmp_path), part

    return made


@pytest.mark.parametrize("name", PARTS)
def test_the_rate_is_exact(name: str, sound: Made) -> None:
    driver, part = sound(name)
    assert driver.start_sound() is None
    assert part.core_hz == 128_000_000 <= 133_000_000
    assert part[0x502000C8] & 0xFFFF == 0, "a fraction would let the bit clock jitter"
    assert part.machine_hz / FRAME_CYCLES == 16_000


@pytest.mark.parametrize("name", PARTS)
def test_pins_and_interrupts(name: str, sound: Made) -> None:
    driver, part = sound(name)
    assert driver.start_sound() is None
    of = part.part
    for pin in (16, 17, 18, 19):
        assert part[of.io + 8 * pin + 4] == 6 and part[of.pads + 4 * pin + 4] == 0x52, "PIO0, connected, no pull"
    assert part[of.io + 8 * 15 + 4] == part[of.io + 8 * 25 + 4] == 5
    assert {value for address, value in part.writes if address == of.oe_set} == {1 << 15, 1 << 25}
    assert part.machine.pin_directions == 0b111 << 17, "the microphone's data stay an input"
    assert part[0xE000E100] == 3 << of.interrupt
    driver._run("sound_trouble")
    assert part[of.out_set] == 1 << 25


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ({"crystal": False}, "clock: the crystal does not start"),
        ({"lock": False}, "clock: the PLL does not lock"),
        ({"clocked": False}, "sound: the PIO stands still"),
    ],
)
def test_what_does_not_start_is_told(faults: dict[str, bool], told: str, sound: Made) -> None:
    driver, _ = sound("RP2040", **faults)
    assert driver.start_sound() == told


@pytest.mark.parametrize(
    ("name", "late"),
    [
        ("RP2040", None),
        ("RP2350", 1),
        pytest.param("RP2350", None, marks=pytest.mark.slow),
        pytest.param("RP2040", 0, marks=pytest.mark.slow),
    ],
)
def test_what_the_microphone_hears_is_played(name: str, late: int | None, sound: Made) -> None:
    """Play ten blocks: the bits at the pins are I2S, and both channels carry the microphone's samples, none lost.

    late: the handlers come only with every second half, and find both.
    """
    driver, part = sound(name)
    assert driver.start_sound() is None
    while len(part.microphone.given) < 8 * BLOCK:
        part.run(FRAME_CYCLES // 8)  # a word takes half a frame: within it a late handler still finds its half whole
        for number, irq in enumerate(("input", "output")):
            if part.asked(number) and (late is None or part.moved[number] // (2 * BLOCK) % 2 != late):
                driver.interrupt(irq)
                assert not part.asked(number)
        driver.main_loop()
    heard = np.array(part.microphone.given) >> 24 - 16 - GAIN_BITS
    played = part.dac.frames()
    assert set(part.dac.phases[2:-1:2]) == {3} and set(part.dac.phases[3:-1:2]) == {2}, "an uneven bit clock"
    lag, latency = driver.lag_and_latency()
    assert lag + 2 * BLOCK <= latency <= lag + 2 * BLOCK + 5
    assert np.array_equal(played[:, 0], played[:, 1])
    assert not played[: latency + FIFO_FRAMES].any()
    sound_of = played[latency + FIFO_FRAMES :, 0]
    assert len(sound_of) > 2 * BLOCK and np.array_equal(sound_of, heard[: len(sound_of)])


# ---- from power-on to the program ----------------------------------------------------------------------------------


class FlashInterface(Registers):
    """The RP2040's SSI: what sets it up is refused while it is on."""

    SSI, ENABLE = 0x18000000, 0x18000008

    def written(self, address: int, before: int, value: int) -> None:
        assert address == self.ENABLE or not self[self.ENABLE], f"{address:#x} is set up while the SSI is on"


def test_the_second_stage_makes_flash_readable(tmp_path: Path) -> None:
    part = FlashInterface()
    part[part.ENABLE] = 1
    Driver(None, part, tmp_path, [OWN / "boot2.c"], [f"-I{OWN}"])._run("boot2")
    assert part[part.ENABLE] == 1
    assert part[part.SSI] == 31 << 16 | 3 << 8 and part[part.SSI + 4] == 0, "frames of 32 bits, received"
    assert part[part.SSI + 0xF4] == 0x03 << 24 | 2 << 8 | 6 << 2, "a command of 8 bits, 03h, an address of 24"
    assert part[part.SSI + 0x14] % 2 == 0 and 128e6 / part[part.SSI + 0x14] <= 50e6


def test_the_second_stage_gets_the_boot_roms_crc() -> None:
    assert IMAGE["crc32"](b"123456789") == 0x0376E6E7, "the check value of CRC-32/MPEG-2"
    checked = IMAGE["checked_boot2"](b"code")
    assert len(checked) == 256 and IMAGE["crc32"](checked[:252]) == int.from_bytes(checked[252:], "little")
    with pytest.raises(ValueError, match="253 bytes; at most 252"):
        IMAGE["checked_boot2"](bytes(253))


def uf2_content(blocks: bytes, family: int) -> bytes:
    """Return what UF2 blocks put into flash, from its start on; each block is checked."""
    content = bytearray()
    for number in range(len(blocks) // 512):
        block = blocks[512 * number : 512 * number + 512]
        head = struct.unpack("<8I", block[:32])
        assert head == (
            0x0A324655,
            0x9E5D5157,
            0x2000,
            0x10000000 + len(content),
            256,
            number,
            len(blocks) // 512,
            family,
        )
        assert block[508:] == b"\x30\x6f\xb1\x0a"
        content += block[32:288]
    return bytes(content)


@needs_compiler
@pytest.mark.parametrize("name", ["rp2040", pytest.param("rp2350", marks=pytest.mark.slow)])
def test_the_example_builds(name: str, tmp_path: Path) -> None:
    """Build it from an export alone; follow the image as boot ROM and loader do: second stage, vectors, the copy."""
    for path, content in library_files([LibraryModel(random_model(), GenerateOptions())], ["rp2040"]).items():
        (tmp_path / "blsh" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "blsh" / path).write_bytes(content)
    out = tmp_path / "out"
    example = tmp_path / "blsh" / "examples" / "rp2040"
    command = ["make", "-C", str(example), f"OUT={out}", f"PART={name}", "WERROR=-Werror"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    image, part = (out / "sound.bin").read_bytes(), PARTS[name.upper()]
    assert uf2_content((out / "sound.uf2").read_bytes(), IMAGE["FAMILIES"][name])[: len(image)] == image
    first = 0
    if name == "rp2040":
        assert IMAGE["crc32"](image[:252]) == int.from_bytes(image[252:256], "little")
        first = 256
    else:
        assert struct.pack("<5I", 0xFFFFDED3, 0x10210142, 0x1FF, 0, 0xAB123579) in image[:4096]
    stack, start = struct.unpack_from("<2I", image, first)
    symbols = elf_symbols(out / "sound.elf")
    assert stack == symbols["_estack"] == 0x20000000 + {"rp2040": 264, "rp2350": 520}[name] * 1024
    assert start == symbols["loader"] | 1 and 0x10000000 < start < 0x10001000
    copied = image[symbols["_image_load"] - 0x10000000 :][: symbols["_image_end"] - symbols["_image_start"]]
    assert symbols["_image_start"] == 0x20000000 and len(copied) == symbols["_image_end"] - 0x20000000
    vectors = np.frombuffer(copied[: 4 * (16 + part.interrupt + 2)], "<u4")
    assert vectors[0] == stack and vectors[1] == symbols["reset_handler"] | 1
    interrupts = [int(number) - 16 for number in np.flatnonzero(vectors) if number >= 15]
    assert interrupts == [part.interrupt, part.interrupt + 1]
    assert not calls_out_of_flash(out / "sound.elf"), "the loader calls what it has not copied yet"


def elf_symbols(elf: Path) -> dict[str, int]:
    lines = subprocess.run(["arm-none-eabi-nm", str(elf)], capture_output=True, text=True, check=True).stdout
    return {name: int(value, 16) for value, _, name in map(str.split, lines.splitlines())}


def calls_out_of_flash(elf: Path) -> list[str]:
    """Return the branches from the loader to other addresses than flash's."""
    command = ["arm-none-eabi-objdump", "-d", "-j", ".loader", str(elf)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"\tb\S*\t(?:r\d, )?([0-9a-f]{8}) ", lines)
    assert targets, "no branch was found"
    return [target for target in targets if not target.startswith("1000")]
