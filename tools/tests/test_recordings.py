# SPDX-License-Identifier: Apache-2.0
"""Recordings as they come: cut short, open-ended, far too loud, through a pipe; hours in the memory of minutes."""

import io
import os
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from blsh_codegen.emit.generate import GenerateOptions
from blsh_tools.audio.engines import FixedEngine, FloatEngine
from blsh_tools.audio.recordings import open_recording
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import load_model
from blsh_trainer.signals.audio import from_int16, to_int16
from blsh_trainer.signals.geometry import RECORDER

from .bench import Bench
from .blsh_command import Blsh
from .tiny_corpus import Samples

pytestmark = pytest.mark.heavy

FLOATS = [
    ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"),
    ("AIFF", "FLOAT"),
    ("AU", "DOUBLE"),
    ("CAF", "FLOAT"),
    ("W64", "DOUBLE"),
    ("RF64", "FLOAT"),
    ("MAT5", "DOUBLE"),
    ("IRCAM", "FLOAT"),
]


def samples_of(path: Path) -> Any:
    return soundfile.read(path, dtype="int16")[0]


@pytest.mark.parametrize(("container", "subtype"), FLOATS)
def test_floats_in_the_scale_of_int16_are_refused_with_the_gain_that_mends_them(
    blsh: Blsh, bench: Bench, container: str, subtype: str
) -> None:
    pcm = to_int16(bench.noisy / np.abs(bench.noisy).max() / 2)
    bench.audio("loud", pcm.astype(np.float64), format=container, subtype=subtype)
    blsh.refuse(
        r"loud has a peak of 1638\d(\.\d+)? \(\+84\.3 dBFS\): above \+24 dBFS .*; scale it with --gain -90\.31",
        *("denoise", "loud", "out.wav", "--model", bench.model),
    )
    outcome = blsh.succeed("denoise", "loud", "out.wav", "--model", bench.model, "--gain", -90.31, "--engine", "fixed")
    assert "full scale" not in outcome.stderr
    bench.audio("plain.wav", pcm)
    blsh.succeed("denoise", "plain.wav", "plain.out.wav", "--model", bench.model, "--engine", "fixed")
    difference = samples_of(blsh.cwd / "out.wav").astype(int) - samples_of(blsh.cwd / "plain.out.wav")
    assert np.abs(difference).max() <= 400, "a wrong scale would be thousands"


def test_what_is_beyond_full_scale_is_told_and_a_gain_of_0_takes_all(blsh: Blsh, bench: Bench) -> None:
    arguments = ("out.wav", "--model", bench.model)
    bench.audio("over.wav", 3 * bench.noisy / np.abs(bench.noisy).max(), subtype="FLOAT")
    outcome = blsh.succeed("denoise", "over.wav", *arguments)
    assert "over.wav: its peak is 3 (+9.5 dBFS), beyond full scale" in outcome.stderr
    assert "--gain -9.55 prevents it" in outcome.stderr
    assert "full scale" not in blsh.succeed("denoise", "over.wav", *arguments, "--gain", -9.55).stderr
    bench.audio("huge.wav", 1e300 * bench.noisy, subtype="DOUBLE")
    blsh.refuse(r"above \+24 dBFS .*; scale it with --gain -59\d\d", "denoise", "huge.wav", *arguments)
    assert "beyond full scale" in blsh.succeed("denoise", "huge.wav", *arguments, "--gain", 0).stderr
    bench.audio("faint.wav", 1e-9 * bench.noisy, subtype="FLOAT")
    blsh.refuse(r"faint.wav is silent in 16 bits: .*; raise it with --gain 1\d\d", "denoise", "faint.wav", *arguments)
    for gain in ("nan", "inf", "6001"):
        blsh.refuse(f"--gain {gain}.*; choose -6,000 to 6,000", "denoise", "over.wav", *arguments, "--gain", gain)


@pytest.mark.parametrize("engine", ["float", "fixed"])
def test_what_is_there_of_a_file_cut_short_is_denoised(blsh: Blsh, bench: Bench, engine: str) -> None:
    arguments = ("--model", bench.model, "--engine", engine)
    bench.audio("whole.wav", bench.noisy[:12_000])
    whole = (blsh.cwd / "whole.wav").read_bytes()
    bench.file("cut.wav", whole[:12_044])
    outcome = blsh.succeed("denoise", "cut.wav", "out.wav", *arguments)
    assert "cut.wav: cut short: its header promises 24000 bytes of samples, 12000 are there; what" in outcome.stderr
    bench.audio("half.wav", bench.noisy[:6000])
    blsh.succeed("denoise", "half.wav", "half.out.wav", *arguments)
    assert (blsh.cwd / "out.wav").read_bytes() == (blsh.cwd / "half.out.wav").read_bytes()
    bench.file("open.wav", whole[:40] + bytes(4) + whole[44:12_044])
    outcome = blsh.succeed("denoise", "open.wav", "out.wav", *arguments)
    assert "open.wav: its header leaves the length open: read to the end of the file, 6000 samples" in outcome.stderr
    assert (blsh.cwd / "out.wav").read_bytes() == (blsh.cwd / "half.out.wav").read_bytes()


