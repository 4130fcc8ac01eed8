# SPDX-License-Identifier: Apache-2.0
"""Train a model: mixtures of a corpus become learned projections and a dictionary of codes and masks."""

from pathlib import Path

import numpy as np

from blsh_trainer.compute.block_pool import Pool, single_threaded_blas
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.card_scores import valid_metrics
from blsh_trainer.learning.dictionary import build_dictionary
from blsh_trainer.learning.options import PAPER, TrainOptions
from blsh_trainer.learning.provenance import provenance
from blsh_trainer.learning.registry import Run, fit_learner
from blsh_trainer.learning.training_frames import gather_frames
from blsh_trainer.model.artifact import Model
from blsh_trainer.progress import Progress

# Nothing calls librosa any more. Its version stays on the card, whose bytes are part of every model's identity.
_LIBRARIES = ("numpy", "scipy", "librosa", "soundfile", "soxr")


def train_model(
    corpus: Corpus,
    options: TrainOptions = PAPER,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    pool: Pool | None = None,
) -> Model:
    """Train a model on the corpus's train split; the same corpus and options give the same model.

    Its card says what it does to the valid split, if there is one. What has been learned is kept in `checkpoint`, and
    the work is done on `pool`, where the learner can use them: see LearnerKind.
    BlshError for bad options, audio that cannot be used, or too few frames for the neighbours.
    """
    options.check()
    mixture_seed, keep_seed, fit_seed = np.random.SeedSequence(options.seed).spawn(3)
    mixture_rng, keep_rng = np.random.default_rng(mixture_seed), np.random.default_rng(keep_seed)
    frames = gather_frames(corpus, options.frames, mixture_rng, keep_rng, progress)
    neighbours, mask_kind = options.dictionary.neighbours, options.frames.masks
    if len(frames) < max(2, neighbours):
        raise BlshError(f"the training mixtures have {len(frames)} frames with sound; {neighbours} or more are needed")
    fit_rng = np.random.default_rng(fit_seed)
    sample = np.sort(fit_rng.permutation(len(frames))[: options.code.fit_frames])
    with single_threaded_blas():  # more threads would add up in another order, and give another model
        learner = fit_learner(frames.take(sample), options.code, fit_rng, Run(progress, checkpoint, pool))
        dictionary = build_dictionary(frames, learner, options.dictionary, mask_kind, fit_rng, progress)
    counts = {"made": frames.made, "kept": len(frames), "fitted": len(sample)}
    model = Model(
        name=options.name,
        feature_kind=options.frames.feature_kind,
        neighbours=neighbours,
        projections=dictionary.projections,
        biases=dictionary.biases,
        betas=learner.betas_,
        code_bits=dictionary.code_bits,
        mask_levels=dictionary.mask_levels,
        mask_kind=mask_kind.name,
        smoothing=options.playback.smoothing,
        floor=options.playback.floor,
        nested=dictionary.nested,
        geometry=options.frames.geometry,
        attenuation=options.playback.attenuation,
        card=provenance(corpus, counts, options.to_card(), _LIBRARIES),
    )
    metrics = valid_metrics(model, corpus, options.dictionary.lengths, options.frames.snr_db, options.seed, progress)
    return model.with_metrics(metrics)
