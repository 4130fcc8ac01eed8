# SPDX-License-Identifier: Apache-2.0
"""The options of a training, by part and by name: what the card holds of them, and what is refused."""

from dataclasses import fields

import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.learning.options import EXTENDED, PAPER, SYSTEMS, system_options

PAPER_CARD = {
    "name": "blsh",
    "seed": 0,
    "feature_kind": "mel",
    "mask_kind": "ibm",
    "snr_db": 0.0,
    "varied": False,
    "passes": 1,
    "max_frames": 100_000,
    "bits": 50,
    "learner": "blsh",
    "weighting": "masks",
    "ordered": True,
    "steps": 400,
    "target": "linear",
    "sigma2": 0.5,
    "fit_frames": 40_000,
    "neighbours": 10,
    "entries": None,
    "refine_steps": 0,
    "lengths": [],
    "smoothing": 0,
    "floor": 0,
}
EXTENDED_CARD = PAPER_CARD | {
    "feature_kind": "tracked",
    "mask_kind": "bands2",
    "varied": True,
    "passes": 4,
    "max_frames": 300_000,
    "bits": 128,
    "ordered": False,
    "steps": 600,
    "fit_frames": 60_000,
    "neighbours": 8,
    "entries": 4096,
    "refine_steps": 1200,
    "lengths": [64, 128],
    "smoothing": 4,
}


def test_the_card_has_the_keys_and_values_that_are_part_of_every_models_identity():
    """Another key or default gives every model another SHA-256: a model trained again would not be the same."""
    assert PAPER.to_card() == PAPER_CARD
    assert EXTENDED.to_card() == EXTENDED_CARD
    assert SYSTEMS == {"extended": EXTENDED, "paper": PAPER}


def test_no_two_parts_have_an_option_of_one_name():
    parts = [EXTENDED.frames, EXTENDED.code, EXTENDED.dictionary, EXTENDED.playback]
    names = [field.name for part in parts for field in fields(part)]
    assert sorted([*names, "name", "seed"]) == sorted([*PAPER_CARD, "geometry", "attenuation"])


@pytest.mark.parametrize("name", PAPER_CARD)
def test_an_option_is_changed_by_its_name_and_no_other_is(name):
    changed = PAPER.with_(**{name: EXTENDED_CARD[name]})
    assert changed.to_card() == PAPER_CARD | {name: EXTENDED_CARD[name]}
    if name != "lengths":  # a list on the card, as JSON has no tuples
        assert EXTENDED.with_(**{name: PAPER_CARD[name]}).with_(**{name: EXTENDED_CARD[name]}) == EXTENDED


def test_an_option_that_there_is_not_is_refused():
    with pytest.raises(BlshError, match=r"option .bit. is unknown, did you mean bits.; choose one of .*, weighting"):
        PAPER.with_(bit=3)
    with pytest.raises(BlshError, match="option 'frames' is unknown"):
        PAPER.with_(frames=PAPER.frames)


@pytest.mark.parametrize(
    ("given", "steps", "lengths"),
    [
        ({}, 1200, (64, 128)),
        ({"bits": 70}, 1200, (64,)),
        ({"bits": 64}, 1200, ()),
        ({"mask_kind": "bands1"}, 1200, (64, 128)),
        ({"mask_kind": "ibm"}, 0, ()),
        ({"learner": "blsh", "bits": 70}, 0, ()),
        ({"weighting": "residual"}, 0, ()),
    ],
)
def test_refining_belongs_to_the_extended_system_as_a_whole(given, steps, lengths):
    dictionary = system_options("extended", given).dictionary
    assert (dictionary.refine_steps, dictionary.lengths) == (steps, lengths)


def test_an_unknown_system_is_refused():
    with pytest.raises(BlshError, match="system 'mine' is unknown; choose one of extended, paper"):
        system_options("mine", {})
