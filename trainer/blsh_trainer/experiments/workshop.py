# SPDX-License-Identifier: Apache-2.0
"""Make training frames, fitted learners and dictionaries for experiments, each once; the store keeps them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from blsh_trainer.arrays import AnyArray, BoolArray, FloatArray, IntArray
from blsh_trainer.compute.block_pool import single_threaded_blas
from blsh_trainer.compute.process_map import computed
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.experiments.settings import Settings, Sizes
from blsh_trainer.experiments.work_store import Store
from blsh_trainer.learning.options import PAPER as PIPELINE
from blsh_trainer.learning.options import TrainOptions
from blsh_trainer.learning.registry import Run, find_learner, fit_learner
from blsh_trainer.learning.training_frames import TrainingFrames, gather_frames
from blsh_trainer.model.projection import hash_codes
from blsh_trainer.progress import Progress, named

_FIT, _DICTIONARY, _SAMPLE = 1, 2, 3  # each use of a seed has its own generator


@dataclass(frozen=True)
class LearnerChoice:
    """The learner that makes the projections; `learner`, `weighting`, `target` and `sigma2` are CodeOptions'."""

    learner: str = "blsh"
    weighting: str = PIPELINE.code.weighting
    target: str = "linear"
    sigma2: float = 0.5

    @property
    def by_pairs(self) -> bool:
        """Whether the learner's cost grows with the pairs of frames within segments."""
        return self.target in find_learner(self.learner, self.weighting).pair_targets


DEFAULT = LearnerChoice()
PAPER = LearnerChoice(weighting="adaboost")
CENTRED = LearnerChoice("lsh")
PLAIN = LearnerChoice("lsh-plain")


def rbf(sigma2: float) -> LearnerChoice:
    """Return the paper's learner with the RBF target of eq. 15."""
    return LearnerChoice(weighting="adaboost", target="rbf", sigma2=sigma2)


@dataclass(frozen=True)
class Hash:
    """Learned projections (L, D), biases (L,) and betas (L,)."""

    projections: FloatArray
    biases: FloatArray
    betas: FloatArray

    def cut(self, bits: int) -> "Hash":
        """Return the first `bits` bits. BlshError for more than there are."""
        if not 1 <= bits <= len(self.biases):
            raise BlshError(f"{bits} bits asked of a learner of {len(self.biases)}; choose that or fewer")
        return Hash(self.projections[:bits], self.biases[:bits], self.betas[:bits])

    def codes(self, H: FloatArray) -> BoolArray:
        """Return codes bool (T, L) of features (T, D)."""
        return hash_codes(H, self.projections, self.biases)


Fit = tuple[LearnerChoice, str, int, int | None]
"""A fit: the learner, the kind of features, the seed and the bits (None: the longest code of the sizes)."""


