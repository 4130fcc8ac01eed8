# SPDX-License-Identifier: Apache-2.0
"""Check the parts of a transfer by themselves: the window, the retry budget and the hops kept for a replay."""

import pytest

from blsh_hil.link.hops import HopRequest
from blsh_hil.link.stream_state import Replay
from blsh_hil.link.transfer import RetryBudget, Window

HOPS = [HopRequest(bytes([number])) for number in range(6)]


def test_window_has_room_for_its_size_and_goes_back_to_the_first_unanswered_hop() -> None:
    window = Window(2, first=4)
    for sequence in (101, 102):
        assert window.room(first_unanswered=4) > 0
        window.note_sent(sequence)
    assert (window.room(4), window.hop_of(101), window.hop_of(102)) == (0, 4, 5)
    window.note_answered(5)
    assert (window.room(5), window.hop_of(101), window.hop_of(102)) == (1, None, 5)
    window.go_back(5)
    assert (window.to_send, window.room(5), window.hop_of(102)) == (5, 2, None)


def test_budget_is_renewed_by_an_answer_but_fresh_starts_only_by_a_hop_further_than_ever() -> None:
    budget = RetryBudget(limit=2, seconds=60, first=0)
    assert [budget.spend_repeat() for _ in range(3)] == [True, True, False]
    budget.note_answer(1)
    assert budget.spend_repeat()
    budget.fresh_starts = 2
    for first_unanswered in (1, 1):  # the stream is played again, up to where it was
        budget.note_answer(first_unanswered)
        assert budget.fresh_starts_spent
    budget.note_answer(2)
    assert not budget.fresh_starts_spent


def test_budget_without_time_is_spent() -> None:
    assert not RetryBudget(limit=2, seconds=0, first=0).spend_repeat()


def test_tries_share_the_time_that_is_left() -> None:
    budget = RetryBudget(limit=2, seconds=30, first=0)
    first = budget.share()
    assert budget.deadline - first == pytest.approx(20, abs=1)
    budget.spend_repeat()
    assert budget.deadline - budget.share() == pytest.approx(15, abs=1)


def test_replay_numbers_its_hops_from_the_start_of_the_stream() -> None:
    replay = Replay()
    replay.add(HOPS)
    assert (replay.end, replay.from_the_start, replay[3]) == (6, True, HOPS[3])
    replay.drop_before(2)
    assert (replay.end, replay.from_the_start, replay[3]) == (6, False, HOPS[3])
    replay.drop_from(4)
    assert replay.end == 4
    replay.clear()
    assert (replay.end, replay.from_the_start) == (0, True)
