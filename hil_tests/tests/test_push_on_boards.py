# SPDX-License-Identifier: Apache-2.0
"""Push models over the link to emulated boards, which the reset button interrupts."""

from pathlib import Path

import pytest

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.emit.model_image import HEAD, encode_image
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_firmware.build.compiler_alone import build_alone
from blsh_hil.boards.session import Expected, connect
from blsh_hil.boards.table import find_board
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.link.board_errors import BoardError
from blsh_hil.prove.compare import compare
from blsh_hil.prove.push import push_model, read_slots, restore_factory
from blsh_trainer.errors import BlshError

from .marks import needs_emulator
from .slot_models import FACTORY, HOP, IMAGE, ONE, OTHER, SAMPLES, slot_model

pytestmark = [pytest.mark.heavy, needs_emulator]
WITH_SLOTS = GenerateOptions(slots=True)


@pytest.mark.parametrize(
    "name",
    [
        "microbit",
        "mps3-an547",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("mps2-an386", "netduinoplus2")),
    ],
)
def test_a_board_takes_models_and_is_bit_exact_with_them(name: str, tmp_path: Path) -> None:
    board = find_board(name)
    elf = build_alone(board, FACTORY, tmp_path, WITH_SLOTS)
    with connect(VirtualBoard(board, elf), Expected(FACTORY.model_sha256)) as client:
        assert board.slots is not None
        assert read_slots(client).room == board.slots.size - 12
        assert push_model(client, ONE, IMAGE, SAMPLES).slot == 0
        assert push_model(client, OTHER, encode_image(OTHER), SAMPLES).slot == 1
        assert compare(client, VectorisedDenoiser(OTHER), SAMPLES[: 6 * HOP]).exact
        assert client.hello().stack_bytes_used < board.stack_bytes
        restore_factory(client)
        assert compare(client, VectorisedDenoiser(FACTORY), SAMPLES[: 6 * HOP]).exact


def test_a_board_that_is_reset_during_a_push_runs_the_old_model_or_the_new_one(tmp_path: Path) -> None:
    """Press the reset button at steps throughout the transfer: the client must go on by itself."""
    board = find_board("microbit")
    virtual = VirtualBoard(board, build_alone(board, FACTORY, tmp_path, WITH_SLOTS))
    pieces = -(-(len(IMAGE) - HEAD.size) // 256)
    resets = [0, 1, pieces // 3, pieces // 2, pieces - 2]

    def reset_now(what: str, done: int, total: int) -> None:
        if what == "pushing" and resets and done >= HEAD.size + 256 * resets[0]:
            resets.pop(0)
            virtual.press_reset()

    with connect(virtual, Expected(FACTORY.model_sha256)) as client:
        push_model(client, ONE, IMAGE, SAMPLES[: 6 * HOP], reset_now)
        assert resets == []
        assert client.counts.restarts >= 5
        assert client.require(model_sha256=ONE.model_sha256).model == "one"


def test_a_board_that_is_reset_on_trial_goes_back_and_the_same_push_completes_it(tmp_path: Path) -> None:
    board = find_board("mps2-an386")
    virtual = VirtualBoard(board, build_alone(board, FACTORY, tmp_path, WITH_SLOTS))

    def reset_while_comparing(what: str, done: int, _: int) -> None:
        if what == "comparing" and done == 3:
            virtual.press_reset()

    with connect(virtual, Expected()) as client:
        with pytest.raises(BoardError, match="started again with other firmware or another model: factory"):
            push_model(client, ONE, IMAGE, SAMPLES[: 8 * HOP], reset_while_comparing)
        assert client.require().model == "factory"
        assert push_model(client, ONE, IMAGE, SAMPLES[: 8 * HOP]).sent_bytes <= 256
        assert client.require().model == "one"


def test_firmware_without_slots_says_how_to_get_them(tmp_path: Path) -> None:
    board = find_board("mps2-an386")
    with (
        connect(VirtualBoard(board, build_alone(board, FACTORY, tmp_path)), Expected()) as client,
        pytest.raises(BoardError, match="takes no other models; generate it with `blsh generate MODEL --slots`"),
    ):
        push_model(client, ONE, IMAGE, SAMPLES)


def test_firmware_that_reaches_into_the_slots_does_not_link(tmp_path: Path) -> None:
    board = find_board("microbit")
    large = slot_model(9, "stft", bits=320, entries=1000)  # 128 KiB are below the slots
    with pytest.raises(BlshError, match="the firmware reaches into the slots for models"):
        build_alone(board, large, tmp_path, WITH_SLOTS)
