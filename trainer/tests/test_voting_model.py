# SPDX-License-Identifier: Apache-2.0
"""Voting models: their artifact, what they refuse, their features, and the float denoiser."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.compute.hamming_index import hamming_knn
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.systems import HashDenoiser
from blsh_trainer.model.artifact import load_mask_model, load_model, save_model
from blsh_trainer.model.card import CORPORA
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.model.gain_rules import GainRules, Settling
from blsh_trainer.model.voting_model import VotingModel, voting_codes
from blsh_trainer.signals.features import features, mel_filters
from blsh_trainer.signals.geometry import RECORDER
from blsh_trainer.signals.masks import band_edges
from blsh_trainer.signals.spectra import stft

ARRAYS = ("projections", "thresholds", "code_bits", "group_edges", "votes", "weights", "bit_votes", "response_q14")
SHAPES: list[dict[str, Any]] = [
    {},
    {"thresholds": 1, "group_edges": (0, 80), "bit_votes": False, "settling": (0, 0, 0, 0)},
    {"group_edges": tuple(range(81)), "entries": 4, "neighbours": 4, "thresholds": 4},
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_is_saved_is_loaded(tmp_path: Path, shape: dict[str, Any]) -> None:
    model = random_voting_model(**shape)
    path = tmp_path / "model.npz"
    save_model(path, model)
    before = path.read_bytes()
    found = load_model(path)
    assert isinstance(found, VotingModel)
    for name in ARRAYS:
        assert np.array_equal(getattr(found, name), getattr(model, name)), name
    for name in (
        "name",
        "neighbours",
        "smoothing",
        "smoothing_down",
        "start_votes",
        "steady_votes",
        "card",
        "sha256",
        "format_version",
    ):
        assert getattr(found, name) == getattr(model, name), name
    save_model(path, found)
    assert path.read_bytes() == before


def test_metrics_and_credits_are_kept_and_only_metrics_are_identity(tmp_path: Path) -> None:
    model = random_voting_model()
    scored = model.with_metrics({"valid": {"mean_improvement_db": 5.0}})
    assert scored.sha256 != model.sha256
    credited = replace(scored, card={**scored.card, CORPORA: [{"name": "some"}]})
    assert credited.sha256 == scored.sha256
    save_model(tmp_path / "model.npz", credited)
    assert load_model(tmp_path / "model.npz").card == credited.card


def test_any_changed_array_changes_the_identity() -> None:
    model = random_voting_model()
    changes = {
        "projections": model.projections ^ 1,
        "thresholds": model.thresholds - 1,
        "code_bits": ~model.code_bits,
        "group_edges": np.array([0, 8, 40, 80], np.int16),
        "votes": model.votes ^ 1,
        "weights": np.full_like(model.weights, 7),
        "bit_votes": None,
        "response_q14": np.zeros_like(model.response_q14),
    }
    assert set(changes) == set(ARRAYS)
    found = {replace(model, **{name: array}).sha256 for name, array in changes.items()}
    assert len({*found, model.sha256}) == len(changes) + 1


def _swapped(array: np.ndarray) -> np.ndarray:
    return array[..., ::-1].copy()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "expected text that is not empty"),
    ({"card": {"x": {1, 2}}}, "the card is not JSON"),
    ({"neighbours": 41}, "41 neighbours of 40 entries; choose 1 to 32"),
    ({"neighbours": 33}, "33 neighbours of 40 entries; choose 1 to 32"),
    ({"neighbours": 0}, "0 neighbours of 40 entries"),
    ({"smoothing": 16}, "smoothing is 16; choose a whole number from 0 to 15"),
    ({"smoothing_down": True}, "smoothing_down is True; choose a whole number from 0 to 15"),
    ({"start_votes": 256}, "start_votes is 256; choose a whole number from 0 to 255"),
    (
        {"projections": np.zeros((12, 128), np.int8)},
        r"projections have shape \(12, 128\); expected \(projections, 257\)",
    ),
    ({"projections": np.zeros((12, 257))}, "projections are float64 with shape .* expected int8"),
    ({"thresholds": np.zeros((12, 5), np.int32)}, "1 to 4 thresholds"),
    ({"thresholds": np.zeros((12, 3), np.int32)}, "the thresholds of projection 0 do not ascend"),
    ({"code_bits": np.zeros((3, 40, 35), np.bool_)}, r"expected \(dictionaries, entries, 36 bits\)"),
    ({"code_bits": np.zeros((2, 40, 36), np.bool_)}, r"group_edges are int16 with shape \(4,\)"),
    ({"code_bits": np.zeros((3, 39, 36), np.bool_)}, "votes are int8 with shape"),
    ({"group_edges": np.array([0, 7, 40, 79], np.int16)}, r"\[0, 7, 40\] and end at 79; expected ascending edges"),
    ({"group_edges": np.array([1, 7, 40, 80], np.int16)}, "expected ascending edges from 0 to 80"),
    ({"group_edges": np.array([0, 40, 40, 80], np.int16)}, "so that each band has one dictionary"),
    ({"weights": np.zeros((3, 32), np.uint8)}, "the nearest neighbour in dictionary 0 has weight 0"),
    ({"weights": np.tile(np.arange(1, 33, dtype=np.uint8), (3, 1))}, "the weights of dictionary 0 rise from 1 to 2"),
    ({"bit_votes": np.zeros((12, 3, 80), np.int8)}, r"bit_votes are int8 with shape .* shape \(12, 4, 80\)"),
    ({"response_q14": np.full(256, 16385, np.int16)}, "expected 0 to 16384"),
    ({"response_q14": np.full(256, -1, np.int16)}, "expected 0 to 16384"),
    ({"response_q14": _swapped(np.arange(256, dtype=np.int16))}, "falls from 255 to 254 at index 1; it may only rise"),
]


@pytest.mark.parametrize(
    ("parts", "words"), REFUSED, ids=[f"{number}-{next(iter(p))}" for number, (p, _) in enumerate(REFUSED)]
)
def test_parts_that_do_not_fit_are_refused(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(BlshError, match=words):
        replace(random_voting_model(), **parts)


def test_more_bits_than_a_code_has_are_refused() -> None:
    with pytest.raises(BlshError, match="324 bits"):
        random_voting_model(projections=81, thresholds=4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays: arrays.pop("weights"), "lacks the array 'weights'"),
        (lambda arrays: arrays.update(votes=arrays["votes"].astype(np.int16)), "array 'votes' is int16"),
        (
            lambda arrays: arrays.update(codes=arrays["codes"][:-1]),
            "119 codes of 36 bits are not 3 dictionaries",
        ),
        (lambda arrays: arrays.update(format_version=np.array(6)), "has format version 6, made by a newer version"),
        (lambda arrays: arrays.update(projections=arrays["projections"] ^ 1), "it was changed after training"),
        (lambda arrays: arrays.update(group_edges=np.array([0, 7, 40, 79], np.int16)), "end at 79"),
    ],
)
def test_a_damaged_artifact_is_refused(tmp_path: Path, change: Any, words: str) -> None:
    path = tmp_path / "model.npz"
    save_model(path, random_voting_model())
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(BlshError, match=words):
        load_model(path)


def test_what_needs_masks_refuses_votes(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    save_model(path, random_voting_model())
    with pytest.raises(BlshError, match="is a voting model, whose size cannot be cut"):
        load_mask_model(path)


# ---- features and float denoiser -----------------------------------------------------------------------------------


def test_memory_features_are_what_spec_says(rng: np.random.Generator) -> None:
    X = stft(0.1 * rng.standard_normal(100 * 256))
    found = features(X, "memory")
    logs = 32 * np.maximum(np.log2(np.abs(X) @ mel_filters(64).T * 32768) + 3, 0)
    n = m2 = m6 = d6 = np.zeros(32)
    for t, lam in enumerate(logs):
        x = (lam[::2] + lam[1::2]) / 2
        k0 = (min(t, 64) + 1).bit_length() - 1
        if t == 0:
            n = m2 = m6 = x
        else:
            n = n + (x - n) / np.where((x < n) | (t < 32), 4, 64)
            m2, m6 = m2 + (x - m2) / 2 ** min(2, k0), m6 + (x - m6) / 2 ** min(6, k0)
            d6 = d6 + (np.abs(x - m6) - d6) / 2 ** min(6, k0)
        ref = lam.mean()
        np.testing.assert_allclose(found[t, :64], 4 * (lam - ref), atol=1e-9)
        np.testing.assert_allclose(found[t, 64:96], 4 * (n - ref), atol=1e-9)
        np.testing.assert_allclose(found[t, 96:128], 4 * (m2 - ref), atol=1e-9)
        np.testing.assert_allclose(found[t, 160:192], 4 * (m6 - ref), atol=1e-9)
        np.testing.assert_allclose(found[t, 224:256], 16 * d6, atol=1e-9)
        np.testing.assert_allclose(found[t, 256], 4 * (ref - n.mean()), atol=1e-9)


def test_memory_features_of_silence_are_zeros() -> None:
    assert not features(np.zeros((3, 513)), "memory").any()


def test_masks_are_responses_to_votes(rng: np.random.Generator) -> None:
    model = random_voting_model(settling=(0, 0, 100, 50))
    X = stft(0.1 * rng.standard_normal(30 * 256))
    codes = voting_codes(features(X, "memory"), model)
    assert codes.any() and not codes.all()
    masks = FloatDenoiser(model).masks(X)
    for t in range(0, len(X), 7):
        sums = np.zeros(80)
        assert model.bit_votes is not None
        for p in range(12):
            sums += model.bit_votes[p, codes[t, 3 * p : 3 * p + 3].sum()]
        for g, (first, end) in enumerate(zip(model.group_edges[:-1], model.group_edges[1:], strict=True)):
            indices, distances = hamming_knn(codes[t : t + 1], model.code_bits[g], 8)
            behind = distances[0] - distances[0, 0]
            weights = [int(model.weights[g, j]) if j < 32 else 0 for j in behind]
            levels = model.votes[indices[0], first:end].astype(float)
            sums[first:end] += 4 * np.average(levels, axis=0, weights=weights)
        sums = np.clip(sums + 100 * (64 - t) / 64, -256, 384)
        index = (np.floor(sums / 4 + 0.5) + 128).astype(int)
        expected = model.response_q14[index] / 16384
        np.testing.assert_allclose(masks[t, list(band_edges(RECORDER)[:-1])], expected, atol=1e-12)


def test_log_odds_settle_by_direction_within_limits_and_start_high() -> None:
    settle = Settling(GainRules(4, 12, 2.0, 0.5))
    first = settle(np.array([[-3.0], [-9.0]]), np.array([False, True]))  # what is steady shows later
    np.testing.assert_allclose(first, [[-1.0], [-1.0 * 12 / 16 - 4.0 * 4 / 16]])
    settle(np.zeros((62, 1)), np.zeros(62, np.bool_))  # of the 64 frames in which the start fades
    end = settle(np.array([[6.0], [9.0], [0.5]]), np.array([False, False, True]))
    assert end[1, 0] == pytest.approx(end[0, 0] / 4 + 6.0 * 12 / 16) and end[2, 0] == pytest.approx(0.75 * end[1, 0])


def test_blocks_are_denoised_as_the_whole(rng: np.random.Generator) -> None:
    denoiser = FloatDenoiser(random_voting_model())
    x = 0.1 * rng.standard_normal(30_000)
    parts = list(denoiser.stream(iter(np.split(x, [100, 5000, 17_000]))))
    np.testing.assert_allclose(np.concatenate(parts), denoiser.denoise(x), atol=1e-12)


def test_the_size_is_that_of_the_tables() -> None:
    model = random_voting_model()
    size = HashDenoiser(model).size
    assert size.entries == 3 * 40 * 36 // 8
    assert size.parameters == 12 * 257 + 4 * 36
    assert size.masks == 40 * 80 + 3 * 32 + 12 * 4 * 80 + 512
