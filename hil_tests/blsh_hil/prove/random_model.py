# SPDX-License-Identifier: Apache-2.0
"""A small model with random contents, and its generated C: for tests and the fuzzer."""

from pathlib import Path

import numpy as np

from blsh_codegen.emit.generate import GenerateOptions, generate, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_hil.wire import protocol_header
from blsh_trainer.model.artifact import Model
from blsh_trainer.signals.features import find_feature_kind


def random_model(seed: int = 4, *, bits: int = 50, entries: int = 128, neighbours: int = 10) -> IntegerModel:
    """Return an integer model of mel features and binary masks: the same one for the same seed."""
    rng = np.random.default_rng(seed)
    projections = rng.normal(size=(bits, find_feature_kind("mel").count))
    artifact = Model(
        name="random",
        feature_kind="mel",
        neighbours=neighbours,
        projections=projections,
        biases=-projections.mean(axis=1),
        betas=np.ones(bits),
        code_bits=rng.random((entries, bits)) < 0.5,
        mask_levels=(rng.random((entries, 513)) < 0.5).astype(np.uint8),
        card={},
    )
    return integer_model(artifact, GenerateOptions())


def generate_into(folder: Path, model: IntegerModel) -> Path:
    """Write the C files of `model` and the protocol header into `folder`; return the folder."""
    generate(model, GenerateOptions(), folder)
    protocol_header.write(folder)
    return folder
