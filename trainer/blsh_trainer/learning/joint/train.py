# SPDX-License-Identifier: Apache-2.0
"""Train a voting model: scenes of a corpus become tables that were learned together."""

from pathlib import Path

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.evaluation.card_scores import voting_metrics
from blsh_trainer.learning.joint.devices import training_devices
from blsh_trainer.learning.joint.fit import fit_jointly
from blsh_trainer.learning.joint.integers import voting_model
from blsh_trainer.learning.joint.options import JointOptions
from blsh_trainer.learning.joint.ranks import Ranks
from blsh_trainer.learning.joint.scene_frames import gather_scenes
from blsh_trainer.learning.provenance import provenance
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
    ranks: Ranks | None = None,
) -> VotingModel | None:
    """Train a voting model on the corpus's train split, on `device`; scenes are made in `jobs` processes.

    On one machine the same corpus and options give the same model. Its card says what it does to the valid split, if
    there is one. What has been learned is kept in `checkpoint`. With `ranks` this process is one of several that share
    the sequences of each step: rank 0 returns the model, the others None.
    BlshError for bad options, a device that is not there, audio that cannot be used, or ranks as of training_devices.
    """
    options.check()
    plan = {"corpus": corpus.sha256, "device": device, **options.to_card()}
    with training_devices(device, ranks, plan) as devices:
        devices.part(options.sequences)  # what cannot be shared is said before the work
        frames = gather_scenes(corpus, options.passes, options.seed, jobs, progress, options.geometry)
        learned, scaling = fit_jointly(frames, options, options.seed, devices, checkpoint, progress)
    if devices.rank != 0:
        return None
    model = voting_model(
        learned, scaling, options, provenance(corpus, len(frames.features), options.to_card(), _LIBRARIES)
    )
    return model.with_metrics(voting_metrics(model, corpus, options.seed, progress))
