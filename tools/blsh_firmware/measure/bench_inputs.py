# SPDX-License-Identifier: Apache-2.0
"""Make the inputs of the bench: the model that the budgets are about, and noisy speech."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.model.artifact import AnyModel, Model, load_mask_model, save_model
from blsh_trainer.progress import Progress
from blsh_trainer.signals.audio import to_int16
from blsh_trainer.signals.geometry import RECORDER, Geometry

BUDGET_ENTRIES: Final = 4096
Samples = npt.NDArray[np.int16]


def budget_model(corpus: Corpus, folder: Path, progress: Progress, geometry: Geometry = RECORDER) -> Model:
    """Return the paper's system with our learner, L = 50, `mel`, K = 10, trained on `corpus` on first use.

    folder: keeps the artifact. geometry: of its frames, in place of the paper's.
    """
    from blsh_trainer.learning.options import PAPER
    from blsh_trainer.learning.train import train_model

    options = PAPER.with_(name="budget", geometry=geometry)
    told = json.dumps([options.to_card(), corpus.sha256], sort_keys=True)
    path = folder / f"budget-{hashlib.sha256(told.encode()).hexdigest()[:12]}.npz"
    if not path.exists():
        save_model(path, train_model(corpus, options, progress))
    return load_mask_model(path)


def piece_hops(geometry: Geometry) -> int:
    """Return the successive hops of one recording in noisy_speech: two windows."""
    return 2 * geometry.window // geometry.hop


def noisy_speech(corpus: Corpus, hops: int, geometry: Geometry = RECORDER) -> Samples:
    """Return at least `hops` hops, int16: piece_hops of each of many test mixtures at 0 dB, one after the other.

    The work of a search differs much from one recording to the next, so there are many short pieces.
    """
    from blsh_trainer.evaluation.protocols import DrawnMixtures, mixtures_at

    rng = np.random.default_rng(0)
    length = 2 * geometry.window
    pieces = []
    drawn = DrawnMixtures(corpus, "test", (0.0,), -(-hops // piece_hops(geometry)), 0)
    for mixture in mixtures_at(drawn, geometry.rate_hz):
        samples = to_int16(mixture.signals.mixture)
        if len(samples) < length:
            samples = np.resize(samples, length)
        start = int(rng.integers(len(samples) - length + 1))
        pieces.append(samples[start : start + length])
    return np.concatenate(pieces)


def counted_hops(hops: int, geometry: Geometry = RECORDER) -> npt.NDArray[np.bool_]:
    """Return which hops of noisy_speech are counted, bool (hops,): those whose window lies within one piece."""
    place = np.arange(hops) % piece_hops(geometry)
    counted: npt.NDArray[np.bool_] = place >= geometry.history // geometry.hop
    return counted


def describe_model(model: AnyModel) -> dict[str, Any]:
    """Return the identity of a model in a result, as JSON values."""
    return {
        "name": model.name,
        "sha256": model.sha256,
        "feature_kind": model.feature_kind,
        "bits": model.bits,
        "neighbours": model.neighbours,
        "entries": model.entries,
        "masks": model.mask_kind,
        "geometry": list(model.geometry.numbers),
    }