def test_a_flac_file_with_a_damaged_count_is_denoised_as_far_as_it_goes(blsh: Blsh, bench: Bench) -> None:
    bench.audio("in.flac", bench.noisy)
    data = bytearray((blsh.cwd / "in.flac").read_bytes())
    data[21:26] = struct.pack(">BI", data[21] | 0x0F, 0xFFFFFFF0)
    bench.file("in.flac", bytes(data))
    outcome = blsh.succeed("denoise", "in.flac", "out.wav", "--model", bench.model)
    assert f"its header promises 68719476720 samples, {len(bench.noisy)} are there" in outcome.stderr
    assert len(samples_of(blsh.cwd / "out.wav")) == len(bench.noisy)


def test_channels_that_nearly_cancel_are_told(blsh: Blsh, bench: Bench) -> None:
    bench.audio("in.wav", np.outer(bench.noisy, [1, -0.95]))
    said = blsh.succeed("denoise", "in.wav", "out.wav", "--model", bench.model).stderr
    assert "in.wav: its 2 channels nearly cancel each other" in said
    bench.audio("in.wav", np.outer(bench.noisy, [1, 0]))
    assert "cancel" not in blsh.succeed("denoise", "in.wav", "out.wav", "--model", bench.model).stderr


# ---- remarks about a corpus -------------------------------------------------------------------------------------


def test_a_corpus_is_told_of_lengths_and_levels(blsh: Blsh, bench: Bench) -> None:
    root = bench.own_corpus()
    sound = bench.noisy / np.abs(bench.noisy).max()

    def put(name: str, samples: Samples, cut: int = 0, subtype: str = "FLOAT") -> None:
        content = io.BytesIO()
        soundfile.write(content, samples, 16_000, format="WAV", subtype=subtype)
        (root / "speech" / name).write_bytes(content.getvalue()[: len(content.getvalue()) - cut])

    put("train0/0.flac", 20_000 * sound)
    put("train0/1.flac", 1.5 * sound)
    put("train1/2.flac", 0.5 * sound, cut=600)
    put("train1/3.flac", np.outer(sound, [0.5, -0.5]))
    put("train2/4.flac", np.outer(sound, [0.5, -0.45]))
    outcome = blsh("corpus", "check", root, "--json")
    assert outcome.code == 2
    for expected in (
        "error: louder than +24 dBFS: in another scale than -1 to 1, as that of int16: speech/train0/0.flac",
        "remark: beyond full scale: its peak is above 0 dBFS: speech/train0/1.flac",
        "is cut short: its header promises ",
        "error: silent: its 2 channels cancel each other: speech/train1/3.flac",
        "remark: its 2 channels nearly cancel each other",
    ):
        assert expected in outcome.stderr, expected


@pytest.mark.parametrize("spoilt", ["loud", "cut"])
def test_training_refuses_what_the_check_calls_an_error(blsh: Blsh, bench: Bench, spoilt: str) -> None:
    root = bench.own_corpus()
    for file in sorted((root / "speech").glob("train*/*.flac")):
        content = io.BytesIO()
        scale = 20_000 if spoilt == "loud" else 0.1
        soundfile.write(content, scale * bench.noisy, 16_000, format="WAV", subtype="FLOAT")
        file.write_bytes(content.getvalue()[: len(content.getvalue()) - 500 * (spoilt == "cut")])
    expected = r"has a peak of .* scale the recording" if spoilt == "loud" else "is cut short: its header promises"
    blsh.refuse(expected, "train", root, "-o", "model.npz", "--bits", 4, "--system", "paper", "--learner", "lsh")


# ---- what is no file --------------------------------------------------------------------------------------------

OTHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (lambda path: path.mkdir(), "in.wav is a folder; name a file"),
    "a pipe": (lambda path: os.mkfifo(path), r"in.wav is a pipe, not a file; .*`blsh denoise - OUT < .*in.wav`"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "in.wav is a device; name a file"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_file_is_named_as_what_it_is(tmp_path: Path, kind: str) -> None:
    make, expected = OTHERS[kind]
    make(tmp_path / "in.wav")
    with pytest.raises(BlshError, match=expected):
        open_recording(tmp_path / "in.wav", RECORDER)


def test_standard_input_is_for_denoise_alone(blsh: Blsh, model: Path) -> None:
    arguments = ("live", "--input", "-", "--output", "out.wav", "--board", "host", "--model", model)
    blsh.refuse("--input -: a pipe keeps no time.*What need not be live goes through `blsh denoise`", *arguments)


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input_is_denoised(
    blsh: Blsh, bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bench.audio("in.wav", bench.noisy)
    content = (blsh.cwd / "in.wav").read_bytes()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    arguments = ("--model", bench.model)
    blsh.succeed("denoise", "in.wav", "file.wav", *arguments)
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(content[:40] + bytes(4) + content[44:]), encoding="utf-8")
    )
    outcome = blsh.succeed("denoise", name, "piped.wav", *arguments)
    assert "standard input: its header leaves the length open" in outcome.stderr
    assert (blsh.cwd / "piped.wav").read_bytes() == (blsh.cwd / "file.wav").read_bytes()
    for sent, expected in (
        (b"", f"{name}: standard input is empty; pipe a WAV or FLAC file into it"),
        (bytes(4000), "standard input is not audio that can be read .*give a WAV or FLAC file"),
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(sent), encoding="utf-8"))
        blsh.refuse(expected, "denoise", name, "out.wav", *arguments)


