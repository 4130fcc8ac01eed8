# SPDX-License-Identifier: Apache-2.0
"""The same samples in two splits are found whatever the file around them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpora.check import check_corpus
from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.errors import BlshError

HOW = ("chunk", "stereo", "WAV PCM_24", "WAV FLOAT", "FLAC PCM_16", "AIFF PCM_16", "W64 DOUBLE")


def pcm(seed: int, samples: int = 3000) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9999, 9999, samples) / 32768


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a speaker and a noise in each split; of test's one recording is still to come."""
    rows = ["path,kind,split,speaker_or_type", "late,speech,test,test"]
    for number, split in enumerate(("train", "valid", "test")):
        for kind in ("speech", "noise"):
            soundfile.write(tmp_path / f"{kind}-{split}.wav", pcm(10 * number + len(kind)), 16_000)
            rows.append(f"{kind}-{split}.wav,{kind},{split},{split}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    return tmp_path


def with_chunk(wav: bytes) -> bytes:
    chunk = b"LIST\x04\0\0\0INFO"
    return wav[:4] + (len(wav) - 8 + len(chunk)).to_bytes(4, "little") + wav[8:36] + chunk + wav[36:]


def write_copy(file: Path, how: str, samples: np.ndarray) -> None:
    if how == "chunk":
        file.write_bytes(with_chunk(file.with_name("speech-train.wav").read_bytes()))
    elif how == "stereo":
        soundfile.write(file, np.column_stack([samples, samples]), 16_000, format="WAV")
    else:
        container, subtype = how.split()
        soundfile.write(file, samples, 16_000, format=container, subtype=subtype)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", ["speech", "noise"])
def test_the_same_samples_in_two_splits_are_found(root, how, kind):
    (root / "manifest.csv").write_text((root / "manifest.csv").read_text().replace("late,speech", f"late,{kind}"))
    soundfile.write(root / "speech-train.wav", pcm(5), 16_000)
    soundfile.write(root / "noise-train.wav", pcm(6), 16_000)
    write_copy(root / "late", how, pcm(5 if kind == "speech" or how == "chunk" else 6))
    with pytest.raises(BlshError, match=r"(-train\.wav|late) \(split t\w+\) and .* are the same recording; keep each"):
        load_corpus(root)
    (error,) = check_corpus(load_corpus(root, refuse_copies=False)).errors
    assert "the same recording in the splits" in error.text and "late" in error.files[0]


def test_recordings_that_differ_in_one_sample_are_two(root):
    samples = np.zeros(300_000)  # they begin alike, over more than one block
    for name, last in (("speech-train.wav", 0.1), ("late", 0.2)):
        samples[-1] = last
        soundfile.write(root / name, samples, 16_000, format="WAV")
    assert load_corpus(root).entries


def test_only_recordings_of_one_length_are_decoded(root, monkeypatch):
    soundfile.write(root / "late", pcm(1, 2999), 16_000, format="WAV")
    for number, name in enumerate(("speech-valid", "noise-valid", "speech-test", "noise-test", "noise-train")):
        soundfile.write(root / f"{name}.wav", pcm(1, 2000 + number), 16_000)

    def decoded(*_):
        raise AssertionError("a file was decoded whose length no other has")

    monkeypatch.setattr("blsh_trainer.corpora.duplicates._digest", decoded)
    assert load_corpus(root).entries
