# SPDX-License-Identifier: Apache-2.0
"""Train a voting model: scenes of a corpus become tables that were learned together."""

from importlib import metadata
from pathlib import Path

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.credits import corpus_credits
from blsh_trainer.evaluation.card_scores import voting_metrics
from blsh_trainer.learning.joint.fit import fit_jointly, training_device
from blsh_trainer.learning.joint.integers import voting_model
from blsh_trainer.learning.joint.options import JointOptions
from blsh_trainer.learning.joint.scene_frames import gather_scenes
from blsh_trainer.model.card import CORPORA, Card
from blsh_trainer.model.voting_model import VotingModel
from blsh_trainer.progress import Progress

_LIBRARIES = ("jax", "numpy", "optax", "scipy", "soundfile", "soxr")


def train_jointly(
    corpus: Corpus,
    options: JointOptions,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    device: str = "cpu",
    jobs: int | None = None,
) -> VotingModel:
    """Train a voting model on the corpus's train split, on `device`; scenes are made in `jobs` processes.

    On one machine the same corpus and options give the same model. Its card says what it does to the valid split, if
    there is one. What has been learned is kept in `checkpoint`.
    BlshError for bad options, a device that is not there, or audio that cannot be used.
    """
    options.check()
    found = training_device(device)
    frames = gather_scenes(corpus, options.passes, options.seed, jobs, progress)
    learned, scaling = fit_jointly(frames, options, options.seed, found, checkpoint, progress)
    model = voting_model(learned, scaling, options, _card(corpus, options, len(frames.features)))
    return model.with_metrics(voting_metrics(model, corpus, options.seed, progress))


def _card(corpus: Corpus, options: JointOptions, frames: int) -> Card:
    """Return the provenance of a model; nothing in it depends on the clock or on paths of this machine."""
    return {
        "corpus": {"name": corpus.name, "sha256": corpus.sha256},
        CORPORA: corpus_credits(corpus),
        "frames": frames,
        "metrics": {},
        "options": options.to_card(),
        "seed": options.seed,
        "versions": {name: metadata.version(name) for name in ("blsh-mcu", *_LIBRARIES)},
    }
