# SPDX-License-Identifier: Apache-2.0
"""`blsh denoise` takes every kind of recording, keeps its length and place; the board gives the integers' samples."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from blsh_codegen.emit.generate import GenerateOptions
from blsh_hil.boards.host import HostBoard, build_host
from blsh_hil.boards.table import find_board
from blsh_hil.boards.virtual import VirtualBoard
from blsh_tools.audio.engines import FixedEngine, FloatEngine
from blsh_trainer.model.artifact import Model, load_model, save_model
from blsh_trainer.signals.audio import to_int16

from .blsh_command import Blsh
from .projects import BOARD
from .tiny_corpus import Samples, speech

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="session")
def transparent_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model whose masks let everything pass: what comes out must be what went in."""
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("transparent") / "model.npz"
    masks, codes = np.ones((40, 513), dtype=np.uint8), rng.random((40, 16)) < 0.5
    weights = rng.standard_normal((16, 513)), np.zeros(16), np.ones(16)
    save_model(path, Model("transparent", "stft", 3, *weights, codes, masks, {}))
    return path


def read(path: Path) -> Samples:
    """Return the samples of a file that `blsh denoise` wrote; its format is always the same."""
    info = soundfile.info(path)
    assert (info.samplerate, info.channels, info.format, info.subtype) == (16_000, 1, "WAV", "PCM_16")
    return soundfile.read(path)[0]


def lag(reference: Samples, output: Samples) -> int:
    """Return by how many samples `output` comes late."""
    return int(np.argmax(np.correlate(output, reference, "full"))) - (len(reference) - 1)


# Each kind of file: its name, rate, channels, how soundfile writes it, and the engine that takes it.
KINDS = [
    ("mono.wav", 16_000, 1, "PCM_16", "float"),
    ("mono.flac", 16_000, 1, "PCM_16", "fixed"),
    ("deep.wav", 16_000, 1, "PCM_24", "float"),
    ("float.wav", 16_000, 1, "FLOAT", "fixed"),
    ("stereo.flac", 44_100, 2, "PCM_16", "float"),
    ("stereo.wav", 44_100, 2, "PCM_16", "fixed"),
    ("fast.flac", 48_000, 1, "PCM_24", "float"),
    ("telephone.wav", 8_000, 1, "PCM_16", "fixed"),
    ("three.ogg", 22_050, 3, "VORBIS", "float"),
]


@pytest.mark.parametrize(("name", "rate", "channels", "subtype", "engine"), KINDS, ids=[kind[0] for kind in KINDS])
def test_every_kind_of_file_keeps_its_length_and_place(
    blsh: Blsh, transparent_model: Path, name: str, rate: int, channels: int, subtype: str, engine: str
) -> None:
    seconds, exact = 0.61, rate == 16_000
    frames = round(seconds * rate) + 1
    rng = np.random.default_rng(7)
    tones = [(rng.uniform(150, 3000), rng.uniform(0, 6)) for _ in range(20)]

    def sound(samples: int, at: int) -> Samples:  # the same sound at any rate, with a swell in the middle
        time = np.arange(samples) / at
        swell = np.exp(-(((time - 0.3) / 0.1) ** 2))
        return 0.02 * swell * sum(np.sin(2 * np.pi * frequency * time + phase) for frequency, phase in tones)

    # channels that differ: only their mean is the sound
    data = sound(frames, rate)[:, None] + 0.05 * (np.arange(channels) - (channels - 1) / 2)
    soundfile.write(blsh.cwd / name, data, rate, subtype=subtype)
    arguments = ("denoise", name, "out.wav", "--model", transparent_model, "--engine", engine, "--json")
    outcome = blsh.succeed(*arguments)
    output = read(blsh.cwd / "out.wav")
    assert len(output) == (frames if exact else pytest.approx(frames * 16_000 / rate, abs=1))
    expected = sound(len(output), 16_000)
    assert lag(expected, output) == 0
    assert np.abs(output - expected).max() < (0.001 if subtype != "VORBIS" else 0.03)
    assert (f"resampled from {rate} Hz to 16000 Hz" in outcome.stderr) == (not exact)
    assert (f"{channels} channels averaged" in outcome.stderr) == (channels > 1)


