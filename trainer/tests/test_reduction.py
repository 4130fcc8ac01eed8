# SPDX-License-Identifier: Apache-2.0
"""Smaller models from one artifact: the same bytes for the same wishes, prefixes of nested models, coarser masks."""

from dataclasses import replace

import numpy as np
import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model, load_model, save_model
from blsh_trainer.model.reduction import mask_choices, reduce_model
from blsh_trainer.signals.masks import MASK_KINDS


def nested_model(rng: np.random.Generator, mask_kind: str = "bands", **changes) -> Model:
    kind = MASK_KINDS[mask_kind]
    parts = {
        "name": "nested",
        "feature_kind": "tracked",
        "neighbours": 3,
        "projections": rng.standard_normal((12, 128)),
        "biases": rng.standard_normal(12),
        "betas": np.ones(12),
        "code_bits": rng.random((50, 12)) < 0.5,
        "mask_levels": rng.integers(0, kind.top + 1, (50, kind.width)).astype(np.uint8),
        "card": {"metrics": {}},
        "mask_kind": mask_kind,
        "smoothing": 4,
        "nested": True,
    }
    return Model(**{**parts, **changes})


def test_a_nested_model_is_cut_whatever_the_seed(rng):
    model = nested_model(rng)
    for seed in (0, 7):
        small = reduce_model(model, entries=20, bits=8, mask_kind="bands2", seed=seed)
        np.testing.assert_array_equal(small.code_bits, model.code_bits[:20, :8])
        np.testing.assert_array_equal(small.projections, model.projections[:8])
        assert small.nested and (small.entries, small.bits, small.mask_kind) == (20, 8, "bands2")
    again = reduce_model(model, entries=20, bits=8, mask_kind="bands2")
    assert again.sha256 == small.sha256
    assert model.subsample(share=0.5).code_bits.tolist() == model.code_bits[:25].tolist()


def test_what_is_not_asked_for_stays_as_it_is(rng):
    model = nested_model(rng)
    assert reduce_model(model) is model
    assert reduce_model(model, entries=50, bits=12, mask_kind="bands") is model
    assert reduce_model(model, entries=30).card["subsample"] == {
        "parent_sha256": model.sha256,
        "entries": 30,
        "of": 50,
    }


def test_other_models_are_drawn_from_by_the_seed(rng):
    model = replace(nested_model(rng), nested=False)
    one, other = (reduce_model(model, entries=10, seed=seed) for seed in (0, 1))
    assert (one.code_bits != other.code_bits).any()
    assert reduce_model(model, entries=10, seed=1).sha256 == other.sha256 != one.sha256
    assert one.card["subsample"]["seed"] == 0


@pytest.mark.parametrize("target", ["bands2", "bands1"])
def test_coarser_masks_have_the_nearest_level(rng, target):
    every = np.resize(np.arange(16, dtype=np.uint8), (50, 80))
    model = reduce_model(nested_model(rng, mask_levels=every), mask_kind=target)
    top = MASK_KINDS[target].top
    apart = np.abs(model.mask_levels / top - every / 15)
    assert model.mask_levels.max() == top and apart.max() <= 0.5 / top
    assert model.card["requantise"]["of"] == "bands"


def test_masks_go_from_fine_to_coarse_and_back_without_a_change(rng):
    coarse = nested_model(rng, "bands2")
    fine = reduce_model(coarse, mask_kind="bands")
    np.testing.assert_array_equal(reduce_model(fine, mask_kind="bands2").mask_levels, coarse.mask_levels)


def test_a_mask_can_be_its_own_kind_or_a_coarser_one(rng):
    assert mask_choices(nested_model(rng)) == ("bands", "bands2", "bands1")
    assert mask_choices(nested_model(rng, "bands1")) == ("bands1",)
    assert mask_choices(nested_model(rng, "ibm")) == ("ibm",)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"mask_kind": "ibm"}, "80 bands cannot become ibm masks of 513; choose one of bands, bands2, bands1"),
        ({"mask_kind": "soft"}, "'soft' is unknown"),
        ({"entries": 2}, "2 entries asked for"),
        ({"entries": 51}, "51 entries asked for"),
        ({"bits": 13}, "13 bits asked for"),
        ({"bits": 0}, "0 bits asked for"),
    ],
)
def test_what_cannot_be_had_is_refused(rng, asked, words):
    with pytest.raises(BlshError, match=words):
        reduce_model(nested_model(rng), **asked)


@pytest.mark.parametrize(("mask_kind", "width"), [("bands", 40), ("bands2", 20), ("bands1", 10)])
def test_nested_models_are_of_the_third_format_and_come_back(rng, tmp_path, mask_kind, width):
    model = nested_model(rng, mask_kind)
    save_model(tmp_path / "model.npz", model)
    loaded = load_model(tmp_path / "model.npz")
    assert loaded.sha256 == model.sha256 and loaded.nested and loaded.format_version == 3
    np.testing.assert_array_equal(loaded.mask_levels, model.mask_levels)
    with np.load(tmp_path / "model.npz") as arrays:
        assert arrays["format_version"] == 3 and arrays["masks"].shape == (50, width)
    drawn = replace(model, nested=False)
    assert drawn.sha256 != model.sha256
    assert drawn.format_version == (2 if mask_kind == "bands" else 3)


def test_nested_that_is_no_truth_value_is_refused(rng):
    with pytest.raises(BlshError, match="nested is 1; expected true or false"):
        nested_model(rng, nested=1)
