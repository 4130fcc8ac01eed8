# SPDX-License-Identifier: Apache-2.0
"""Sound on the STM32F4DISCOVERY: registers on a model of part and DAC, and the whole program in the emulator."""

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.emit.library import LibraryModel, library_files
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.project import project_root
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_hil.boards.table import find_board
from blsh_hil.prove.random_model import random_model
from blsh_trainer.signals.geometry import CLASSES

from .marks import needs_compiler, needs_emulator
from .pdm_model import RATE, as_words, modulated
from .pdm_model import model as decimate
from .register_model import Driver
from .stm32f4_sound_model import HISR, LISR, REQUIRED, SPI2, SPI3, SoundPart

pytestmark = [pytest.mark.heavy, pytest.mark.needs("gcc"), pytest.mark.xdist_group("audio stm32f4")]

EXAMPLES = project_root() / "examples"
OWN, AUDIO = EXAMPLES / "stm32f4-discovery", EXAMPLES / "audio"
SOURCES = [OWN / "sound.c", OWN / "codec.c", AUDIO / "audio_stream.c", AUDIO / "pdm.c"]
BOARD = "disco_f407vg"
BLOCK, RATIO, GAIN = 64, 64, 4  # of sound_config.h
WORDS = BLOCK * RATIO // 16
MOST_OFF = 50e-6  # of the rate


class Shape(ctypes.Structure):
    """audio_shape_t."""

    _fields_ = (("block", ctypes.c_uint32), ("hop", ctypes.c_uint32), ("work", ctypes.c_uint32))


class Sound(Driver):
    """The drivers of the example on a model."""

    def __init__(self, part: SoundPart, folder: Path, hop: int = 96) -> None:
        sources = [*SOURCES, project_root() / "firmware" / "hal" / "clock_stm32f4.c"]
        options = [f"-I{OWN}", f"-I{AUDIO}", "-DSTM32F4_READINGS=5000u"]  # each is a call from C to Python
        super().__init__(find_board(BOARD), part, folder, sources, options)
        self.audio = ctypes.create_string_buffer(1 << 15)
        self.hop = (ctypes.c_int16 * hop)()
        self._library.audio_init.restype = self._library.audio_take_hop.restype = ctypes.c_bool
        self._library.sound_start.restype = ctypes.c_char_p
        assert self._library.audio_init(self.audio, ctypes.byref(Shape(BLOCK, hop, 0)))

    def start_sound(self) -> str | None:
        self._run("sound_init")
        text: bytes | None = self._library.sound_start(self.audio)
        self._settle()
        return None if text is None else text.decode()

    def array(self, name: str, kind: type[ctypes.c_uint16] | type[ctypes.c_int16], count: int) -> np.ndarray:
        return np.ctypeslib.as_array((kind * count).in_dll(self._library, name))

    def interrupt(self, number: int) -> None:
        self._run(f"dma1_stream{number}_irq")

    def main_loop(self) -> None:
        while self._library.audio_take_hop(self.audio, self.hop):
            self._library.audio_give_hop(self.audio, self.hop)

    def latency(self) -> int:
        return int(self._library.audio_latency(self.audio))

    def lag(self) -> int:
        return int(self._library.audio_lag(self.audio))


def sound(folder: Path, **faults: object) -> tuple[Sound, SoundPart]:
    board = find_board(BOARD)
    assert board.clock is not None and board.clock.pll is not None
    part = SoundPart(board.clock.pll.crystal_hz, **faults)  # type: ignore[arg-type]
    return Sound(part, folder), part


def test_microphone_and_dac_are_set_up_as_the_manuals_say(tmp_path: Path) -> None:
    driver, part = sound(tmp_path)
    assert driver.start_sound() is None
    assert part.clock_of_i2s() / (256 * part.divider(SPI3)) == pytest.approx(RATE, rel=MOST_OFF)
    assert part.clock_of_i2s() / part.divider(SPI2) / RATIO == part.clock_of_i2s() / (256 * part.divider(SPI3))
    assert part[SPI2 + 0x1C] & 0xF07 == 0xF00, "I2S2 is no master receiver of 16 bits"
    assert part[SPI3 + 0x1C] & 0xF37 == 0xE00, "I2S3 is no master transmitter of 16 bits in the format of Philips"
    for pin, function in ((0xBA, 5), (0xC3, 5), (0xA4, 6), (0xC7, 6), (0xCA, 6), (0xCC, 6)):
        assert part.pin(pin) == (2, function)
    assert part.microphone.words == 2 * WORDS and part.dac.words == 4 * BLOCK
    for stream in (part.microphone, part.dac):
        assert part[stream.base] & 0b11001 == 0b11001, "halves are not reported"
    assert part[0xE000E100] == 1 << 14 | 1 << 16
    assert part.codec[0x02] == 0x9E and part.codec[0x04] == 0xAF and part.codec[0x06] == 0x04
    assert part.codec_writes[-1] == (0x02, 0x9E) and part.codec_writes[-6:-1] == REQUIRED


