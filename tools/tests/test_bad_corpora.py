# SPDX-License-Identifier: Apache-2.0
"""Corpora that would train a model on less, or on other data, than their makers think are refused with one message."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from .bench import Bench
from .blsh_command import Blsh
from .tiny_corpus import corpus_rows


def copied_recording(bench: Bench) -> Path:
    """Write the same samples in the splits train and test, once as FLAC and once as WAV."""
    root = bench.own_corpus([row | {"path": row["path"].replace("test0/0.flac", "0.wav")} for row in corpus_rows()])
    soundfile.write(root / "speech" / "0.wav", soundfile.read(root / "speech" / "train0" / "0.flac")[0], 16_000)
    return root


def constant_noise(bench: Bench) -> Path:
    root = bench.own_corpus()
    for number in range(2):
        soundfile.write(root / "noise" / f"train{number}.flac", np.full(9000, 0.25), 16_000)
    return root


def foreign_formats(bench: Bench) -> Path:
    """Make folders of speakers whose recordings are all in a format that is not read."""
    root = bench.own_corpus()
    (root / "manifest.csv").unlink()
    for speaker in (root / "speech").iterdir():
        shutil.rmtree(speaker)
        speaker.mkdir()
        (speaker / "0.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(200))
    return root


def another_separator(bench: Bench) -> Path:
    root = bench.own_corpus()
    manifest = root / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",", " "))
    return root


CORPORA: dict[str, tuple[Callable[[Bench], Path], str]] = {
    "a recording twice": (copied_recording, r"train0/0.flac \(split train\) and .*the same recording; keep each"),
    "noise of one value": (constant_noise, r"train\d.flac is constant: all 9000 samples are 0.25; give one with"),
    "foreign formats": (foreign_formats, r"no speech in split 'train'; it holds .*, \.m4a \(9\): .*convert them"),
    "separator": (another_separator, "manifest.csv separates its columns by ' '; expected commas"),
}


@pytest.mark.parametrize("case", CORPORA)
def test_corpus_is_refused(blsh: Blsh, bench: Bench, case: str) -> None:
    lay, expected = CORPORA[case]
    blsh.refuse(expected, "train", lay(bench), "-o", "model.npz", "--system", "paper", "--bits", 4)
