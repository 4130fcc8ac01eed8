"""How many bytes of flash a model takes, and how many entries a budget holds."""

import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.flash import CODE_BYTES, KIB, TABLE_BYTES, entries_within, model_bytes
from blsh_trainer.signals.masks import MASK_KINDS

BANDS2, IBM = MASK_KINDS["bands2"], MASK_KINDS["ibm"]


def test_bytes_are_those_of_every_part():
    fixed = CODE_BYTES + TABLE_BYTES + 64 * 128 + 64 * 2
    # of a block of 32 entries a word for each of the L bits and ten more; twice as much for the bounds of 32 blocks
    assert model_bytes(64, 128, 1024, BANDS2) == fixed + 32 * 74 * 4 + 74 * 8 + 1024 * 20
    assert model_bytes(64, 128, 1025, BANDS2) == fixed + 33 * 74 * 4 + 2 * 74 * 8 + 1025 * 20
    assert model_bytes(50, 128, 32, IBM) == CODE_BYTES + TABLE_BYTES + 50 * 130 + 60 * 4 + 60 * 8 + 32 * 68


@pytest.mark.parametrize("masks", [BANDS2, IBM], ids=["bands2", "ibm"])
@pytest.mark.parametrize("budget", [64 * KIB, 100_000, 256 * KIB, 2048 * KIB])
def test_a_budget_holds_as_many_blocks_as_fit(masks, budget):
    entries = entries_within(budget, 64, 128, masks, 1_000_000, 8)
    assert entries % 32 == 0
    assert model_bytes(64, 128, entries, masks) <= budget < model_bytes(64, 128, entries + 32, masks)


def test_no_more_entries_than_there_are():
    assert entries_within(2048 * KIB, 64, 128, BANDS2, 777, 8) == 777


def test_a_budget_without_room_is_refused_with_what_would_do():
    needed = model_bytes(64, 128, 8, BANDS2)
    with pytest.raises(BlshError, match=f"20000 bytes of flash; 8 entries .* take {needed}"):
        entries_within(20_000, 64, 128, BANDS2, 1000, 8)
