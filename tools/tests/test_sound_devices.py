# SPDX-License-Identifier: Apache-2.0
"""Microphones and loudspeakers of `blsh live`, by a stand-in for the package sounddevice."""

import json
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from blsh_tools.audio import sound_device as sound
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import CLASSES, RECORDER, Geometry

from .blsh_command import Blsh
from .live_runs import hops_said, lay, live, wav
from .tiny_corpus import Samples

HOP, LAG = RECORDER.hop, RECORDER.lag
pytestmark = pytest.mark.heavy

FAKE_SOUNDDEVICE = '''
"""Sound devices without sound: a microphone that hears a ramp, a loudspeaker that keeps what it is given."""
import threading
import time

import numpy as np


class PortAudioError(Exception):
    pass


class Moments:
    inputBufferAdcTime = outputBufferDacTime = currentTime = 0.0


class Stream:
    latency = 0.01
    pause = 0.0  # at least so long between two blocks

    def __init__(self, samplerate, blocksize, channels, dtype, latency, device, callback):
        assert (samplerate, blocksize, channels, dtype) == (16000, 256, 1, "int16")
        if device == "broken":
            raise PortAudioError("Invalid sample rate")
        if device == "nosuch":
            raise ValueError("No input device matching 'nosuch'")
        self.callback, self.active, self.thread = callback, False, threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.active = True
        self.thread.start()

    def stop(self):
        self.active = False
        self.thread.join()

    def close(self):
        pass

    def run(self):
        begin, blocks = time.monotonic(), 0
        while self.active:
            blocks += 1
            time.sleep(max(self.pause, begin + blocks * 0.016 - time.monotonic()))
            self.block(blocks - 1)


class InputStream(Stream):
    pause = 0.03  # no speech is lost on a busy machine: never a burst, and half a second until the backlog is full

    def block(self, number):
        samples = (1000 * np.sin(np.arange(256 * number, 256 * number + 256) / 7)).astype(np.int16)
        self.callback(samples[:, None], 256, Moments, None)


class OutputStream(Stream):
    def block(self, number):
        data = np.full((256, 1), -32768, np.int16)
        self.callback(data, 256, Moments, None)
        with open("played.raw", "ab") as file:
            file.write(data.tobytes())
'''