def test_the_dac_is_filled_right_after_the_microphones_first_block(tmp_path: Path) -> None:
    """The input starts at most four samples before a half of the output, which is the first to be told of."""
    driver, part = sound(tmp_path)
    assert driver.start_sound() is None
    into_half = part.dac.moved % (2 * BLOCK) / 2
    of_first_block = part.microphone.moved / (RATIO / 16)
    assert 0 <= of_first_block - into_half <= 4
    assert not part[HISR] and not part[LISR], "a half of before would be taken for a new one"


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ({"codec": 0}, "codec: no CS43L22 answers on I2C1"),
        ({"codec": 3}, "codec: the CS43L22 stops answering"),
        ({"codec": 10}, "codec: the CS43L22 stops answering"),
        ({"pll_locks": False}, "sound: the PLL of I2S does not lock"),
        ({"still": True}, "sound: the DMA of I2S3 stands still"),
    ],
)
def test_what_does_not_start_is_told(faults: dict[str, int], told: str, tmp_path: Path) -> None:
    driver, _ = sound(tmp_path, **faults)
    assert driver.start_sound() == told


def test_a_crystal_that_is_missing_is_told(tmp_path: Path) -> None:
    driver, part = sound(tmp_path)
    part.stuck = "HSERDY"
    assert driver.start_sound() == "clock: the crystal (HSE) does not start"


@pytest.mark.parametrize("late", [None, 0, 1], ids=["in time", "late for the first half", "late for the second"])
def test_bits_go_in_and_both_channels_come_out(late: int | None, tmp_path: Path, rng: np.random.Generator) -> None:
    """Play the DMA for 40 blocks, in time or with the handlers called for every second half: they find both flags."""
    driver, part = sound(tmp_path)
    assert driver.start_sound() is None
    bits = rng.integers(0, 2, 40 * BLOCK * RATIO).astype(np.uint8)
    microphone = driver.array("sound_bits", ctypes.c_uint16, 2 * WORDS).reshape(2, WORDS)
    dac = driver.array("sound_samples", ctypes.c_int16, 4 * BLOCK).reshape(2, BLOCK, 2)
    played = []
    for block, words in enumerate(as_words(bits).reshape(-1, WORDS)):
        microphone[block % 2] = words
        played.append(dac[block % 2].copy())
        for stream in (part.microphone, part.dac):
            part[stream.flags] |= stream.full if block % 2 else stream.half
            stream.step, stream.moved = 0, (block + 1) * stream.words // 2
        if late is None or block % 2 != late:
            driver.interrupt(3)
            driver.interrupt(5)
            assert not part[LISR] and not part[HISR]
        driver.main_loop()
    output, latency = np.concatenate(played), driver.latency()
    assert np.array_equal(output[:, 0], output[:, 1])
    assert latency == driver.lag() + 2 * BLOCK
    assert np.array_equal(output[latency:, 0], decimate(bits, RATIO, GAIN)[: len(output) - latency])
    assert not output[:latency].any()


# ---- the program ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that exports a model and makes a target of the example's Makefile with it."""
    root = tmp_path_factory.mktemp("example")

    def made(target: str, geometry: str) -> Path:
        folder = root / geometry
        for path, content in library_files(
            [LibraryModel(random_model(geometry=CLASSES[geometry]), GenerateOptions())]
        ).items():
            (folder / "blsh" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "blsh" / path).write_bytes(content)
        command = ["make", "-C", str(OWN), f"BLSH={folder / 'blsh'}", f"OUT={folder / 'out'}", "WERROR=-Werror", target]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return folder / "out"

    return made


@needs_compiler
def test_the_example_builds_for_the_board(build: Callable[..., Path]) -> None:
    out = build("all", "recorder")
    image = (out / "sound.bin").read_bytes()
    stack, start = np.frombuffer(image[:8], "<u4")
    assert stack == 0x20020000 and start % 2 == 1
    vectors = np.frombuffer(image[: 4 * 33], "<u4")
    assert [int(number) - 16 for number in np.flatnonzero(vectors) if number >= 15] == [14, 16]


@needs_emulator
@pytest.mark.parametrize("geometry", ["recorder", pytest.param("hearing", marks=pytest.mark.slow)])
def test_the_program_denoises_its_microphones_bits(
    geometry: str, build: Callable[..., Path], tmp_path: Path, rng: np.random.Generator
) -> None:
    """Bits in, both channels out: what is heard is the reference's output, as late as the program itself reports."""
    model = random_model(geometry=CLASSES[geometry])
    out = build("emulated", geometry)
    samples = edge_signal("speech_like", RATE // 2, rng) / 2**17
    bits = modulated(np.repeat(samples, RATIO), rng)[: len(samples) // BLOCK * BLOCK * RATIO]
    as_words(bits).astype("<u2").tofile(tmp_path / "sound.pdm")
    command = ["qemu-system-arm", "-M", "netduinoplus2", "-display", "none", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native", "-icount", "shift=3", "-kernel"]
    command.append(str(out / "emulated.elf"))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told = {words[0]: int(words[1]) for words in map(str.split, done.stderr.splitlines())}
    assert told["lost"] == told["skipped"] == told["underruns"] == 0
    assert told["latency"] == told["lag"] + 2 * BLOCK
    left, right = np.fromfile(tmp_path / "sound.raw", "<i2").reshape(-1, 2).T
    assert np.array_equal(left, right)
    pcm = decimate(bits, RATIO, GAIN)
    hops = pcm[: told["hops"] * model.geometry.hop]
    heard = left[told["latency"] :][: len(hops)]
    assert len(heard) > len(pcm) // 2 and np.count_nonzero(heard) > len(heard) // 2
    assert np.array_equal(heard, VectorisedDenoiser(model).hops(hops)[: len(heard)])
    assert not left[: told["latency"]].any()
