# SPDX-License-Identifier: Apache-2.0
"""Cut the power at every write of a transfer: afterwards the old model runs or the new one, and a push goes on.

In memory, with the firmware's own models.c; each cut leaves the word or sector that it struck done in part, from not at
all to wholly. test_push.py cuts real processes and emulators.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.model_image import encode_image, read_head
from blsh_hil.prove.push import NO_SLOT
from blsh_hil.wire.codes import SlotState

from .slot_models import tiny_model
from .slots_on_host import POWER_CUT, SLOT_BYTES, MemoryBoard, compile_library

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("power cuts")]  # one worker builds its fixtures, once

FACTORY, FIRST, SECOND, THIRD = range(4)
IMAGES = [encode_image(tiny_model(seed)) for seed in range(4)]
RUNS = {image: (read_head(image).model_sha256, read_head(image).self_test_crc32) for image in IMAGES}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> MemoryBoard:
    return MemoryBoard(compile_library(tmp_path_factory.mktemp("slots")), IMAGES[FACTORY])


def running(board: MemoryBoard) -> bytes:
    """Start; return the image that runs. Its self-test must give the reference's value: no broken model runs."""
    _, model, self_test = board.power_on()
    found = [image for image, runs in RUNS.items() if runs == (model, self_test)]
    assert found, f"a broken model runs: {model}, its self-test gives {self_test:08x}"
    return found[0]


def prepared(board: MemoryBoard, content: bytes, *pushed: int) -> bytes:
    """Return the slots after these pushes onto `content`."""
    board.fill(content)
    board.cut_after(0)
    for number in pushed:
        board.power_on()
        assert board.push(IMAGES[number]) == 0
        assert running(board) == IMAGES[number]
    return board.content()


def steps_of(board: MemoryBoard, content: bytes, action: Callable[[], int]) -> int:
    """Return how many writes `action` makes on `content` when nothing disturbs it."""
    board.fill(content)
    board.power_on()
    board.cut_after(0)
    assert action() == 0
    return board.steps


ERASED = b"\xff" * (2 * SLOT_BYTES)
GARBAGE = np.random.default_rng(8).bytes(2 * SLOT_BYTES)
CASES = {
    "onto an empty flash": (ERASED, (), FACTORY, FIRST),
    "onto whatever lay there": (GARBAGE, (), FACTORY, FIRST),
    "into the second slot": (ERASED, (FIRST,), FIRST, SECOND),
    "over an older model": (ERASED, (FIRST, SECOND), SECOND, THIRD),
    "over the same model, older": (ERASED, (FIRST, SECOND), SECOND, FIRST),
}
SLOW_CASES = ("onto an empty flash", "into the second slot", "over the same model, older")


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=name, marks=pytest.mark.slow if name in SLOW_CASES else ()) for name, case in CASES.items()],
)
def test_a_cut_at_every_step_of_a_push_leaves_the_old_model_or_the_new_one(
    board: MemoryBoard, case: tuple[bytes, tuple[int, ...], int, int], test_seed: int
) -> None:
    content, before, old, new = case
    start = prepared(board, content, *before)
    total = steps_of(board, start, lambda: board.push(IMAGES[new]))
    assert total > len(IMAGES[new]) / 4 * 0.8  # nearly every word of it is a step of its own
    survived = {old: 0, new: 0}
    for step in [*range(1, total + 1), *[total] * 59]:  # the last one, of the proof, may be done or not
        board.fill(start)
        assert running(board) == IMAGES[old]
        board.cut_after(step, test_seed + sum(survived.values()))
        assert board.push(IMAGES[new]) == POWER_CUT
        board.cut_after(0)
        found = running(board)
        assert found in (IMAGES[old], IMAGES[new]), f"step {step}"
        survived[old if found == IMAGES[old] else new] += 1
        assert board.push(IMAGES[new]) == 0, f"step {step}"
        assert running(board) == IMAGES[new], f"step {step}"
    tried = sum(survived.values())
    print(
        f"{tried} cuts tried at {total} steps, {survived[old]} ran the old model, {survived[new]} the new one, 0 lost"
    )
    assert min(survived.values()) > 0


def test_two_cuts_one_after_the_other(board: MemoryBoard, rng: np.random.Generator) -> None:
    start = prepared(board, ERASED, FIRST, SECOND)
    total = steps_of(board, start, lambda: board.push(IMAGES[THIRD]))
    for _ in range(400):
        board.fill(start)
        for _ in range(2):
            running(board)
            board.cut_after(int(rng.integers(1, total + 1)), int(rng.integers(1 << 32)))
            assert board.push(IMAGES[THIRD]) in (0, POWER_CUT)
            assert running(board) in (IMAGES[SECOND], IMAGES[THIRD])
        board.cut_after(0)
        assert board.push(IMAGES[THIRD]) == 0
        assert running(board) == IMAGES[THIRD]


