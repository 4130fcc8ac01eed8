# SPDX-License-Identifier: Apache-2.0
"""The parts that tests of an export share: an artifact, the options of its export, and the content of a folder."""

from pathlib import Path

import numpy as np

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.spec.constants import SMALL_ENTRIES, ModelKind
from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.model.artifact import AnyModel, Model
from blsh_trainer.signals.features import find_feature_kind
from blsh_trainer.signals.geometry import RECORDER, Geometry
from blsh_trainer.signals.masks import find_mask_kind

OPTIONS = GenerateOptions(entries=60)


def artifact(
    rng: np.random.Generator,
    kind: str = "tracked",
    masks: str = "bands",
    name: str = "tiny",
    geometry: Geometry = RECORDER,
) -> Model:
    mask_kind = find_mask_kind(masks, geometry)
    return Model(
        name=name,
        feature_kind=kind,
        neighbours=7,
        projections=rng.normal(size=(40, find_feature_kind(kind).count(geometry))),
        biases=0.1 * rng.normal(size=40),
        betas=np.linspace(1, 0.1, 40),
        code_bits=rng.random((200, 40)) < 0.5,
        mask_kind=masks,
        mask_levels=rng.integers(0, mask_kind.top + 1, (200, mask_kind.width)).astype(np.uint8),
        card={"seed": 1},
        geometry=geometry,
    )


def of_kind(
    kind: ModelKind, rng: np.random.Generator, geometry: Geometry = RECORDER
) -> tuple[AnyModel, GenerateOptions]:
    """Return an artifact whose firmware is of this kind, and the options for it."""
    if kind is ModelKind.MASKS:
        return artifact(rng, geometry=geometry), GenerateOptions(entries=190)
    entries = SMALL_ENTRIES if kind is ModelKind.SMALL_VOTES else SMALL_ENTRIES + 1
    return random_voting_model(projections=13, entries=entries, geometry=geometry), GenerateOptions()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
