# SPDX-License-Identifier: Apache-2.0
"""The engines as systems of an evaluation: they can be sent to a process, and remember nothing."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.pipeline.vectorised import padded_to_hops
from blsh_hil.link.client import BoardClient
from blsh_hil.wire.protocol import ATTENUATION_OF_MODEL
from blsh_tools.audio.engines import DeviceEngine, FixedEngine, FloatEngine
from blsh_tools.audio.recordings import open_recording
from blsh_tools.audio.wav_output import write_wav_blocks
from blsh_trainer.corpora.mixing import Mixture
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.evaluate import Blind
from blsh_trainer.model.artifact import load_model
from blsh_trainer.signals.audio import from_int16, read_audio, to_int16
from blsh_trainer.signals.geometry import CLASSES, RECORDER, Geometry

from .tiny_corpus import Samples


@pytest.mark.parametrize("engine", [FloatEngine, FixedEngine])
def test_an_estimate_depends_on_its_mixture_alone(
    engine: type[FloatEngine] | type[FixedEngine], model: Path, noisy: Samples, rng: np.random.Generator
) -> None:
    system = Blind(engine(load_model(model), GenerateOptions(entries=200)))
    other = 0.1 * rng.standard_normal(5000)
    silence = np.zeros_like(noisy)
    first = system.estimate(Mixture(silence, noisy, noisy))
    system.estimate(Mixture(other, other, other))
    np.testing.assert_array_equal(system.estimate(Mixture(noisy, silence, noisy)), first)
    sent = pickle.loads(pickle.dumps(system))
    np.testing.assert_array_equal(sent.estimate(Mixture(noisy, silence, noisy)), first)


# ---- recordings in pieces -----------------------------------------------------------------------------------------

Pcm = npt.NDArray[np.int16]
HOP, LAG = RECORDER.hop, RECORDER.lag


class EchoBoard:
    """A board that puts out what comes in, as late as the core does with a model of `geometry`."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry

    def reset_stream(self) -> None:
        self._late = np.zeros(self.geometry.lag, np.int16)

    def stream(self, samples: Pcm, progress: Callable[[int, int], None], attenuation: int) -> Pcm:
        assert attenuation == ATTENUATION_OF_MODEL
        heard = np.concatenate([self._late, samples])
        self._late = heard[len(samples) :]
        hops = len(samples) // self.geometry.hop
        for hop in range(hops):
            progress(hop + 1, hops)
        return heard[: len(samples)]


@pytest.mark.parametrize("geometry", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("length", [1, 255, 256, 257, 1023 * HOP + 1, 1024 * HOP, 2300 * HOP + 5])
def test_the_device_takes_and_gives_hops_as_it_goes(length: int, geometry: Geometry, rng: np.random.Generator) -> None:
    samples = rng.integers(-9000, 9000, length).astype(np.int16)
    hops = padded_to_hops(samples, geometry).reshape(-1, geometry.hop)
    taken, most_ahead, steps = 0, 0, []

    def source() -> Iterator[Pcm]:
        nonlocal taken
        for hop in hops:
            taken += 1
            yield hop

    board = cast(BoardClient, EchoBoard(geometry))
    engine = DeviceEngine(board, lambda what, done, total: steps.append((what, done, total)))
    given: list[Pcm] = []
    for piece in engine.stream(source(), len(hops), length):
        given.append(piece)
        most_ahead = max(most_ahead, taken - sum(map(len, given)) // geometry.hop)
    assert np.array_equal(np.concatenate(given), samples)
    assert most_ahead <= 1024 + geometry.lag // geometry.hop, "it holds no more than a piece"
    assert steps == [("streaming", done + 1, len(hops)) for done in range(len(hops))]


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (16_000, 2), (44_100, 1)])
def test_a_recording_in_pieces_is_the_recording(
    tmp_path: Path, rate: int, channels: int, rng: np.random.Generator
) -> None:
    path = tmp_path / "in.flac"
    soundfile.write(path, 0.1 * rng.standard_normal((300_001, channels)), rate)
    recording = open_recording(path, RECORDER)
    whole = to_int16(read_audio(path).samples)
    assert (recording.samples, recording.rate_hz, recording.channels) == (len(whole), rate, channels)
    assert np.array_equal(np.concatenate(list(recording.blocks())), whole)
    hops = list(recording.hops())
    assert np.array_equal(np.concatenate(hops), padded_to_hops(whole, RECORDER)) and len(hops) == recording.hop_count
    assert len(list(recording.blocks())) > 1 or rate != 16_000


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_a_recording_is_read_at_the_rate_of_the_model(tmp_path: Path, rate: int, rng: np.random.Generator) -> None:
    path, phone = tmp_path / "in.wav", CLASSES["phone"]
    sound = np.convolve(rng.standard_normal(rate), np.ones(40) / 400)  # a second, and what is above 4 kHz hardly counts
    soundfile.write(path, to_int16(sound), rate)
    recording = open_recording(path, phone)
    heard = from_int16(to_int16(sound))
    wanted = heard if rate == 8_000 else soxr.resample(heard, rate, 8_000, quality="VHQ")
    assert recording.samples == len(wanted) == int(len(sound) * 8_000 / rate + 0.5)
    assert np.array_equal(np.concatenate(list(recording.blocks())), to_int16(wanted))
    assert len(list(recording.hops())) == recording.hop_count == phone.hops_of(recording.samples)
    assert list(recording.remarks) == ([] if rate == 8_000 else [f"resampled from {rate} Hz to 8000 Hz"])


def test_a_wav_in_pieces_is_a_wav(tmp_path: Path, rng: np.random.Generator) -> None:
    pieces = [rng.integers(-32768, 32768, size).astype(np.int16) for size in (1, 5000, 0, 33)]
    assert write_wav_blocks(tmp_path / "a.wav", iter(pieces), 16_000) == 5034
    soundfile.write(tmp_path / "b.wav", np.concatenate(pieces), 16_000, subtype="PCM_16")
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_a_wav_whose_source_fails_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"of yesterday")

    def pieces() -> Iterator[Pcm]:
        yield np.ones(100, np.int16)
        raise BlshError("the board has gone")

    with pytest.raises(BlshError, match="has gone"):
        write_wav_blocks(tmp_path / "a.wav", pieces(), 16_000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    assert (tmp_path / "a.wav").read_bytes() == b"of yesterday"
