# SPDX-License-Identifier: Apache-2.0
"""`blsh live`: what the board puts out is what the integers say, in real time, from and to files and sound devices."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from blsh_firmware.build.project_files import copy_project
from blsh_hil.live.timing import hops_carried
from blsh_tools.audio import wav_output
from blsh_tools.audio.play_live import LiveOptions, play_live, refuse_slow_line
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import CLASSES, RECORDER, Geometry

from .blsh_command import Blsh, tree
from .live_runs import hops_said, lay, live, wav
from .tiny_corpus import Samples

HOP, LAG = RECORDER.hop, RECORDER.lag
pytestmark = pytest.mark.heavy


def test_the_file_is_what_the_integers_say_768_samples_late(built: Blsh, model: Path, noisy: Samples) -> None:
    lay(built, noisy)
    result = built.json(*live(model), "--input", "in.wav", "--output", "live.wav")
    built.succeed("denoise", "in.wav", "fixed.wav", "--model", model, "--engine", "fixed")
    output, expected = wav(built.cwd / "live.wav"), wav(built.cwd / "fixed.wav")
    assert np.array_equal(output[LAG : LAG + len(noisy)], expected) and expected.any()
    assert result["hops"] == len(output) // HOP == -(-(len(noisy) + LAG) // HOP)
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
    assert np.array_equal(output[LAG : LAG + len(noisy)], expected)
    assert result["real_time"] == (result["late_hops"] == 0) == ("came late" not in outcome.stderr)


def test_another_rate_and_more_channels_are_converted_and_said(built: Blsh, model: Path, noisy: Samples) -> None:
    soundfile.write(built.cwd / "in.wav", np.stack([noisy, noisy], axis=1), 32_000)
    outcome = built.succeed(*live(model), "--input", "in.wav", "--output", "live.wav")
    assert "resampled from 32000 Hz" in outcome.stderr and "2 channels averaged" in outcome.stderr
    assert "end to end" in outcome.stdout and "late hops" in outcome.stdout


def test_a_limit_is_that_of_a_recording_denoised(built: Blsh, model: Path, noisy: Samples) -> None:
    lay(built, noisy)
    built.succeed(*live(model), "--input", "in.wav", "--output", "live.wav", "--attenuation", 6)
    arguments = ("--model", model, "--engine", "fixed", "--attenuation", 6)
    built.succeed("denoise", "in.wav", "fixed.wav", *arguments)
    output, expected = wav(built.cwd / "live.wav"), wav(built.cwd / "fixed.wav")
    assert np.array_equal(output[LAG : LAG + len(noisy)], expected)
    built.refuse("attenuation '99'; choose", *live(model), "--input", "in.wav", "--attenuation", 99)


def test_seconds_bound_it(built: Blsh, model: Path, noisy: Samples) -> None:
    lay(built, noisy)
    result = built.json(*live(model), "--input", "in.wav", "--output", "live.wav", "--seconds", 0.32)
    assert result["hops"] == 20 and len(wav(built.cwd / "live.wav")) == 20 * HOP


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
    assert np.array_equal(output[LAG:], wav(built.cwd / "fixed.wav")[: len(output) - LAG])
    assert sorted(path.name for path in built.cwd.iterdir()) == ["fixed.wav", "in.wav", "live.wav"]


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


@pytest.mark.parametrize("geometry", CLASSES.values(), ids=CLASSES)
def test_a_line_that_is_too_slow_for_the_model_is_refused_with_the_numbers(geometry: Geometry) -> None:
    carried, needed = hops_carried(115_200, geometry), geometry.hops_per_second
    words = (
        rf"/dev/ttyACM0: at 115,200 baud the line carries {carried:.1f} hops of {geometry.hop} samples a second, and "
        rf"{needed:g} are needed for real time; give the board ([\d,]+) baud or more"
    )
    with pytest.raises(BlshError, match=words) as refused:
        refuse_slow_line("/dev/ttyACM0", 115_200, geometry)
    least = int(re.findall(r"the board ([\d,]+) baud", str(refused.value))[0].replace(",", ""))
    refuse_slow_line("/dev/ttyACM0", least, geometry)
    with pytest.raises(BlshError):
        refuse_slow_line("/dev/ttyACM0", least - 1, geometry)
    for port in ("socket://127.0.0.1:1", None):
        refuse_slow_line(port, 115_200, geometry)  # what is no serial line has no rate


def test_the_command_refuses_as_the_others_do(built: Blsh, model: Path) -> None:
    for option in ("--input", "--output"):
        built.refuse(f"{option} -: a pipe keeps no time, .*name a file, or leave it out", *live(model), option, "-")
    built.refuse("there is no audio file none.wav", *live(model), "--input", "none.wav", "--output", "live.wav")


@pytest.fixture
def dying(built: Blsh, tmp_path: Path) -> Blsh:
    """Return `blsh` with a host board that ends at its hundredth hop."""
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
    outcome = dying(*live(model), "--input", "in.wav", "--output", "live.wav", "--json")
    assert (outcome.code, outcome.stdout) == (2, ""), outcome
    said = re.search(
        r"error: .*blsh-host ended with -\d+.*; live.wav keeps what came until then, ([\d.]+) s", outcome.stderr
    )
    assert said, outcome
    kept = wav(dying.cwd / "live.wav")
    assert 0 < len(kept) < 100 * HOP and len(kept) / 16_000 == pytest.approx(float(said[1]), abs=0.01)
    dying.succeed("denoise", "in.wav", "fixed.wav", "--model", model, "--engine", "fixed")
    assert np.array_equal(kept[LAG:], wav(dying.cwd / "fixed.wav")[: len(kept) - LAG])
    assert sorted(path.name for path in dying.cwd.iterdir()) == ["fixed.wav", "in.wav", "live.wav"]


def test_nothing_recorded_replaces_nothing(tmp_path: Path) -> None:
    target = tmp_path / "live.wav"
    target.write_bytes(b"of yesterday")
    for error in (BlshError("the board is away"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as raised, wav_output.kept_wav(target, 16_000) as file:
            if isinstance(error, KeyboardInterrupt):
                file.write(np.ones(HOP, np.int16))  # it was broken off: what came does not count
            raise error
        assert raised.value is error
    assert target.read_bytes() == b"of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == ["live.wav"]


def test_a_full_file_ends_it_in_order(
    built: Blsh, model: Path, noisy: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is full at 20 hops here, otherwise after 37 hours."""
    assert wav_output.MOST_SAMPLES * 2 + 36 < 1 << 32 <= (wav_output.MOST_SAMPLES + 1) * 2 + 36
    monkeypatch.setattr(wav_output, "MOST_SAMPLES", 20 * HOP + 255)
    lay(built, noisy)
    outcome = built.succeed(*live(model), "--input", "in.wav", "--output", "live.wav", "--json")
    assert json.loads(outcome.stdout)["hops"] == 20 and len(wav(built.cwd / "live.wav")) == 20 * HOP
    assert "live.wav is full: a WAV file holds 0.0 hours; live has ended in order" in outcome.stderr


# ---- the rate of the link ---------------------------------------------------------------------------------------


def test_the_rate_is_measured_against_the_links_own(built: Blsh, model: Path) -> None:
    result = built.json("bench-link", "--board", "host", "--model", model, "--seconds", 1, "--rounds", 1)
    assert (result["hops"], result["rounds"]) == (62, 1) and result["window"] >= 1
    rates = result["hops_per_second"]
    assert set(rates) == {"stream", "limit", "unbounded", "single"} and min(rates.values()) > 0
    assert result["share_of_limit"] == pytest.approx(rates["stream"] / rates["limit"], rel=0.01)
