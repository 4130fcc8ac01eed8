# SPDX-License-Identifier: Apache-2.0
"""Scalar reference and vectorised twin compute the same integers in every geometry that a model can have."""

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.pipeline.reference import ReferenceDenoiser
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser, padded_to_hops
from blsh_codegen.spec.hard_signals import EDGE_SIGNALS, edge_signal
from blsh_codegen.spec.stages import HopVectors
from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.signals.features import MASK_FEATURES
from blsh_trainer.signals.geometry import RECORDER, Geometry
from blsh_trainer.signals.masks import MASK_KINDS

from .agreement import assert_same
from .conftest import ALL_GEOMETRIES, random_model

pytestmark = pytest.mark.heavy

SHORT = Geometry(16_000, 256, 64, 128)
"""Four hops to a tick, and the smallest frames: the quickest geometry in which ticks are no hops."""


def assert_twins_agree(model: IntegerModel, samples: npt.NDArray[np.int16]) -> None:
    reference, geometry = ReferenceDenoiser(model), model.geometry
    vectors = VectorisedDenoiser(model).stages(samples)
    for t, hop in enumerate(samples.reshape(-1, geometry.hop)):
        assert_same(reference.hop(hop), vectors.hop(t), f"{geometry}, {model.feature_kind.name}, hop {t}")


def hard_stream(geometry: Geometry, rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Return a hop of each edge signal one after the other; one is silence, one noise of all levels."""
    return np.concatenate([edge_signal(name, geometry.hop, rng) for name in EDGE_SIGNALS])


@pytest.mark.parametrize("geometry", ALL_GEOMETRIES, ids=str)
def test_reference_and_twin_agree_with_masks(geometry: Geometry, rng: np.random.Generator) -> None:
    """Each geometry has another kind of features and masks; all combinations have their turn."""
    place = ALL_GEOMETRIES.index(geometry)
    kind = MASK_FEATURES[place % len(MASK_FEATURES)]
    masks = list(MASK_KINDS)[place % len(MASK_KINDS)]
    model = random_model(rng, kind, 40, 64, 8, masks, smoothing=place % 16, floor=13, geometry=geometry)
    assert_twins_agree(model, hard_stream(geometry, rng))


@pytest.mark.parametrize("geometry", ALL_GEOMETRIES, ids=str)
def test_reference_and_twin_agree_with_votes(geometry: Geometry, rng: np.random.Generator) -> None:
    model = VotingIntegers.from_model(random_voting_model(geometry=geometry))
    assert_twins_agree(model, hard_stream(geometry, rng))


def test_statistics_move_once_in_a_tick(rng: np.random.Generator) -> None:
    """The floors of a stream: those of every fourth hop are those of the three behind it, past the quick start too."""
    model = random_model(rng, "tracked", 20, 40, masks="bands", geometry=SHORT)
    hops = 4 * 36
    steps = np.exp(rng.normal(6, 2, hops)).repeat(SHORT.hop)
    samples = np.clip(rng.normal(0, 1, hops * SHORT.hop) * steps, -32768, 32767).astype(np.int16)
    assert_twins_agree(model, samples)
    reference = ReferenceDenoiser(model)
    floors = []
    for hop in samples.reshape(-1, SHORT.hop):
        reference.hop(hop)
        floors.append(list(reference._noise_floors))
    changed = [t for t in range(1, hops) if floors[t] != floors[t - 1]]
    assert changed == list(range(4, hops, 4))


def test_votes_of_a_start_fade_in_64_ticks(rng: np.random.Generator) -> None:
    model = VotingIntegers.from_model(random_voting_model(geometry=SHORT, entries=20, settling=(0, 0, 255, 90)))
    samples = np.concatenate([edge_signal("speech_like", 4 * 40 * SHORT.hop, rng), np.zeros(4 * 28 * SHORT.hop)])
    assert_twins_agree(model, samples.astype(np.int16))


@pytest.mark.parametrize("geometry", [RECORDER, SHORT], ids=str)
def test_a_recording_is_padded_until_its_last_sample_is_out(geometry: Geometry) -> None:
    for length in (0, 1, geometry.hop, geometry.hop + 1, 999):
        padded = padded_to_hops(np.ones(length, np.int16), geometry)
        assert len(padded) % geometry.hop == 0 and padded.sum() == length
        assert 0 <= len(padded) - length - geometry.lag < geometry.hop


def test_stages_have_the_sizes_of_the_model(rng: np.random.Generator) -> None:
    for geometry in ALL_GEOMETRIES:
        model = random_model(rng, bits=40, entries=20, geometry=geometry)
        vectors: HopVectors = VectorisedDenoiser(model).stages(np.ones(geometry.hop, np.int16)).hop(0)
        found = [len(vectors.stage(index)) for index in (0, 1, 6, 7)]
        N, H = geometry.window, geometry.hop
        assert found == [1 + N, N + 2, N // 2 + 1, H]
