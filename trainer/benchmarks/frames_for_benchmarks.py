"""Training features for the benchmarks: of a corpus, or synthetic ones of any number and width; and a report's home."""

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
    """Return `frames` features (frames, 128), `mel`, of the corpus's training mixtures at 0 dB."""
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
    """Fill `out` (frames, D), which may be a file, with non-negative unit rows about a curved sheet, as spectra are."""
    rng = np.random.default_rng(seed)
    shapes = rng.gamma(0.12, size=(ranks, out.shape[1]))
    for at in range(0, len(out), _CHUNK):
        rows = out[at : at + _CHUNK]
        drawn = rng.standard_gamma(0.4, size=(len(rows), ranks)) @ shapes + 0.005 * rng.random(rows.shape)
        rows[:] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return out


def surroundings(threads: int, packages: Sequence[str] = ()) -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    cpu = platform.processor() or platform.machine()
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        names = [line.partition(":")[2].strip() for line in listed.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    versions = {name: metadata.version(name) for name in ("numpy", "scipy", *packages)}
    return {"cpu": cpu, "cores": os.cpu_count(), "threads": threads, "versions": versions}


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def publish(report: dict[str, Any], text: str, output: Path | None) -> None:
    """Print the text; with an output, write it there as .md and the report beside it as .json."""
    print(text)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.with_suffix(".json").write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")
        output.with_suffix(".md").write_text(text + "\n")
