# SPDX-License-Identifier: Apache-2.0
"""The limit of attenuation: its texts, its place on a card, and what it does to masks in floats."""

import json
from dataclasses import replace

import numpy as np
import pytest

from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.errors import BlshError
from blsh_trainer.learning.joint.options import joint_options
from blsh_trainer.learning.options import EXTENDED
from blsh_trainer.model.artifact import load_model, save_model
from blsh_trainer.model.attenuation import (
    ATTENUATION_OFF,
    MOST_ATTENUATION,
    attenuation_text,
    check_attenuation,
    least_gain,
    parse_attenuation,
)
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.signals.geometry import CLASSES
from blsh_trainer.signals.spectra import stft

from .test_float_denoiser import random_model


@pytest.mark.parametrize(("text", "limit"), [("0", 0), ("12", 12), ("60", 60), ("off", ATTENUATION_OFF)])
def test_a_limit_is_whole_decibels_or_off(text, limit):
    assert parse_attenuation(text) == limit
    assert parse_attenuation(attenuation_text(limit).removesuffix(" dB")) == limit


@pytest.mark.parametrize("text", ["61", "-1", "12.5", "255", "", "none", "OFF", "٣", "1e1"])
def test_another_text_is_refused(text):
    with pytest.raises(BlshError, match=r"choose a whole number of dB from 0 \(bypass\) to 60, or `off`"):
        parse_attenuation(text)


@pytest.mark.parametrize("limit", [-1, 61, 254, 256, 12.0, True, "12", None])
def test_another_number_is_refused(limit):
    with pytest.raises(BlshError, match="0 to 60, or 255 for no limit"):
        check_attenuation(limit)
    with pytest.raises(BlshError, match="attenuation is"):
        replace(random_voting_model(), attenuation=limit)


def test_least_gains_are_those_of_decibels():
    assert least_gain(0) == 1 and least_gain(20) == pytest.approx(0.1) and least_gain(ATTENUATION_OFF) == 0
    assert least_gain(MOST_ATTENUATION) == pytest.approx(1e-3)


def models(rng):
    return random_model(rng, smoothing=4), random_voting_model(), random_voting_model(geometry=CLASSES["hearing"])


def test_a_model_without_a_limit_keeps_its_file_and_hash(rng, tmp_path):
    for model in models(rng):
        assert "attenuation" not in model.own_card()
        limited = replace(model, attenuation=12)
        assert limited.own_card() == model.own_card() | {"attenuation": 12}
        assert limited.sha256 != model.sha256 and limited.format_version == model.format_version
        save_model(tmp_path / "model.npz", limited)
        loaded = load_model(tmp_path / "model.npz")
        assert (loaded.attenuation, loaded.sha256, loaded.card) == (12, limited.sha256, limited.card)


@pytest.mark.parametrize(("limit", "words"), [(13, "changed after training"), (61, "attenuation is 61"), ("6", "'6'")])
def test_a_limit_changed_on_the_card_is_refused(rng, tmp_path, limit, words):
    path = tmp_path / "model.npz"
    save_model(path, replace(random_model(rng), attenuation=12))
    with np.load(path) as loaded:
        arrays = dict(loaded)
    card = json.loads(arrays["card"].tobytes()) | {"attenuation": limit}
    np.savez(path, **{**arrays, "card": np.frombuffer(json.dumps(card).encode(), dtype=np.uint8)})
    with pytest.raises(BlshError, match=words):
        load_model(path)


def test_no_mask_is_below_the_limit_and_none_above_it_changes(rng):
    for model in models(rng):
        X = stft(0.1 * rng.standard_normal(20_000), model.geometry)
        free = FloatDenoiser(model).masks(X)
        for limit in (0, 6, 20, ATTENUATION_OFF):
            wanted = np.maximum(free, least_gain(limit))
            np.testing.assert_array_equal(FloatDenoiser(model, limit).masks(X), wanted)
            np.testing.assert_array_equal(FloatDenoiser(replace(model, attenuation=limit)).masks(X), wanted)
        own = replace(model, attenuation=6)
        np.testing.assert_array_equal(FloatDenoiser(own, ATTENUATION_OFF).masks(X), free)


def test_a_limit_of_0_db_is_a_bypass(rng):
    x = 0.1 * rng.standard_normal(9000)
    for model in models(rng):
        np.testing.assert_allclose(FloatDenoiser(model, 0).denoise(x), x, atol=1e-12)


def test_a_training_names_the_limit_on_the_card_only_where_there_is_one():
    for options in (EXTENDED, joint_options({})):
        assert "attenuation" not in options.to_card()
    assert EXTENDED.with_(attenuation=12).to_card() == EXTENDED.to_card() | {"attenuation": 12}
    assert joint_options({"attenuation": 12}).to_card() == joint_options({}).to_card() | {"attenuation": 12}
    for wrong in (61, 254):
        with pytest.raises(BlshError, match="attenuation is"):
            EXTENDED.with_(attenuation=wrong).check()
        with pytest.raises(BlshError, match="attenuation is"):
            joint_options({"attenuation": wrong})
