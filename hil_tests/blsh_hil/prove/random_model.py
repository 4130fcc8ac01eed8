# SPDX-License-Identifier: Apache-2.0
"""A small model with random contents, and its generated C: for tests and the fuzzer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blsh_codegen.emit.generate import GenerateOptions, generate, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_hil.wire import protocol_header
from blsh_trainer.model.artifact import Model
from blsh_trainer.model.voting_model import RESPONSES, VOTE_WEIGHTS, VotingModel
from blsh_trainer.signals.features import find_feature_kind
from blsh_trainer.signals.geometry import RECORDER, Geometry


def random_model(
    seed: int = 4, *, bits: int = 50, entries: int = 128, neighbours: int = 10, geometry: Geometry = RECORDER
) -> IntegerModel:
    """Return an integer model of mel features and binary masks: the same one for the same arguments."""
    rng = np.random.default_rng(seed)
    projections = rng.normal(size=(bits, find_feature_kind("mel").count(geometry)))
    artifact = Model(
        name="random",
        feature_kind="mel",
        neighbours=neighbours,
        projections=projections,
        biases=-projections.mean(axis=1),
        betas=np.ones(bits),
        code_bits=rng.random((entries, bits)) < 0.5,
        mask_levels=(rng.random((entries, geometry.bins)) < 0.5).astype(np.uint8),
        card={},
        geometry=geometry,
    )
    return integer_model(artifact, GenerateOptions())


@dataclass(frozen=True)
class VotingShape:
    """The sizes of a random voting model.

    group_edges: of three dictionaries unless given. settling: the smoothing where sums of votes do not fall, where they
    fall, the votes of a start and those of a steady hop.
    """

    projections: int = 12
    thresholds: int = 3
    group_edges: tuple[int, ...] | None = None
    entries: int = 40
    neighbours: int = 8
    bit_votes: bool = True
    settling: tuple[int, int, int, int] = (3, 11, 100, 50)
    geometry: Geometry = RECORDER


def random_voting_model(seed: int = 4, **sizes: Any) -> VotingModel:
    """Return an artifact of a voting model, the same one for the same arguments. sizes: members of VotingShape.

    Most thresholds lie where signals reach them.
    """
    shape = VotingShape(**sizes)
    rng = np.random.default_rng(seed)
    edges, bands = shape.group_edges or (0, 7, 40, shape.geometry.bands), shape.geometry.bands
    groups, bits = len(edges) - 1, shape.projections * shape.thresholds
    width = find_feature_kind("memory").count(shape.geometry)
    rows = np.clip(np.rint(rng.normal(0, 30, (shape.projections, width))), -128, 127).astype(np.int8)
    reached = np.sort(rng.integers(-(10**5), 10**5, (shape.projections, shape.thresholds)), axis=1)
    reached += np.arange(shape.thresholds)
    weights = np.sort(rng.integers(0, 256, (groups, VOTE_WEIGHTS)), axis=1)[:, ::-1]
    weights[:, 0] = np.maximum(weights[:, 0], 1)
    votes = rng.integers(-128, 128, (shape.projections, shape.thresholds + 1, bands)).astype(np.int8)
    return VotingModel(
        name="random-voting",
        neighbours=shape.neighbours,
        projections=rows,
        thresholds=reached.astype(np.int32),
        code_bits=rng.random((groups, shape.entries, bits)) < 0.5,
        group_edges=np.array(edges, np.int16),
        votes=rng.integers(-128, 128, (shape.entries, bands)).astype(np.int8),
        weights=weights.astype(np.uint8),
        bit_votes=votes if shape.bit_votes else None,
        response_q14=np.sort(rng.integers(0, 16385, RESPONSES)).astype(np.int16),
        card={},
        smoothing=shape.settling[0],
        smoothing_down=shape.settling[1],
        start_votes=shape.settling[2],
        steady_votes=shape.settling[3],
        geometry=shape.geometry,
    )


def generate_into(folder: Path, model: IntegerModel, options: GenerateOptions | None = None) -> Path:
    """Write the C files of `model` and the protocol header into `folder`; return the folder."""
    generate(model, options or GenerateOptions(), folder)
    protocol_header.write(folder)
    return folder