def test_report_says_what_was_done(blsh: Blsh, model: Path, noisy: Samples) -> None:
    soundfile.write(blsh.cwd / "in.flac", np.stack([noisy, noisy], 1), 8_000)
    result = blsh.json("denoise", "in.flac", "deep/er/out.wav", "--model", model)
    assert result == {
        "input": "in.flac",
        "output": "deep/er/out.wav",
        "engine": "float",
        "samples": 2 * len(noisy),
        "sample_rate_hz": 16_000,
        "resampled_from_hz": 8_000,
        "channels_averaged": 2,
        "attenuation_db": None,
        "model_sha256": load_model(model).sha256,
    }
    assert len(read(blsh.cwd / "deep" / "er" / "out.wav")) == 2 * len(noisy)


@pytest.mark.parametrize("engine", ["float", "fixed"])
@pytest.mark.parametrize("samples", [1, 255, 257, 1025])
def test_recordings_of_a_few_samples_keep_their_length(
    blsh: Blsh, model: Path, noisy: Samples, samples: int, engine: str
) -> None:
    soundfile.write(blsh.cwd / "in.wav", noisy[3000 : 3000 + samples], 16_000)
    result = blsh.json("denoise", "in.wav", "out.wav", "--model", model, "--engine", engine)
    assert (result["samples"], len(read(blsh.cwd / "out.wav"))) == (samples, samples)


@pytest.mark.parametrize(("engine", "make"), [("float", FloatEngine), ("fixed", FixedEngine)])
def test_dictionary_options_are_those_of_the_firmware(
    blsh: Blsh, model: Path, noisy: Samples, engine: str, make: Callable[..., FloatEngine | FixedEngine]
) -> None:
    soundfile.write(blsh.cwd / "in.wav", noisy, 16_000)
    arguments = ("--entries", 150, "--bits", 12, "--neighbours", 3)
    blsh.succeed("denoise", "in.wav", "out.wav", "--model", model, "--engine", engine, *arguments)
    expected = make(load_model(model), GenerateOptions(entries=150, bits=12, neighbours=3)).denoise(noisy)
    assert np.array_equal(to_int16(read(blsh.cwd / "out.wav")), to_int16(expected))


def test_denoising_takes_noise_away(blsh: Blsh, model: Path) -> None:
    rng = np.random.default_rng(8)
    pause = np.zeros(8000)
    clean = np.concatenate([pause, speech(16_000, rng), pause])
    mixture = clean + 0.02 * rng.standard_normal(len(clean))
    soundfile.write(blsh.cwd / "in.wav", mixture, 16_000, subtype="FLOAT")
    blsh.succeed("denoise", "in.wav", "out.wav", "--model", model)
    output = read(blsh.cwd / "out.wav")
    assert np.sum((output - clean) ** 2) < 0.5 * np.sum((mixture - clean) ** 2)


@pytest.mark.parametrize("engine", ["float", "fixed", "device"])
def test_a_limit_leaves_noise_and_0_db_all_of_it(built: Blsh, model: Path, engine: str) -> None:
    rng = np.random.default_rng(9)
    sound = 0.02 * rng.standard_normal(24_000)
    soundfile.write(built.cwd / "in.wav", sound, 16_000)
    levels = {}
    for limit in ("0", "6", "off"):
        arguments = ("--engine", engine, "--attenuation", limit, "--board", "host")
        result = built.json("denoise", "in.wav", f"{limit}.wav", "--model", model, *arguments)
        assert result["attenuation_db"] == (None if limit == "off" else int(limit))
        levels[limit] = 20 * np.log10(np.std(read(built.cwd / f"{limit}.wav")[12_000:]) / np.std(sound[12_000:]))
    assert abs(levels["0"]) < 0.01
    assert -6.1 <= levels["6"] < -3 and levels["off"] < levels["6"] - 1
    if engine == "device":
        built.succeed("denoise", "in.wav", "fixed.wav", "--model", model, "--engine", "fixed", "--attenuation", "6")
        assert (built.cwd / "6.wav").read_bytes() == (built.cwd / "fixed.wav").read_bytes()


