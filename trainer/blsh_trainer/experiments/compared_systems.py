# SPDX-License-Identifier: Apache-2.0
"""Describe the systems that experiments compare, and build them from the workshop's parts."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from blsh_trainer.compute.cosine_index import KNN
from blsh_trainer.evaluation.evaluate import System
from blsh_trainer.evaluation.systems import HashDenoiser, IbmOracle, KnnDenoiser
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.workshop import LearnerChoice, Workshop
from blsh_trainer.model.artifact import Model
from blsh_trainer.signals.masks import find_mask_kind

FEATURES = ("stft", "mel")
"""The kinds of features that the paper compares."""


@dataclass(frozen=True)
class Spec:
    """The parts of a system; its `kind` is "mixture", "ibm", "knn", "hash" or "network".

    `dictionary` is a number of entries, or below 1 a share of the training frames. A "hash" has the first `bits` of
    `fitted` bits (None: of the longest fit) of `learner`. A "network" is called `network`.
    """

    kind: str
    feature_kind: str = ""
    learner: LearnerChoice | None = None
    bits: int = 0
    dictionary: float = 0.0
    seed: int = 0
    fitted: int | None = None
    network: str = ""


def hashed(learner: LearnerChoice, feature_kind: str, bits: int, dictionary: float, fitted: int | None = None) -> Spec:
    """Return the spec of the hash look-up with `learner`."""
    return Spec("hash", feature_kind, learner, bits, dictionary, fitted=fitted)


def build(spec: Spec, workshop: Workshop, settings: Settings, shared: dict[Any, Any] | None = None) -> System:
    """Return the system of `spec`. Parts that several systems have in common are made once and kept in `shared`."""
    parts = {} if shared is None else shared
    if spec.kind == "ibm":
        return IbmOracle()
    if spec.kind == "network":
        return _network(spec.network, workshop, settings)
    frames, place = workshop.frames(spec.feature_kind), (spec.feature_kind, spec.dictionary, spec.seed)
    if place not in parts:
        rows = workshop.dictionary(*place)
        levels = find_mask_kind("ibm").unpack(frames.ibm[rows])
        parts[place] = (rows, levels, frames.H[rows].astype(np.float64))
    rows, levels, H = parts[place]
    if spec.kind == "knn":
        return KnnDenoiser(KNN(workshop.sizes.neighbours).fit(H, frames.ibm[rows]), spec.feature_kind)
    assert spec.learner is not None
    learned = (*place, spec.learner, spec.fitted)
    if learned not in parts:
        whole = workshop.hash(spec.learner, spec.feature_kind, spec.seed, spec.fitted)
        parts[learned] = (whole, whole.codes(H))
    whole, codes = parts[learned]
    cut = whole.cut(spec.bits)
    return HashDenoiser(
        Model(
            name="experiment",
            feature_kind=spec.feature_kind,
            neighbours=workshop.sizes.neighbours,
            projections=cut.projections,
            biases=cut.biases,
            betas=cut.betas,
            code_bits=np.ascontiguousarray(codes[:, : spec.bits]),
            mask_levels=levels,
            card={},
        )
    )


def network_identity(name: str, workshop: Workshop, settings: Settings) -> dict[str, Any]:
    """Return the values that a network's weights depend on, as JSON."""
    return {
        "architecture": name,
        "corpus_sha256": workshop.corpus.sha256,
        "seconds": settings.baseline_seconds,
        "fast": settings.fast,
    }


def _network(name: str, workshop: Workshop, settings: Settings) -> System:
    from blsh_trainer.baselines.denoiser import load_network  # imports PyTorch, an optional extra
    from blsh_trainer.baselines.network_training import NeuralBaseline

    identity = network_identity(name, workshop, settings)
    weights = workshop.store.path("networks", identity, ".npz")
    if not weights.is_file():
        checkpoint = weights.with_suffix(".checkpoint")
        epochs = 1 if settings.fast else NeuralBaseline(name).epochs
        baseline = NeuralBaseline(name, epochs=epochs, seconds=settings.baseline_seconds, checkpoint=checkpoint)
        baseline.fit(workshop.corpus, settings.progress).denoiser_.save(weights)
        checkpoint.unlink(missing_ok=True)
    return load_network(weights)