def test_a_cut_while_going_back_to_the_factory_never_brings_back_an_older_model(
    board: MemoryBoard, test_seed: int
) -> None:
    start = prepared(board, ERASED, FIRST, SECOND)
    total = steps_of(board, start, board.erase)
    assert total == 2  # the first sector of each slot
    for step in range(1, total + 1):
        for seed in range(50):
            board.fill(start)
            running(board)
            board.cut_after(step, test_seed + seed)
            assert board.erase() == POWER_CUT
            board.cut_after(0)
            assert running(board) in (IMAGES[SECOND], IMAGES[FACTORY])
            assert board.erase() == 0
            assert running(board) == IMAGES[FACTORY]


def test_a_model_on_trial_is_gone_after_a_reset(board: MemoryBoard) -> None:
    prepared(board, ERASED, FIRST)
    assert board.try_only(IMAGES[SECOND]) == 0
    assert running(board) == IMAGES[FIRST]
    assert board.state(1) == SlotState.UNPROVEN


def test_an_interrupted_transfer_goes_on_and_writes_nothing_twice(board: MemoryBoard) -> None:
    start = prepared(board, ERASED, FIRST)
    total = steps_of(board, start, lambda: board.push(IMAGES[SECOND]))
    for step in range(60, total, 97):  # from behind the head on: within it, it begins anew
        board.fill(start)
        board.power_on()
        board.cut_after(step, 3)
        assert board.push(IMAGES[SECOND]) == POWER_CUT
        board.power_on()
        board.cut_after(0)
        assert board.push(IMAGES[SECOND]) == 0
        assert board.steps in (total - step, total - step + 1)  # the word that was struck, perhaps again


def test_another_image_than_the_interrupted_one_begins_anew(board: MemoryBoard) -> None:
    start = prepared(board, ERASED, FIRST)
    board.power_on()
    board.cut_after(400, 1)
    assert board.push(IMAGES[SECOND]) == POWER_CUT
    board.power_on()
    board.cut_after(0)
    assert board.push(IMAGES[THIRD]) == 0
    assert running(board) == IMAGES[THIRD]
    assert start[:SLOT_BYTES] == board.content()[:SLOT_BYTES]  # the old model's slot was left alone


def test_the_newest_proven_model_is_taken_and_the_older_one_where_it_is_damaged(board: MemoryBoard) -> None:
    prepared(board, ERASED, FIRST, SECOND)
    assert board.power_on()[0] == 1
    board.flip(1, 8 * 1000)
    assert running(board) == IMAGES[FIRST]
    board.flip(0, 8 * 1000)
    assert running(board) == IMAGES[FACTORY]
    assert board.power_on()[0] == NO_SLOT
    board.flip(1, 8 * 1000)
    assert running(board) == IMAGES[SECOND]


@pytest.mark.slow
def test_every_bit_that_flips_in_a_stored_model_is_caught(board: MemoryBoard) -> None:
    prepared(board, ERASED, FIRST)
    stored = 8 * (12 + len(IMAGES[FIRST]))  # the slot's record and the image
    caught = 0
    for bit in range(stored):
        board.flip(0, bit)
        caught += board.state(0) != SlotState.PROVEN
        board.flip(0, bit)
    print(f"{caught} of {stored} flipped bits caught")
    assert caught == stored
    assert board.state(0) == SlotState.PROVEN


def test_a_firmware_with_another_compiled_model_forgets_what_was_pushed(board: MemoryBoard, tmp_path: Path) -> None:
    content = prepared(board, ERASED, FIRST, SECOND)
    other = MemoryBoard(compile_library(tmp_path), IMAGES[THIRD])
    other.fill(content)
    assert running(other) == IMAGES[THIRD]
    assert other.state(0) == other.state(1) == SlotState.EMPTY
    assert other.push(IMAGES[FIRST]) == 0
    assert running(other) == IMAGES[FIRST]


def test_a_model_with_a_flipped_bit_does_not_run(board: MemoryBoard, rng: np.random.Generator) -> None:
    prepared(board, ERASED, FIRST)
    stored = 8 * (12 + len(IMAGES[FIRST]))
    for bit in [*range(96), *rng.integers(96, stored, 400).tolist()]:
        board.flip(0, bit)
        assert running(board) == IMAGES[FACTORY], f"bit {bit}"
        board.flip(0, bit)