@pytest.mark.parametrize("limit", ["61", "12.5", "-3", "loud"])
def test_another_limit_is_refused(blsh: Blsh, model: Path, limit: str) -> None:
    (blsh.cwd / "out.wav").write_bytes(b"of yesterday")
    blsh.refuse(
        f"attenuation '{limit}'; choose a whole number of dB from 0", "denoise", "in.wav", "out.wav", "--model", model,
        f"--attenuation={limit}",
    )  # fmt: skip
    assert (blsh.cwd / "out.wav").read_bytes() == b"of yesterday"


def test_samples_beyond_full_scale_saturate(blsh: Blsh, transparent_model: Path) -> None:
    loud = 3 * np.sin(np.arange(4000) / 20)
    soundfile.write(blsh.cwd / "in.wav", loud, 16_000, subtype="FLOAT")
    for engine in ("float", "fixed"):
        blsh.succeed("denoise", "in.wav", f"{engine}.wav", "--model", transparent_model, "--engine", engine)
        output = read(blsh.cwd / f"{engine}.wav")
        assert np.abs(output[500:-500] - np.clip(loud, -1, 1)[500:-500]).max() < 0.01


def test_earlier_output_is_replaced(blsh: Blsh, model: Path, noisy: Samples) -> None:
    soundfile.write(blsh.cwd / "in.wav", noisy, 16_000)
    (blsh.cwd / "out.wav").write_bytes(b"of yesterday")
    blsh.succeed("denoise", "in.wav", "out.wav", "--model", model)
    assert len(read(blsh.cwd / "out.wav")) == len(noisy)
    assert sorted(path.name for path in blsh.cwd.iterdir()) == ["in.wav", "out.wav"]


# ---- the board ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["own", "socket", "pty", "host", "host port"])
def test_device_gives_the_samples_of_the_integers(
    built: Blsh, model: Path, noisy: Samples, link: str, emulator: None
) -> None:
    """own, host: `blsh` starts the board. Otherwise the board runs already, behind --port."""
    soundfile.write(built.cwd / "in.wav", noisy[2000:9999], 16_000)
    built.succeed("denoise", "in.wav", "fixed.wav", "--model", model, "--engine", "fixed")
    arguments = ("denoise", "in.wav", "device.wav", "--model", model, "--engine", "device")
    if link in ("own", "host"):
        result = built.json(*arguments, "--board", BOARD if link == "own" else "host")
    elif link == "host port":
        with HostBoard(build_host(root=built.project)) as board:
            result = built.json(*arguments, "--board", "host", "--port", board.url)
    else:
        elf = built.project / ".pio" / "build" / BOARD / "firmware.elf"
        with VirtualBoard(find_board(BOARD), elf, link=link) as board:  # type: ignore[arg-type]
            result = built.json(*arguments, "--port", board.url)
    assert (result["engine"], result["samples"]) == ("device", 7999)
    assert result["link"]["retries"] == 0 and result["link"]["hops_per_second"] > 0
    assert (built.cwd / "device.wav").read_bytes() == (built.cwd / "fixed.wav").read_bytes()


def test_interrupted_streaming_leaves_no_output(built: Blsh, model: Path, noisy: Samples, emulator: None) -> None:
    soundfile.write(built.cwd / "in.wav", np.tile(noisy, 100), 16_000)
    outcome = built.interrupt("streaming", "denoise", "in.wav", "out.wav", "--model", model, "--engine", "device")
    assert (outcome.code, outcome.stdout) == (130, "")
    assert "Traceback" not in outcome.stderr
    assert [path.name for path in built.cwd.iterdir()] == ["in.wav"]


def test_a_port_without_the_device_is_refused(blsh: Blsh, model: Path) -> None:
    blsh.refuse(
        "^--port COM3 is for a board, and the engine fixed uses none; add --engine device",
        *("denoise", "in.wav", "out.wav", "--model", model, "--engine", "fixed", "--port", "COM3"),
    )
