# SPDX-License-Identifier: Apache-2.0
"""Score a model and its smaller models on the valid split: the figures that its card carries."""

from collections.abc import Iterator
from typing import Any

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.evaluation.evaluate import MIXTURE, Blind, Evaluation, SilentEstimateError, evaluate_systems
from blsh_trainer.evaluation.protocols import DrawnMixtures, mixtures_at
from blsh_trainer.model.artifact import Model
from blsh_trainer.model.card import Card
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.model.reduction import mask_choices, reduce_model
from blsh_trainer.model.voting_model import VotingModel
from blsh_trainer.progress import Progress, named

VALIDATION_MIXTURES = 24
VALIDATION_ENTRIES = 4096
_VOTING_SNR_DB = 0.0
_SHARES = (1, 2, 4, 8)
"""A nested model is scored with its dictionary divided by each of these numbers."""


def valid_metrics(
    model: Model,
    corpus: Corpus,
    lengths: tuple[int, ...],
    snr_db: float,
    seed: int,
    progress: Progress | None = None,
) -> Card:
    """Return figures of `model` in dB at one SNR; {} without a valid split, or where a denoiser puts out silence.

    "valid": those of the model with at most VALIDATION_ENTRIES entries, which bounds the time. "grid", for a nested
    model: the improvement of each of its smaller models, with codes of each of `lengths` and of all bits.
    """
    if not corpus.has("valid"):
        return {}
    part = model.subsample(min(VALIDATION_ENTRIES, model.entries), seed=seed)
    smaller = list(_smaller(model, lengths)) if model.nested else []
    count = min(VALIDATION_MIXTURES, len(corpus.select("speech", "valid")))
    told = named(progress, "validating")
    systems = {"model": Blind(FloatDenoiser(part))}
    systems |= {str(number): Blind(FloatDenoiser(one)) for number, one in enumerate(smaller)}
    try:
        mixtures = mixtures_at(DrawnMixtures(corpus, "valid", (snr_db,), count, seed), model.geometry.rate_hz)
        found = evaluate_systems(systems, mixtures, ("si_sdr_db",), jobs=1, seed=seed, progress=told)
    except SilentEstimateError:  # all masks are empty, as at an extreme SNR; the model is kept all the same
        return {}
    metrics: Card = {"valid": {**_valid(found, snr_db), "mixtures": count, "dictionary_entries": part.entries}}
    if smaller:
        metrics["grid"] = [
            _row(one, found.find(str(number), "si_sdr_db", snr_db).improvement) for number, one in enumerate(smaller)
        ]
    return metrics


def voting_metrics(model: VotingModel, corpus: Corpus, seed: int, progress: Progress | None = None) -> Card:
    """Return figures of a voting model in dB at 0 dB; {} without a valid split, or where it puts out silence."""
    if not corpus.has("valid"):
        return {}
    count = min(VALIDATION_MIXTURES, len(corpus.select("speech", "valid")))
    mixtures = mixtures_at(DrawnMixtures(corpus, "valid", (_VOTING_SNR_DB,), count, seed), model.geometry.rate_hz)
    systems = {"model": Blind(FloatDenoiser(model))}
    told = named(progress, "validating")
    try:
        found = evaluate_systems(systems, mixtures, ("si_sdr_db",), jobs=1, seed=seed, progress=told)
    except SilentEstimateError:
        return {}
    return {"valid": {**_valid(found, _VOTING_SNR_DB), "mixtures": count}}


def _smaller(model: Model, lengths: tuple[int, ...]) -> Iterator[Model]:
    for bits in sorted({*lengths, model.bits}):
        for kind in mask_choices(model):
            for entries in sorted({max(model.neighbours, model.entries // share) for share in _SHARES}):
                yield reduce_model(model, entries, bits, kind)


def _row(model: Model, improvement: float) -> dict[str, Any]:
    return {
        "bits": model.bits,
        "mask_kind": model.mask_kind,
        "dictionary_entries": model.entries,
        "mean_improvement_db": round(improvement, 3),
    }


def _valid(found: Evaluation, snr_db: float) -> dict[str, Any]:
    mixture, model = (found.find(name, "si_sdr_db", snr_db) for name in (MIXTURE, "model"))
    return {
        "snr_db": snr_db,
        "mean_mixture_si_sdr_db": round(mixture.mean, 3),
        "mean_estimate_si_sdr_db": round(model.mean, 3),
        "mean_improvement_db": round(model.improvement, 3),
    }
