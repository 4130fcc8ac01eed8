# SPDX-License-Identifier: Apache-2.0
"""Kinds of features and masks: their numbers in C, and a mask kind that only a test knows, on its way to firmware."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions, integer_model, render
from blsh_codegen.emit.model_image import decode_image, encode_image
from blsh_codegen.project import core_folder
from blsh_trainer.model.artifact import Model, load_model, save_model
from blsh_trainer.signals.features import FEATURE_KINDS
from blsh_trainer.signals.masks import MASK_KINDS, MaskKind, band_edges

from .agreement import assert_all_agree
from .conftest import random_model

WIDE = MaskKind("wide", lambda geometry: band_edges(geometry)[::2], 2)
"""40 bands of 4 levels: each is two of the 80 bands."""


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> MaskKind:
    monkeypatch.setitem(MASK_KINDS, WIDE.name, WIDE)
    return WIDE


def test_features_have_the_numbers_of_the_core() -> None:
    text = "".join(header.read_text(encoding="utf-8") for header in sorted(core_folder().glob("*.h")))
    numbers = {name.lower(): int(number) for name, number in re.findall(r"BLSH_FEATURES_(\w+) = (\d+)", text)}
    assert numbers == {kind.name: kind.number for kind in FEATURE_KINDS.values()}


def test_kinds_stand_under_their_own_names() -> None:
    assert all(kind.name == name for kinds in (FEATURE_KINDS, MASK_KINDS) for name, kind in kinds.items())


@pytest.mark.parametrize("kind", MASK_KINDS.values(), ids=MASK_KINDS)
def test_a_mask_kind_covers_every_bin_once(kind: MaskKind) -> None:
    assert (kind.edges[0], kind.edges[-1]) == (0, 513)
    assert all(first < next_one for first, next_one in pairwise(kind.edges))


def test_a_model_image_can_tell_mask_kinds_apart() -> None:
    """An image names a kind by the number and the bits of its levels."""
    assert len({(kind.width, kind.level_bits) for kind in MASK_KINDS.values()}) == len(MASK_KINDS)


def test_a_new_mask_kind_becomes_firmware_that_agrees_with_the_references(
    rng: np.random.Generator, wide: MaskKind
) -> None:
    model = random_model(rng, "tracked", 37, 70, 5, wide.name, smoothing=3, floor=2)
    samples = rng.integers(-20_000, 20_000, 12 * 256).astype(np.int16)
    assert_all_agree(model, samples, "a new mask kind")
    text = "".join(render(model, GenerateOptions()).values())
    assert "#define BLSH_MODEL_MASK_BANDS 40u" in text and "u /* wide */" in text
    found = decode_image(encode_image(model))
    assert found.mask_kind == wide and np.array_equal(found.masks, model.masks)


def test_a_new_mask_kind_survives_an_artifact_and_becomes_coarser(
    rng: np.random.Generator, wide: MaskKind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(MASK_KINDS, "wide1", MaskKind("wide1", wide.edges_of, 1))
    model = Model(
        name="wide",
        feature_kind="stft",
        neighbours=3,
        projections=rng.normal(size=(9, 513)),
        biases=rng.normal(size=9),
        betas=np.ones(9),
        code_bits=rng.random((50, 9)) < 0.5,
        mask_levels=rng.integers(0, 4, (50, 40)).astype(np.uint8),
        card={},
        mask_kind=wide.name,
    )
    save_model(tmp_path / "wide.npz", model)
    loaded = load_model(tmp_path / "wide.npz")
    assert (loaded.sha256, loaded.format_version) == (model.sha256, 3)
    integers = integer_model(loaded, GenerateOptions(masks="wide1", entries=20))
    assert (integers.mask_kind.name, integers.mask_kind.width, integers.entries) == ("wide1", 40, 20)
