# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a tiny corpus made of tones and noise bursts, a tiny model, and the real corpus where there is one."""

import csv
import errno
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpora.corpus import Corpus, load_corpus
from blsh_trainer.learning.options import PAPER
from blsh_trainer.learning.train import train_model
from blsh_trainer.model.artifact import Model

SEED = 20_24


def say(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Return a stand-in for speech: harmonic bursts of gliding pitch with pauses."""
    time = np.arange(samples) / 16_000
    pitch = rng.uniform(90, 240) * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(0.5, 2) * time))
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    voice = sum(np.sin(h * phase) * rng.uniform(0.1, 1) / h for h in range(1, 20))
    syllables = np.maximum(0, np.sin(2 * np.pi * rng.uniform(2, 4) * time))
    return 0.1 * np.asarray(voice) * syllables + 1e-4 * rng.standard_normal(samples)


def rustle(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Return a stand-in for noise: coloured noise that comes and goes."""
    time = np.arange(samples) / 16_000
    noise = rng.standard_normal(samples)
    coloured = np.convolve(noise, rng.standard_normal(8), mode="same")
    return 0.05 * coloured * (0.3 + np.sin(2 * np.pi * rng.uniform(0.3, 3) * time) ** 2)


def write_corpus(root: Path, rows: list[dict[str, str]]) -> Path:
    """Write a manifest of `rows` and a short recording for each."""
    rng = np.random.default_rng(SEED)
    root.mkdir(parents=True, exist_ok=True)
    for row in rows:
        file = root / row["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        samples = say(20_000, rng) if row["kind"] == "speech" else rustle(30_000, rng)
        soundfile.write(file, samples, 16_000, subtype="PCM_16")
    with (root / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["path", "kind", "split", "speaker_or_type"])
        writer.writeheader()
        writer.writerows(rows)
    return root


def tiny_rows() -> list[dict[str, str]]:
    """Return the rows of six training speakers, two to evaluate on, and three noise types in each split."""
    rows = []
    for split, speakers, each in (("train", 6, 2), ("valid", 1, 2), ("test", 2, 2)):
        for speaker in range(speakers):
            for number in range(each):
                label = f"{split}{speaker}"
                path = f"speech/{label}/{number}.flac"
                rows.append({"path": path, "kind": "speech", "split": split, "speaker_or_type": label})
        for kind in range(3):
            for number in range(kind + 1):
                path = f"noise/{split}_{kind}_{number}.flac"
                rows.append({"path": path, "kind": "noise", "split": split, "speaker_or_type": f"kind{kind}"})
    return rows


@pytest.fixture
def small_disk():
    """Return a context in which no file can grow beyond `size` bytes: writing fails as on a full disk."""

    @contextmanager
    def limit(size: int):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch):
    """Return a context in which one file may not be opened; root, who may run the tests, can open any other."""

    @contextmanager
    def lock(file: Path):
        opened = Path.open

        def refuse(self: Path, *args, **kwargs):
            if self == file:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
            return opened(self, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", refuse)
            yield

    return lock


@pytest.fixture
def corpus_rows() -> list[dict[str, str]]:
    return tiny_rows()


@pytest.fixture
def make_folder(tmp_path: Path):
    """Return write_corpus into a fresh folder."""
    return lambda rows: write_corpus(tmp_path / "corpus", rows)


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return load_corpus(write_corpus(tmp_path_factory.mktemp("tiny") / "tiny", tiny_rows()))


@pytest.fixture(scope="session")
def tiny_model(tiny_corpus: Corpus) -> Model:
    return train_model(tiny_corpus, PAPER.with_(name="tiny", bits=20, neighbours=5, fit_frames=600, steps=60))


@pytest.fixture(scope="session")
def real_corpus(real_corpus_folder: Path | None) -> Corpus:
    if real_corpus_folder is None:
        pytest.skip("no real corpus: set BLSH_CORPUS, or put one in shared/corpus beside the checkout")
    return load_corpus(real_corpus_folder)
