# SPDX-License-Identifier: Apache-2.0
"""Train whole models for experiments once, keep them as artifacts, and score each once under each condition."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.evaluate import MIXTURE, evaluate_systems
from blsh_trainer.evaluation.systems import HashDenoiser
from blsh_trainer.experiments.scoring import Condition
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.workshop import Workshop
from blsh_trainer.learning.options import TrainOptions
from blsh_trainer.learning.train import train_model
from blsh_trainer.model.artifact import Model, load_mask_model, save_model
from blsh_trainer.progress import named, named_within

_TOGETHER = 16  # models that are scored together: an interrupt loses one group at most


def trained_model(options: TrainOptions, what: str, workshop: Workshop) -> Model:
    """Return the model that `train_model` makes from the workshop's corpus, from the store if it has the model.

    An interrupted training goes on from the bits that it had. `what` names the training in the progress.
    """
    identity = {"corpus_sha256": workshop.corpus.sha256, "train": options.to_card()}
    file = workshop.store.path("models", identity, ".npz")
    if file.is_file():
        try:
            return load_mask_model(file)
        except BlshError:  # the stored model is damaged: train again
            pass
    file.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = file.with_suffix(".checkpoint")
    advance = named_within(workshop.progress, what)
    model = train_model(workshop.corpus, options, advance, checkpoint)
    save_model(file, model)
    checkpoint.unlink(missing_ok=True)
    return model


def model_gains(
    name: str, models: Mapping[str, Model], chosen: Condition, metric: str, workshop: Workshop, settings: Settings
) -> dict[str, FloatArray]:
    """Return each model's improvements (n,) over the mixtures; those that the store lacks are computed.

    The store knows a model by its SHA-256. `name` is the experiment's, for the progress.
    """
    found: dict[str, FloatArray] = {}
    for key, model in models.items():
        kept = workshop.store.result("gains", _identity(model, chosen, metric))
        if kept is not None:
            found[key] = _array(kept)
    missing = [key for key in models if key not in found]
    for at in range(0, len(missing), _TOGETHER):
        batch = missing[at : at + _TOGETHER]
        advance = named(settings.progress, f"{name}, models {at + 1} to {at + len(batch)} of {len(missing)}")
        systems = {key: HashDenoiser(models[key]) for key in batch}
        scored = evaluate_systems(systems, chosen.mixtures, (metric,), settings.jobs, progress=advance)
        for key in batch:
            gains = scored.values(key, metric) - scored.values(MIXTURE, metric)
            listed = [float(v) if np.isfinite(v) else None for v in gains]
            workshop.store.keep_result("gains", _identity(models[key], chosen, metric), listed)
            found[key] = _array(listed)
    return found


def _identity(model: Model, chosen: Condition, metric: str) -> dict[str, Any]:
    return {"model": model.sha256, "condition": chosen.identity, "metric": metric}


def _array(listed: list[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in listed])