def test_standard_output_takes_the_wav_and_nothing_else(blsh: Blsh, bench: Bench) -> None:
    bench.audio("in.wav", bench.noisy)
    blsh.succeed("denoise", "in.wav", "file.wav", "--model", bench.model)
    command = [sys.executable, "-m", "blsh_tools.cli", "denoise", "-", "-", "--model", bench.model]
    with (blsh.cwd / "in.wav").open("rb") as source:
        outcome = subprocess.run(command, stdin=source, capture_output=True, check=True, cwd=blsh.cwd)
    assert outcome.stdout == (blsh.cwd / "file.wav").read_bytes()
    assert f"standard output: {len(bench.noisy):,} samples at 16 kHz" in outcome.stderr.decode()
    both = ("denoise", "in.wav", "-", "--model", bench.model, "--json")
    blsh.refuse("output - and --json would both go to standard output; name a file", *both)


def test_a_full_disk_behind_standard_output_is_told(blsh: Blsh, bench: Bench) -> None:
    bench.audio("in.wav", bench.noisy)
    command = [sys.executable, "-m", "blsh_tools.cli", "denoise", "in.wav", "-", "--model", bench.model]
    with Path("/dev/full").open("wb") as full:
        outcome = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=blsh.cwd)
    assert outcome.returncode == 2 and "cannot write standard output: No space left" in outcome.stderr
    assert "Traceback" not in outcome.stderr


# ---- hours in the memory of minutes -----------------------------------------------------------------------------

AHEAD = 2 * 1024 * 256 + (1 << 18)  # samples: a block of the float engine's and the file's, with what is between them


@pytest.mark.parametrize("engine", ["float", "fixed"])
def test_an_engine_gives_as_it_takes_and_what_it_gives_of_the_whole(
    engine: str, model: Path, rng: np.random.Generator
) -> None:
    pcm = rng.integers(-9000, 9000, 3 * 1024 * 256 + 12_345).astype(np.int16)
    taken = most_ahead = 0

    def told(parts: Iterator[Samples]) -> Iterator[Samples]:
        nonlocal taken
        for part in parts:
            taken += len(part)
            yield part

    if engine == "float":
        floating = FloatEngine(load_model(model), GenerateOptions())
        cuts = np.split(from_int16(pcm), np.sort(rng.integers(0, len(pcm), 20)))
        pieces, whole = floating.stream(told(iter(cuts))), to_int16(floating.denoise(from_int16(pcm)))
    else:
        fixed = FixedEngine(load_model(model), GenerateOptions())
        tail = np.zeros(-(-(len(pcm) + 768) // 256) * 256 - len(pcm), np.int16)
        hops = np.concatenate([pcm, tail]).reshape(-1, 256)
        pieces, whole = fixed.stream(told(iter(hops)), len(pcm)), fixed.reference.denoise(pcm)
    given = []
    for piece in pieces:
        given.append(piece)
        most_ahead = max(most_ahead, taken - sum(map(len, given)))
    assert np.array_equal(np.concatenate(given), whole)
    assert most_ahead < AHEAD


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_long_recording_is_read_in_the_memory_of_a_short_one(tmp_path: Path, rate: int) -> None:
    """Ten minutes would be 77 MB as float64 samples at 16 kHz."""
    minute = (0.1 * np.sin(np.arange(60 * rate) / 9)).astype(np.float32)
    with soundfile.SoundFile(tmp_path / "long.wav", "w", rate, 1, subtype="PCM_16") as out:
        for _ in range(10):
            out.write(minute)
    tracemalloc.start()
    try:
        recording = open_recording(tmp_path / "long.wav", RECORDER)
        assert sum(map(len, recording.blocks())) == recording.samples == 10 * 60 * 16_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20e6


def test_the_progress_of_a_long_recording_is_shown(blsh: Blsh, bench: Bench) -> None:
    bench.audio("in.wav", np.tile(bench.noisy, 1 + 61 * 16_000 // len(bench.noisy)))
    said = blsh.succeed("denoise", "in.wav", "out.wav", "--model", bench.model).stderr
    assert "denoising: " in said and "denoising: done" in said
    bench.audio("in.wav", bench.noisy)
    assert "denoising" not in blsh.succeed("denoise", "in.wav", "out.wav", "--model", bench.model).stderr
