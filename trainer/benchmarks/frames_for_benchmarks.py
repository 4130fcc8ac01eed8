# SPDX-License-Identifier: Apache-2.0
"""Make training features for the benchmarks, from a corpus or synthetic, and write the benchmarks' reports."""

import json
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.corpora.mixing import draw_mixtures
from blsh_trainer.signals.features import features, l2_normalise
from blsh_trainer.signals.spectra import stft

Features = NDArray[np.float32]
_CHUNK = 1 << 16


def corpus_features(folder: Path, frames: int, seed: int) -> Features:
    """Return mel features (frames, 128) of `frames` frames, drawn from the corpus's training mixtures at 0 dB."""
    corpus, parts, held = load_corpus(folder), [], 0
    count = len(corpus.select("speech", "train"))
    rng = np.random.default_rng(seed)
    while held < 2 * frames:
        for named in draw_mixtures(corpus, "train", count, 0.0, rng):
            H = l2_normalise(features(stft(named.signals.mixture), "mel"))
            parts.append(H[H.any(axis=1)].astype(np.float32))
            held += len(parts[-1])
    return np.concatenate(parts)[rng.permutation(held)[:frames]]


def synthetic_features(out: Features, seed: int, ranks: int = 24) -> Features:
    """Fill `out` (frames, D), which may be mapped from a file, with synthetic spectra: non-negative rows of length 1.

    Like spectra they lie near a curved surface of few dimensions, `ranks`. Return `out`.
    """
    rng = np.random.default_rng(seed)
    shapes = rng.gamma(0.12, size=(ranks, out.shape[1]))
    for at in range(0, len(out), _CHUNK):
        rows = out[at : at + _CHUNK]
        drawn = rng.standard_gamma(0.4, size=(len(rows), ranks)) @ shapes + 0.005 * rng.random(rows.shape)
        rows[:] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return out


def surroundings(threads: int, packages: Sequence[str] = ()) -> dict[str, Any]:
    """Return what the figures depend on besides the code: processor, cores, threads and versions."""
    versions = {name: metadata.version(name) for name in ("numpy", "scipy", *packages)}
    return {"cpu": cpu_name(), "cores": os.cpu_count(), "threads": threads, "versions": versions}


def cpu_name() -> str:
    """Return the processor's name, or its architecture where the system gives no name."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        names = [
            line.partition(":")[2].strip()
            for line in listed.read_text(encoding="utf-8").splitlines()
            if "model name" in line
        ]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def publish(report: dict[str, Any], text: str, output: Path | None) -> None:
    """Print `text`. With an `output`, write `text` to its path with the suffix .md, and `report` to that with .json."""
    print(text)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.with_suffix(".json").write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")
        output.with_suffix(".md").write_text(text + "\n")
