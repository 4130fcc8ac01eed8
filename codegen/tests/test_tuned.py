# SPDX-License-Identifier: Apache-2.0
"""A tuned model is computed with the same bits everywhere, says what it is, and is written and read as any other."""

from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model, load_model, save_model
from blsh_trainer.model.attenuation import ATTENUATION_OFF
from blsh_trainer.model.tuning import Tuning, tuned, tuned_text
from blsh_trainer.signals.geometry import CLASSES

from .agreement import assert_all_agree

HEARING = CLASSES["hearing"]


def masks() -> Model:
    """Return a small artifact with masks."""
    rng = np.random.default_rng(11)
    projections = rng.normal(size=(20, 128))
    return Model(
        name="small",
        feature_kind="mel",
        neighbours=5,
        projections=projections,
        biases=-projections.mean(axis=1),
        betas=np.ones(20),
        code_bits=rng.random((64, 20)) < 0.5,
        mask_levels=(rng.random((64, HEARING.bins)) < 0.5).astype(np.uint8),
        card={"corpus": "none"},
        geometry=HEARING,
    )


@pytest.mark.parametrize(
    "tuning",
    [Tuning(12, 9, 2), Tuning(smoothing=0, smoothing_down=15), Tuning(attenuation=0), Tuning(ATTENUATION_OFF, 15, 0)],
    ids=str,
)
def test_all_engines_agree_on_a_tuned_voting_model(rng: np.random.Generator, tuning: Tuning) -> None:
    model = tuned(random_voting_model(geometry=HEARING), tuning)
    signal = edge_signal("speech_like", 12 * HEARING.hop, rng)
    assert_all_agree(integer_model(model, GenerateOptions()), signal, str(tuning))


def test_all_engines_agree_on_a_tuned_model_with_masks(rng: np.random.Generator) -> None:
    model = integer_model(tuned(masks(), Tuning(20, 7)), GenerateOptions())
    assert (model.smoothing, model.attenuation) == (7, 20)
    assert_all_agree(model, edge_signal("speech_like", 12 * HEARING.hop, rng), "masks")


def test_its_card_says_what_it_was_and_the_file_keeps_it(tmp_path: Path) -> None:
    model = random_voting_model(settling=(4, 4, 1, 2))
    other = tuned(model, Tuning(12, 6))
    assert other.sha256 != model.sha256
    save_model(tmp_path / "tuned.npz", other)
    found = load_model(tmp_path / "tuned.npz")
    assert (found.sha256, found.smoothing, found.attenuation) == (other.sha256, 6, 12)
    assert found.card["tuned"] == {"parent_sha256": model.sha256, "attenuation": ATTENUATION_OFF, "smoothing": 4}
    told = f"attenuation 12 dB, was off; smoothing 6, was 4; of {model.sha256[:12]}"
    assert (tuned_text(found), tuned_text(model)) == (told, None)


@pytest.mark.parametrize("tuning", [Tuning(), Tuning(ATTENUATION_OFF), Tuning(smoothing=4, smoothing_down=4)], ids=str)
def test_its_own_values_leave_a_model_as_it_is(tuning: Tuning) -> None:
    model = random_voting_model(settling=(4, 4, 1, 2))
    assert tuned(model, tuning) is model


@pytest.mark.parametrize("tuning", [Tuning(61), Tuning(smoothing=16), Tuning(smoothing_down=-1)], ids=str)
def test_values_out_of_range_are_refused(tuning: Tuning) -> None:
    with pytest.raises(BlshError, match="choose a whole number"):
        tuned(random_voting_model(), tuning)


def test_masks_have_one_smoothing() -> None:
    with pytest.raises(BlshError, match="a model with masks, which has one smoothing; leave it out"):
        tuned(masks(), Tuning(smoothing_down=3))
