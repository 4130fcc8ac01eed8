"""`blsh live`: what the board puts out is what the integers say, in real time, from and to files and sound devices."""

import json
import re
import signal
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from blsh_codegen.spec.constants import HISTORY, HOP
from blsh_tools.audio import sound_device as sound
from blsh_tools.audio import wav_output
from blsh_tools.audio.play_live import LiveOptions, play_live
from blsh_trainer.errors import BlshError

from .conftest import Blsh, Outcome, Samples, copy_project, tree

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
    """`blsh`, as a process, with sound devices of our own."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "sounddevice.py").write_text(textwrap.dedent(FAKE_SOUNDDEVICE))
    return Blsh(built.cwd, built.project, {"PYTHONPATH": str(folder)})


def wav(path: Path) -> Any:
    samples, rate = soundfile.read(path, dtype="int16")
    assert (rate, soundfile.info(path).subtype, samples.ndim) == (16_000, "PCM_16", 1)
    return samples


def lay(blsh: Blsh, noisy: Samples) -> None:
    soundfile.write(blsh.cwd / "in.wav", noisy, 16_000)


def live(model: Path) -> tuple[object, ...]:
    return ("live", "--board", "host", "--model", model)


def test_the_file_is_what_the_integers_say_768_samples_late(built: Blsh, model: Path, noisy: Samples) -> None:
    lay(built, noisy)
    result = built.json(*live(model), "--input", "in.wav", "--output", "live.wav")
    built.succeed("denoise", "in.wav", "fixed.wav", "--model", model, "--engine", "fixed")
    output, expected = wav(built.cwd / "live.wav"), wav(built.cwd / "fixed.wav")
    assert np.array_equal(output[HISTORY : HISTORY + len(noisy)], expected) and expected.any()
    assert result["hops"] == len(output) // HOP == -(-(len(noisy) + HISTORY) // HOP)
    latency = result["latency_ms"]
    assert latency["algorithm"] == 64 and latency["end_to_end"]["min"] >= 64
    assert {"min", "mean", "p95", "max"} == set(latency["link_and_board"])
    assert result["link"]["retries"] == result["dropped_hops"] == result["unprocessed_hops"] == 0


def test_on_a_virtual_board_slow_or_not_no_hop_is_lost(
    built: Blsh, model: Path, noisy: Samples, emulator: None
) -> None:
    lay(built, noisy)
    outcome = built.succeed("live", "--model", model, "--input", "in.wav", "--output", "live.wav", "--json")
    result = json.loads(outcome.stdout)
    built.succeed("denoise", "in.wav", "fixed.wav", "--model", model, "--engine", "fixed")
    output, expected = wav(built.cwd / "live.wav"), wav(built.cwd / "fixed.wav")
    assert np.array_equal(output[HISTORY : HISTORY + len(noisy)], expected)
    assert result["real_time"] == (result["late_hops"] == 0) == ("came late" not in outcome.stderr)


def test_another_rate_and_more_channels_are_converted_and_said(built: Blsh, model: Path, noisy: Samples) -> None:
    soundfile.write(built.cwd / "in.wav", np.stack([noisy, noisy], axis=1), 32_000)
    outcome = built.succeed(*live(model), "--input", "in.wav", "--output", "live.wav")
    assert "resampled from 32000 Hz" in outcome.stderr and "2 channels averaged" in outcome.stderr
    assert "end to end" in outcome.stdout and "late hops" in outcome.stdout


def test_seconds_bound_it(built: Blsh, model: Path, noisy: Samples) -> None:
    lay(built, noisy)
    result = built.json(*live(model), "--input", "in.wav", "--output", "live.wav", "--seconds", 0.32)
    assert result["hops"] == 20 and len(wav(built.cwd / "live.wav")) == 20 * HOP


def hops_said(outcome: Outcome) -> int:
    """How far it had come when Ctrl-C was pressed, by its own words."""
    said = re.search(r"live: ([\d,]+) hops", outcome.stderr)
    assert said, outcome
    return int(said[1].replace(",", ""))


@pytest.mark.parametrize(
    "numbers",
    [(signal.SIGINT,), (signal.SIGTERM, signal.SIGHUP, signal.SIGHUP)],
    ids=["Ctrl-C", "SIGTERM and SIGHUP"],
)
def test_what_ends_it_leaves_the_file_complete(
    built: Blsh, model: Path, noisy: Samples, numbers: tuple[int, ...]
) -> None:
    soundfile.write(built.cwd / "in.wav", np.tile(noisy, 20), 16_000)
    arguments = (*live(model), "--input", "in.wav", "--output", "live.wav", "--json")
    outcome = built.interrupt("hops,", *arguments, numbers=numbers)
    assert outcome.code == 0, outcome
    result = json.loads(outcome.stdout)
    output = wav(built.cwd / "live.wav")
    assert len(output) == result["hops"] * HOP
    assert 0 < hops_said(outcome) <= result["hops"] < 20 * len(noisy) / HOP
    built.succeed("denoise", "in.wav", "fixed.wav", "--model", model, "--engine", "fixed")
    assert np.array_equal(output[HISTORY:], wav(built.cwd / "fixed.wav")[: len(output) - HISTORY])
    assert sorted(path.name for path in built.cwd.iterdir()) == ["fixed.wav", "in.wav", "live.wav"]


# ---- sound devices ----------------------------------------------------------------------------------------------


def test_a_microphone_is_recorded(with_sound: Blsh, model: Path) -> None:
    result = with_sound.json(*live(model), "--output", "live.wav", "--seconds", 1)
    assert result["input"] == "microphone" and result["hops"] == 62
    assert result["dropped_hops"] == 0 and result["latency_ms"]["end_to_end"]["min"] >= 64
    heard = (1000 * np.sin(np.arange(62 * HOP) / 7)).astype(np.int16)
    soundfile.write(with_sound.cwd / "in.wav", heard, 16_000)
    with_sound.succeed("denoise", "in.wav", "fixed.wav", "--model", model, "--engine", "fixed")
    expected = wav(with_sound.cwd / "fixed.wav")
    assert np.array_equal(wav(with_sound.cwd / "live.wav")[HISTORY:], expected[:-HISTORY]) and expected.any()


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
    with_sound.refuse(expected, *live(model), *arguments, alone=True)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("ImportError('none')", "sound needs the package sounddevice: .*pip install sounddevice; .*--input IN.wav"),
        ("OSError('PortAudio library not found')", "PortAudio library not found: install .*libportaudio2; .*--output"),
    ],
)
def test_without_sound_it_says_what_is_missing(with_sound: Blsh, model: Path, error: str, expected: str) -> None:
    Path(with_sound.environment["PYTHONPATH"], "sounddevice.py").write_text(f"raise {error}\n")
    with_sound.refuse(expected, *live(model), alone=True)
    with_sound.refuse(expected, *live(model), "--output", "live.wav", alone=True)


class Stream:
    """What a device class makes of sounddevice: nothing moves but by hand."""

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


def test_a_loudspeaker_does_not_let_one_stall_delay_all_that_follows(package: None) -> None:
    speaker = sound.Speaker(None, 0.032)
    for hop in range(20):
        speaker.put(np.full(HOP, hop, np.int16), time.monotonic() - 1)
    most = 2 + sound.SLACK_HOPS
    assert speaker.dropped == 20 - most
    data = np.empty((HOP, 1), np.int16)
    heard = []
    for _ in range(most + 2):
        speaker._callback(data, HOP, Moments, None)
        heard.append(int(data[0, 0]))
    assert heard == [*range(20 - most, 20), 0, 0] and speaker.silent == 0, "nobody knows yet that more will follow"
    played = np.array(speaker.played())
    assert np.isnan(played[: 20 - most]).all() and not np.isnan(played[20 - most :]).any()
    speaker.put(np.full(HOP, 20, np.int16), time.monotonic())
    speaker._callback(data, HOP, Moments, None)
    assert (int(data[0, 0]), speaker.late, speaker.silent) == (20, 1, 2)


def test_a_microphone_keeps_the_last_quarter_of_a_second(package: None) -> None:
    microphone = sound.Microphone(None)
    for hop in range(30):
        microphone._callback(np.full((HOP, 1), hop, np.int16), HOP, Moments, None)
    assert microphone.dropped == 30 - sound.BACKLOG_HOPS
    taken = microphone.take(100)
    assert [int(hop.samples[0]) for hop in taken] == list(range(30 - sound.BACKLOG_HOPS, 30))
    assert all(hop.at <= time.monotonic() for hop in taken), "complete in the future, said the driver"
    asked = time.monotonic()
    due = microphone.due()
    assert due is not None and due > asked


@pytest.mark.parametrize("device", [sound.Microphone, lambda name: sound.Speaker(name, 0.0)])
def test_a_device_that_is_unplugged_is_an_error(package: None, device: Any) -> None:
    opened = device(None)
    opened._stream.active = False
    with pytest.raises(BlshError, match="has stopped; is it still connected"):
        opened.due() if isinstance(opened, sound.Microphone) else opened.put(np.zeros(HOP, np.int16), 0.0)


# ---- bad input --------------------------------------------------------------------------------------------------

BAD: list[tuple[dict[str, Any], str]] = [
    ({"source": "folder.wav"}, "folder.wav is a folder; name a file"),
    ({"microphone": "1"}, "--input .*in.wav and --microphone 1; choose one of the two"),
    ({"loudspeaker": "1"}, "--output .*live.wav and --loudspeaker 1; choose one of the two"),
    ({"board": "nucleo"}, "board 'nucleo' is unknown"),
    ({"target": "in.wav"}, "in.wav is the input itself"),
    ({"target": "live.flac"}, "live.flac would be a WAV file by another name; end its name in .wav"),
    ({"target": "folder.wav"}, "it is a folder; name a file"),
    ({"source": "none.wav"}, "there is no audio file .*none.wav"),
    ({"source": "silent.wav"}, "silent.wav is silent: all 999 samples are 0"),
]


@pytest.mark.parametrize(("change", "expected"), BAD)
def test_bad_input_is_refused_and_changes_nothing(
    tmp_path: Path, model: Path, noisy: Samples, change: dict[str, Any], expected: str
) -> None:
    soundfile.write(tmp_path / "in.wav", noisy, 16_000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(999), 16_000)
    (tmp_path / "live.wav").write_bytes(b"of yesterday")
    (tmp_path / "folder.wav").mkdir()
    before = tree(tmp_path)
    files = {"source": "in.wav", "target": "live.wav", **change}
    files |= {end: tmp_path / files[end] for end in ("source", "target")}
    options = LiveOptions(**{"model": model, "board": "host", **files})
    with pytest.raises(BlshError, match=expected):
        play_live(options)
    assert tree(tmp_path) == before


def test_the_command_refuses_as_the_others_do(built: Blsh, model: Path) -> None:
    for option in ("--input", "--output"):
        built.refuse(f"{option} -: a pipe keeps no time, .*name a file, or leave it out", *live(model), option, "-")
    built.refuse("there is no audio file none.wav", *live(model), "--input", "none.wav", "--output", "live.wav")


@pytest.fixture
def dying(built: Blsh, tmp_path: Path) -> Blsh:
    """`blsh` with a host board that ends at its hundredth hop."""
    project = copy_project(built.project, tmp_path / "project", generated=True)
    server = project / "firmware" / "app" / "server_stream.c"
    text, changes = re.subn(
        r"\n    server->hop\+\+;", "\n    if (++server->hop == 100u) { __builtin_trap(); }", server.read_text()
    )
    assert changes == 1
    server.write_text(text)
    return Blsh(built.cwd, project)


def test_a_board_that_dies_leaves_what_was_recorded_until_then(dying: Blsh, model: Path, noisy: Samples) -> None:
    soundfile.write(dying.cwd / "in.wav", np.tile(noisy, 10), 16_000)
    (dying.cwd / "live.wav").write_bytes(b"of yesterday")
    outcome = dying.within()(*live(model), "--input", "in.wav", "--output", "live.wav", "--json")
    assert (outcome.code, outcome.stdout) == (2, ""), outcome
    said = re.search(
        r"error: .*blsh-host ended with -\d+.*; live.wav keeps what came until then, ([\d.]+) s", outcome.stderr
    )
    assert said, outcome
    kept = wav(dying.cwd / "live.wav")
    assert 0 < len(kept) < 100 * HOP and len(kept) / 16_000 == pytest.approx(float(said[1]), abs=0.01)
    dying.within().succeed("denoise", "in.wav", "fixed.wav", "--model", model, "--engine", "fixed")
    assert np.array_equal(kept[HISTORY:], wav(dying.cwd / "fixed.wav")[: len(kept) - HISTORY])
    assert sorted(path.name for path in dying.cwd.iterdir()) == ["fixed.wav", "in.wav", "live.wav"]


def test_nothing_recorded_replaces_nothing(tmp_path: Path) -> None:
    target = tmp_path / "live.wav"
    target.write_bytes(b"of yesterday")
    for error in (BlshError("the board is away"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as raised, wav_output.kept_wav(target) as file:
            if isinstance(error, KeyboardInterrupt):
                file.write(np.ones(HOP, np.int16))  # it was broken off: what came does not count
            raise error
        assert raised.value is error
    assert target.read_bytes() == b"of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == ["live.wav"]


def test_a_full_file_ends_it_in_order(
    built: Blsh, model: Path, noisy: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full at 20 hops here; at 37 hours otherwise."""
    assert wav_output.MOST_SAMPLES * 2 + 36 < 1 << 32 <= (wav_output.MOST_SAMPLES + 1) * 2 + 36
    monkeypatch.setattr(wav_output, "MOST_HOPS", 20)
    lay(built, noisy)
    outcome = built.within().succeed(*live(model), "--input", "in.wav", "--output", "live.wav", "--json")
    assert json.loads(outcome.stdout)["hops"] == 20 and len(wav(built.cwd / "live.wav")) == 20 * HOP
    assert "live.wav is full: a WAV file holds 0.0 hours; live has ended in order" in outcome.stderr


# ---- the rate of the link ---------------------------------------------------------------------------------------


def test_the_rate_is_measured_against_the_links_own(built: Blsh, model: Path) -> None:
    result = built.json("bench-link", "--board", "host", "--model", model, "--seconds", 1, "--rounds", 1)
    assert (result["hops"], result["rounds"]) == (62, 1) and result["window"] >= 1
    rates = result["hops_per_second"]
    assert set(rates) == {"stream", "limit", "unbounded", "single"} and min(rates.values()) > 0
    assert result["share_of_limit"] == pytest.approx(rates["stream"] / rates["limit"], rel=0.01)