@pytest.fixture
def with_sound(built: Blsh, tmp_path: Path) -> Blsh:
    """Return `blsh`, as a process of its own, with our stand-in for sounddevice."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "sounddevice.py").write_text(textwrap.dedent(FAKE_SOUNDDEVICE))
    return Blsh(built.cwd, built.project, {"PYTHONPATH": str(folder)}, alone=True)


def test_a_microphone_is_recorded(with_sound: Blsh, model: Path) -> None:
    result = with_sound.json(*live(model), "--output", "live.wav", "--seconds", 1)
    assert result["input"] == "microphone" and result["hops"] == 62
    assert result["dropped_hops"] == 0 and result["latency_ms"]["end_to_end"]["min"] >= 64
    heard = (1000 * np.sin(np.arange(62 * HOP) / 7)).astype(np.int16)
    soundfile.write(with_sound.cwd / "in.wav", heard, 16_000)
    with_sound.succeed("denoise", "in.wav", "fixed.wav", "--model", model, "--engine", "fixed")
    expected = wav(with_sound.cwd / "fixed.wav")
    assert np.array_equal(wav(with_sound.cwd / "live.wav")[LAG:], expected[:-LAG]) and expected.any()


def test_a_recording_is_played_without_a_sample_lost(with_sound: Blsh, model: Path, noisy: Samples) -> None:
    lay(with_sound, noisy)
    result = with_sound.json(*live(model), "--input", "in.wav")
    assert result["output"] == "loudspeaker"
    played = np.frombuffer((with_sound.cwd / "played.raw").read_bytes(), np.int16)
    with_sound.succeed("denoise", "in.wav", "fixed.wav", "--model", model, "--engine", "fixed")
    expected = wav(with_sound.cwd / "fixed.wav").tobytes()
    if not result["underruns"] and not result["dropped_hops"]:
        assert expected in played.tobytes()
    heard = {hop.tobytes() for hop in played.reshape(-1, HOP)}
    hops = [expected[at : at + 2 * HOP] for at in range(0, len(expected) - 2 * HOP, 2 * HOP)]
    assert sum(hop not in heard for hop in hops) <= result["dropped_hops"]
    assert not (played == -32768).any(), "each block is filled, with silence if need be"


def test_ctrl_c_ends_a_conversation(with_sound: Blsh, model: Path) -> None:
    outcome = with_sound.interrupt("hops,", *live(model), "--json")
    assert outcome.code == 0, outcome
    result = json.loads(outcome.stdout)
    assert (result["input"], result["output"]) == ("microphone", "loudspeaker")
    assert 0 < hops_said(outcome) <= result["hops"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--output", "live.wav", "--microphone", "broken"], "cannot open the microphone broken at 16000 Hz: Invalid"),
        (["--output", "live.wav", "--microphone", "nosuch"], "cannot open the microphone nosuch .*No input device"),
        (["--input", "in.wav", "--loudspeaker", "broken"], "cannot open the loudspeaker broken .*-m sounddevice"),
    ],
)
def test_a_device_that_cannot_be_opened_is_named(
    with_sound: Blsh, model: Path, noisy: Samples, arguments: list[str], expected: str
) -> None:
    lay(with_sound, noisy)
    with_sound.refuse(expected, *live(model), *arguments)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            "ImportError('none')",
            "needs the package sounddevice, .* 'blsh-mcu\\[audio\\]'; .*--input IN.wav",
        ),
        ("OSError('PortAudio library not found')", "PortAudio library not found: install .*libportaudio2; .*--output"),
    ],
)
def test_without_sound_it_says_what_is_missing(with_sound: Blsh, model: Path, error: str, expected: str) -> None:
    Path(with_sound.environment["PYTHONPATH"], "sounddevice.py").write_text(f"raise {error}\n", encoding="utf-8")
    with_sound.refuse(expected, *live(model))
    with_sound.refuse(expected, *live(model), "--output", "live.wav")


class Stream:
    """A stream of sounddevice that calls back only when the test does."""

    def __init__(self, **_: Any) -> None:
        self.active, self.latency = True, 0.01


class Moments:
    currentTime, inputBufferAdcTime, outputBufferDacTime = 5.0, 4.999, 5.02  # noqa: N815


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    class PortAudioError(Exception):
        pass

    made = SimpleNamespace(InputStream=Stream, OutputStream=Stream, PortAudioError=PortAudioError)
    monkeypatch.setattr(sound, "sounddevice", lambda: made)


@pytest.mark.parametrize("geometry", CLASSES.values(), ids=CLASSES)
def test_a_loudspeaker_does_not_let_one_stall_delay_all_that_follows(package: None, geometry: Geometry) -> None:
    most, length = round(0.128 / geometry.hop_s), geometry.hop  # the buffer, and 96 ms
    sent = most + 12
    speaker = sound.Speaker(None, geometry, 0.032)
    for hop in range(sent):
        speaker.put(np.full(length, hop, np.int16), time.monotonic() - 1)
    assert speaker.dropped == 12
    data = np.empty((length, 1), np.int16)
    heard = []
    for _ in range(most + 2):
        speaker._callback(data, length, Moments, None)
        heard.append(int(data[0, 0]))
    assert heard == [*range(12, sent), 0, 0] and speaker.silent == 0, "nobody knows yet that more will follow"
    played = np.array(speaker.played())
    assert np.isnan(played[:12]).all() and not np.isnan(played[12:]).any()
    speaker.put(np.full(length, sent, np.int16), time.monotonic())
    speaker._callback(data, length, Moments, None)
    assert (int(data[0, 0]), speaker.late, speaker.silent) == (sent, 1, 2)


@pytest.mark.parametrize("geometry", CLASSES.values(), ids=CLASSES)
def test_a_microphone_keeps_the_last_quarter_of_a_second(package: None, geometry: Geometry) -> None:
    kept, length = round(0.256 / geometry.hop_s), geometry.hop
    microphone = sound.Microphone(None, geometry)
    for hop in range(kept + 14):
        microphone._callback(np.full((length, 1), hop, np.int16), length, Moments, None)
    assert microphone.dropped == 14
    taken = microphone.take(100)
    assert [int(hop.samples[0]) for hop in taken] == list(range(14, kept + 14))
    assert all(hop.at <= time.monotonic() for hop in taken), "complete in the future, said the driver"
    asked = time.monotonic()
    due = microphone.due()
    assert due is not None and due > asked


@pytest.mark.parametrize("device", [sound.Microphone, lambda name, geometry: sound.Speaker(name, geometry, 0.0)])
def test_a_device_that_is_unplugged_is_an_error(package: None, device: Any) -> None:
    opened = device(None, RECORDER)
    opened._stream.active = False
    with pytest.raises(BlshError, match="has stopped; is it still connected"):
        opened.due() if isinstance(opened, sound.Microphone) else opened.put(np.zeros(HOP, np.int16), 0.0)
