# SPDX-License-Identifier: Apache-2.0
"""Write a corpus of a few seconds, made of stand-ins for speech and noise."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

SEED = 20_24
TRAINING = (
    *("--system", "paper", "--features", "stft", "--bits", "20"),
    *("--neighbours", "5", "--steps", "40", "--name", "tiny"),
)
"""Options of `blsh train` with which it takes a second."""

Samples = npt.NDArray[np.float64]


def speech(samples: int, rng: np.random.Generator, rate: int = 16_000) -> Samples:
    """Return a stand-in for speech: harmonics of gliding pitch, in syllables."""
    time = np.arange(samples) / rate
    phase = 2 * np.pi * np.cumsum(rng.uniform(90, 240) * (1 + 0.2 * np.sin(2 * np.pi * time))) / rate
    voice = sum(np.sin(h * phase) * rng.uniform(0.1, 1) / h for h in range(1, 20))
    return 0.1 * np.asarray(voice) * np.maximum(0, np.sin(2 * np.pi * 3 * time)) + 1e-4 * rng.standard_normal(samples)


def noise(samples: int, rng: np.random.Generator) -> Samples:
    """Return a stand-in for noise: coloured, coming and going."""
    coloured = np.convolve(rng.standard_normal(samples), rng.standard_normal(8), mode="same")
    return 0.05 * coloured * (0.3 + np.sin(np.arange(samples) / 9000) ** 2)


def corpus_rows() -> list[dict[str, str]]:
    """Return the manifest's rows: six speakers to train on, two to test with, two types of noise in each split."""
    rows = []
    for split, speakers in (("train", 6), ("valid", 1), ("test", 2)):
        for number in range(2 * speakers):
            speaker = f"{split}{number // 2}"
            rows.append((f"speech/{speaker}/{number}.flac", "speech", split, speaker))
        rows += [(f"noise/{split}{number}.flac", "noise", split, f"kind{number}") for number in range(2)]
    return [dict(zip(("path", "kind", "split", "speaker_or_type"), row, strict=True)) for row in rows]


def write_manifest(root: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with (root / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_corpus(root: Path) -> None:
    rng = np.random.default_rng(SEED)
    for row in corpus_rows():
        file = root / row["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, speech(16_000, rng) if row["kind"] == "speech" else noise(20_000, rng), 16_000)
    write_manifest(root, corpus_rows())
