# SPDX-License-Identifier: Apache-2.0
"""Models without training, which costs are measured with: each kind of work at two sizes or more, in each geometry."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.cost_signal import cost_signal
from blsh_codegen.cost.stage_work import signal_codes
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.model.artifact import Model
from blsh_trainer.model.voting_model import VOTE_WEIGHTS
from blsh_trainer.signals.features import find_feature_kind
from blsh_trainer.signals.geometry import RECORDER, Geometry, parse_geometry
from blsh_trainer.signals.masks import find_mask_kind


@dataclass(frozen=True)
class VotingShape:
    """The sizes of a voting model. smoothing: where sums of votes do not fall, and where they fall."""

    projections: int
    thresholds: int
    groups: int
    neighbours: int
    entries: int
    bit_votes: bool
    smoothing: tuple[int, int]


# Features, L, K, N, masks, smoothing and geometry of each model. Together they do each kind of work at two sizes or
# more, with frames of each size, hops of each length, and sums of overlap-add of both kinds. Each fits the smallest
# board.
MODELS: Final[tuple[tuple[tuple[str, int, int, int, str, int], str], ...]] = (
    (("mel", 50, 10, 2048, "ibm", 0), "recorder"),
    (("stft", 260, 5, 400, "ibm", 0), "recorder"),
    (("tracked", 64, 8, 1216, "bands2", 4), "recorder"),
    (("tracked", 128, 8, 2560, "bands2", 4), "16000/512/256/512"),
    (("mel", 150, 20, 500, "ibm", 3), "16000/512/128/256"),
    (("stft", 33, 32, 70, "ibm", 0), "16000/256/64/128"),
    (("tracked", 96, 3, 96, "bands", 0), "16000/512/64/128"),
    (("tracked", 20, 16, 1500, "bands1", 9), "16000/1024/256/512"),
    (("mel", 77, 20, 640, "bands", 4), "8000/512/128/256"),
    (("stft", 100, 10, 300, "bands2", 2), "16000/512/128/512"),
    (("mel", 40, 10, 800, "ibm", 0), "16000/1024/128/1024"),
    (("tracked", 50, 6, 400, "ibm", 5), "8000/256/128/256"),
    (("mel", 60, 8, 600, "bands", 0), "16000/256/64/256"),
)

VOTING_MODELS: Final = (
    (VotingShape(96, 3, 8, 16, 64, True, (4, 12)), "recorder"),
    (VotingShape(40, 2, 3, 8, 32, False, (0, 0)), "16000/512/256/512"),
    (VotingShape(60, 1, 20, 4, 96, True, (0, 0)), "16000/512/64/128"),
    (VotingShape(75, 4, 5, 20, 128, False, (8, 8)), "recorder"),
    (VotingShape(20, 3, 2, 10, 200, True, (0, 0)), "recorder"),
    (VotingShape(50, 2, 4, 12, 60, True, (3, 9)), "16000/256/64/128"),
    (VotingShape(30, 3, 6, 8, 150, True, (4, 12)), "8000/512/128/256"),
)


def calibration_models() -> list[IntegerModel]:
    """Return the models that costs are measured with; always the same."""
    models = [
        untrained_model(number, *parts, parse_geometry(geometry)) for number, (parts, geometry) in enumerate(MODELS)
    ]
    votes = [
        untrained_voting_model(number, shape, parse_geometry(geometry))
        for number, (shape, geometry) in enumerate(VOTING_MODELS)
    ]
    return models + votes


def untrained_model(
    seed: int,
    features: str,
    bits: int,
    neighbours: int,
    entries: int,
    masks: str,
    smoothing: int,
    geometry: Geometry = RECORDER,
) -> IntegerModel:
    """Return a model without training: random projections and masks, and the codes of a signal like `cost_signal`."""
    rng = np.random.default_rng(seed)
    kind = find_mask_kind(masks, geometry)
    first = Model(
        name=f"calibration {seed}",
        feature_kind=features,
        neighbours=neighbours,
        projections=rng.normal(size=(bits, find_feature_kind(features).count(geometry))),
        biases=np.zeros(bits),
        betas=np.ones(bits),
        code_bits=rng.random((entries, bits)) < 0.5,
        mask_levels=rng.integers(0, kind.top + 1, (entries, kind.width)).astype(np.uint8),
        card={},
        mask_kind=masks,
        smoothing=smoothing,
        geometry=geometry,
    )
    signal = _other_signal(256, rng, geometry)
    seen = VectorisedDenoiser(integer_model(first.subsample(entries=neighbours), GenerateOptions())).stages(signal)
    norms = np.maximum(np.sqrt((seen.features**2).sum(axis=1)), 1)
    along = (seen.features / norms[:, None]).mean(axis=0) @ first.projections.T
    centred = replace(first, biases=-along)
    codes = signal_codes(integer_model(centred.subsample(entries=neighbours), GenerateOptions()), signal)
    drawn = codes[rng.integers(0, len(codes), entries)] ^ (rng.random((entries, bits)) < 0.1)
    return integer_model(replace(centred, code_bits=drawn), GenerateOptions())


def untrained_voting_model(seed: int, shape: VotingShape, geometry: Geometry = RECORDER) -> IntegerModel:
    """Return a voting model without training: random rows and votes, and codes of a signal like `cost_signal`.

    The thresholds of a projection part the hops of that signal in equal numbers.
    """
    rng = np.random.default_rng(seed)
    first = random_voting_model(
        seed,
        projections=shape.projections,
        thresholds=shape.thresholds,
        group_edges=tuple(geometry.bands * group // shape.groups for group in range(shape.groups + 1)),
        entries=shape.entries,
        neighbours=shape.neighbours,
        bit_votes=shape.bit_votes,
        settling=(*shape.smoothing, 0, 0),
        geometry=geometry,
    )
    signal = _other_signal(256, rng, geometry)
    sums = VectorisedDenoiser(integer_model(first, GenerateOptions())).stages(signal).accumulators
    parts = np.quantile(sums, np.arange(1, shape.thresholds + 1) / (shape.thresholds + 1), axis=0).T
    reached = (np.rint(parts) + np.arange(shape.thresholds)).astype(np.int32)
    weights = np.tile(np.maximum(255 - 12 * np.arange(VOTE_WEIGHTS), 0).astype(np.uint8), (shape.groups, 1))
    centred = replace(first, name=f"calibration voting {seed}", thresholds=reached, weights=weights)
    codes = signal_codes(integer_model(centred, GenerateOptions()), signal)
    drawn = codes[rng.integers(0, len(codes), (shape.groups, shape.entries))]
    return integer_model(replace(centred, code_bits=drawn ^ (rng.random(drawn.shape) < 0.05)), GenerateOptions())


def _other_signal(hops: int, rng: np.random.Generator, geometry: Geometry) -> npt.NDArray[np.int16]:
    """Return a signal like `cost_signal`, reversed, louder and softer, with more noise; int16."""
    samples = cost_signal(hops, geometry)[::-1].astype(np.float64)
    swing = np.exp(0.8 * np.sin(np.arange(len(samples)) / 5000))
    return np.clip(samples * swing + 300 * rng.standard_normal(len(samples)), -32768, 32767).astype(np.int16)