class Workshop:
    """The maker of the parts from which the systems of one corpus are built, each part once."""

    def __init__(self, corpus: Corpus, sizes: Sizes, store: Store, progress: Progress | None = None) -> None:
        self.corpus = corpus
        self.sizes = sizes
        self.store = store
        self.progress = progress
        self._frames: dict[str, TrainingFrames] = {}
        self._hashes: dict[tuple[LearnerChoice, str, int, int], Hash] = {}

    def identity(self, feature_kind: str) -> dict[str, Any]:
        """Return the values that the training frames depend on, as JSON."""
        return {"corpus_sha256": self.corpus.sha256, **asdict(self._options(DEFAULT, feature_kind, 0, 1).frames)}

    def frames(self, feature_kind: str) -> TrainingFrames:
        """Return the frames of the training mixtures at 0 dB: features (T, D), masks and learners' data."""
        if feature_kind not in self._frames:
            identity = self.identity(feature_kind)
            kept = self.store.arrays("frames", identity)
            if kept is None:
                kept = _to_arrays(self._gathered(feature_kind))
                self.store.keep_arrays("frames", identity, kept)
            self._frames[feature_kind] = _from_arrays(kept)
        return self._frames[feature_kind]

    def hash(self, learner: LearnerChoice, feature_kind: str, seed: int, bits: int | None = None) -> Hash:
        """Return `bits` bits (None: the longest code of the sizes) that the learner finds on the seed's frames."""
        wanted = bits or self.sizes.longest
        key = (learner, feature_kind, seed, wanted)
        if key not in self._hashes:
            identity = self.hash_identity(learner, feature_kind, seed, wanted)
            kept = self.store.arrays("learners", identity)
            if kept is None:
                checkpoint = self.store.path("learners", identity, ".checkpoint")
                kept = self._fitted(learner, feature_kind, seed, wanted, checkpoint)
                self.store.keep_arrays("learners", identity, kept)
                checkpoint.unlink(missing_ok=True)
            self._hashes[key] = Hash(**kept)
        return self._hashes[key]

    def hash_identity(
        self, learner: LearnerChoice, feature_kind: str, seed: int, bits: int | None = None
    ) -> dict[str, Any]:
        """Return the values that `hash` depends on, as JSON."""
        options = self._options(learner, feature_kind, seed, bits or self.sizes.longest).to_card()
        del options["lengths"]  # `lengths` concerns refining, and these fits are not refined
        return {**self.identity(feature_kind), "options": options}

    def dictionary(self, feature_kind: str, size: float, seed: int) -> IntArray:
        """Return the indices of the frames in the seed's dictionary, sorted.

        `size` is a number of entries, or below 1 a share of all frames, rounded up. All learners have the same
        dictionary, and smaller dictionaries lie within larger ones. BlshError for fewer than K entries.
        """
        total = len(self.frames(feature_kind).H)
        count = int(np.ceil(round(size * total, 6))) if size < 1 else min(int(size), total)
        if count < self.sizes.neighbours:
            raise BlshError(
                f"a dictionary of {size:g} has {count} of {total} training frames, fewer than the "
                f"{self.sizes.neighbours} neighbours of a search; give a larger corpus"
            )
        rng = np.random.default_rng([seed, _DICTIONARY])
        return np.sort(rng.permutation(total)[:count])

    def prepare(self, wanted: Iterable[Fit], jobs: int | None = None) -> None:
        """Make the fits of `wanted` that the store lacks, in `jobs` processes (None: one for each core)."""
        missing = [fit for fit in dict.fromkeys(wanted) if not self.store.has("learners", self.hash_identity(*fit))]
        for feature_kind in dict.fromkeys(fit[1] for fit in missing):
            self.frames(feature_kind)  # the processes will find them in the store
        task = _Fitting(self.corpus, self.sizes, self.store, tuple(missing))
        computed(task, len(missing), jobs, f"fitting {len(missing)} learners", self.progress)

    def _gathered(self, feature_kind: str) -> TrainingFrames:
        rng, keep_rng = np.random.default_rng([0, 0]), np.random.default_rng([0, 1])
        options = self._options(DEFAULT, feature_kind, 0, 1).frames
        return gather_frames(self.corpus, options, rng, keep_rng, named(self.progress, f"mixing for {feature_kind}"))

    def _options(self, learner: LearnerChoice, feature_kind: str, seed: int, bits: int) -> TrainOptions:
        return PIPELINE.with_(
            **asdict(learner),
            feature_kind=feature_kind,
            bits=bits,
            seed=seed,
            fit_frames=self.sizes.pair_frames if learner.by_pairs else self.sizes.fit_frames,
            max_frames=self.sizes.max_frames,
            steps=self.sizes.steps,
        )

    def _fitted(
        self, learner: LearnerChoice, feature_kind: str, seed: int, bits: int, checkpoint: Path
    ) -> dict[str, AnyArray]:
        options = self._options(learner, feature_kind, seed, bits)
        frames = self.frames(feature_kind)
        order = np.random.default_rng([seed, _SAMPLE]).permutation(len(frames.H))
        sample = frames.take(np.sort(order[: options.code.fit_frames]))
        advance = named(self.progress, f"fitting {learner.learner} {learner.weighting} {feature_kind} seed {seed}")
        with single_threaded_blas():  # more threads would add up in another order
            fitted = fit_learner(sample, options.code, np.random.default_rng([seed, _FIT]), Run(advance, checkpoint))
        return {"projections": fitted.projections_, "biases": fitted.biases_, "betas": fitted.betas_}


def workshop_for(settings: Settings) -> Workshop:
    """Return the workshop of the settings' corpus, its store being the work folder."""
    return Workshop(settings.corpus, settings.sizes, Store(settings.work), settings.progress)


@dataclass(frozen=True)
class _Fitting:
    """The task of each process: called with an index, it makes that fit and leaves it in the store."""

    corpus: Corpus
    sizes: Sizes
    store: Store
    wanted: tuple[Fit, ...]

    def __call__(self, index: int) -> None:
        Workshop(self.corpus, self.sizes, self.store).hash(*self.wanted[index])


def _to_arrays(frames: TrainingFrames) -> dict[str, AnyArray]:
    return {field.name: np.asarray(getattr(frames, field.name)) for field in fields(frames)}


def _from_arrays(arrays: Mapping[str, AnyArray]) -> TrainingFrames:
    fields_of: dict[str, Any] = {name: values if values.ndim else values.item() for name, values in arrays.items()}
    return TrainingFrames(**fields_of)
