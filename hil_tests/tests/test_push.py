# SPDX-License-Identifier: Apache-2.0
"""Push models over the link, to the firmware as a process of this machine."""

import dataclasses
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.emit.model_image import HEAD, encode_image, read_head, sealed
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.constants import ALL_KINDS, MAX_BITS, MAX_NEIGHBOURS, MAX_SMOOTHING, RUNTIME_FORMAT, ModelKind
from blsh_hil.boards.host import HostBoard, HostImage
from blsh_hil.boards.session import Expected, connect
from blsh_hil.link.board_errors import BoardError, RefusedError
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.compare import compare
from blsh_hil.prove.push import (
    NO_SLOT,
    ImageRefusedError,
    check_fits,
    push_model,
    read_slots,
    restore_factory,
    send_image,
    try_image,
)
from blsh_hil.prove.random_model import random_voting_model
from blsh_hil.wire.codes import ImageFault, SlotState
from blsh_hil.wire.messages import Done, ModelProve, ModelTry, PushBegin, PushData, PushReady
from blsh_trainer.errors import BlshError

from .slot_models import FACTORY, HOP, IMAGE, ONE, OTHER, SAMPLES, tiny_model

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("push")]  # one worker builds its fixtures, once

CRC_OF_SELF_TEST = 80


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "slots.bin"


@pytest.fixture
def client(factory_image: HostImage, storage: Path) -> Iterator[BoardClient]:
    board = HostBoard(factory_image, storage)
    with connect(board, Expected(FACTORY.model_sha256)) as opened:
        yield opened
        board.check()  # a sanitizer that found something has ended it


def model_on(factory_image: HostImage, storage: Path) -> str:
    """Return the name of the model that a board starts with."""
    with connect(HostBoard(factory_image, storage), Expected()) as client:
        return client.hello().model


def refused(fault: ImageFault | None, words: str, action: Callable[[], object]) -> None:
    with pytest.raises(ImageRefusedError, match=words) as caught:
        action()
    assert caught.value.fault is fault


# ---- what works ---------------------------------------------------------------------------------------------


def test_a_pushed_model_runs_bit_for_bit_and_stays(
    client: BoardClient, factory_image: HostImage, storage: Path
) -> None:
    said: list[tuple[str, int, int]] = []
    result = push_model(client, ONE, IMAGE, SAMPLES, lambda *told: said.append(told))
    assert (result.slot, result.image_bytes, result.resumed_at) == (0, len(IMAGE), 0)
    assert (result.sent_bytes, result.hops) == (len(IMAGE) - HEAD.size, 24)
    assert ("pushing", len(IMAGE), len(IMAGE)) in said
    hello = client.require(model_sha256=ONE.model_sha256, dictionary_crc32=ONE.dictionary_crc32)
    assert (hello.model, hello.bits, hello.entries, hello.neighbours) == ("one", 33, 150, 4)
    assert compare(client, VectorisedDenoiser(ONE), SAMPLES).exact
    client.close()
    assert model_on(factory_image, storage) == "one"


def test_the_next_model_goes_into_the_other_slot_and_the_running_one_is_not_sent_again(client: BoardClient) -> None:
    push_model(client, ONE, IMAGE, SAMPLES)
    assert push_model(client, OTHER, encode_image(OTHER), SAMPLES).slot == 1
    slots = read_slots(client)
    assert (slots.running, slots.sequence, slots.state) == (1, (1, 2), (SlotState.PROVEN, SlotState.PROVEN))
    assert push_model(client, OTHER, encode_image(OTHER), SAMPLES).sent_bytes == 0
    assert push_model(client, ONE, IMAGE, SAMPLES).slot == 0
    assert read_slots(client).sequence == (3, 2)


def test_a_voting_model_follows_one_with_masks_and_the_other_way_round(client: BoardClient) -> None:
    voting = integer_model(random_voting_model(), GenerateOptions())
    for model in (voting, ONE, voting):
        push_model(client, model, encode_image(model), SAMPLES)
        assert compare(client, VectorisedDenoiser(model), SAMPLES).exact
    hello = client.require(model_sha256=voting.model_sha256, dictionary_crc32=voting.dictionary_crc32)
    assert (hello.features, hello.bits, hello.entries, hello.neighbours) == (257, 36, 40, 8)


def test_a_firmware_without_code_for_votes_is_sent_no_voting_model(client: BoardClient) -> None:
    slots = read_slots(client)
    assert slots.kinds == ALL_KINDS
    for entries, words in ((128, "votes, and"), (129, "votes with more than 128 entries in a dictionary, and")):
        head = read_head(encode_image(integer_model(random_voting_model(entries=entries), GenerateOptions())))
        check_fits(head, slots)
        with pytest.raises(BlshError, match=rf"model 'random-voting' {words} the firmware has no code for that; gener"):
            check_fits(head, dataclasses.replace(slots, kinds=ModelKind.MASKS))


def test_back_to_the_factory(client: BoardClient, factory_image: HostImage, storage: Path) -> None:
    push_model(client, ONE, IMAGE, SAMPLES)
    push_model(client, OTHER, encode_image(OTHER), SAMPLES)
    restore_factory(client)
    client.require(model_sha256=FACTORY.model_sha256)
    assert compare(client, VectorisedDenoiser(FACTORY), SAMPLES).exact
    slots = read_slots(client)
    assert (slots.running, slots.state) == (NO_SLOT, (SlotState.EMPTY, SlotState.EMPTY))
    client.close()
    assert model_on(factory_image, storage) == "factory"


def test_an_interrupted_push_goes_on_where_it_stopped(
    client: BoardClient, factory_image: HostImage, storage: Path
) -> None:
    client.ask(PushBegin(IMAGE[: HEAD.size]), PushReady)
    for offset in range(HEAD.size, HEAD.size + 20 * 256, 256):
        client.ask(PushData(offset, IMAGE[offset : offset + 256]), Done)
    client.close()
    with connect(HostBoard(factory_image, storage), Expected()) as again:
        assert again.hello().model == "factory"
        result = push_model(again, ONE, IMAGE, SAMPLES)
        written = HEAD.size + 20 * 256
        assert result.resumed_at in range(written - 64, written)  # erased words at the end of it count as missing
        assert result.sent_bytes == len(IMAGE) - result.resumed_at
        assert again.hello().model == "one"


def test_the_stream_goes_on_while_a_model_comes_in(client: BoardClient) -> None:
    first = client.ask(PushBegin(IMAGE[: HEAD.size]), PushReady).offset
    reference = VectorisedDenoiser(FACTORY).hops(SAMPLES)
    client.reset_stream()
    for hop in range(24):
        offset = first + 256 * hop
        client.ask(PushData(offset, IMAGE[offset : offset + 256]), Done)
        part = slice(HOP * hop, HOP * (hop + 1))
        assert np.array_equal(client.hop(SAMPLES[part]).samples, reference[part])


# ---- what is refused ----------------------------------------------------------------------------------------


def with_head(image: bytes, offset: int, form: str, value: int) -> bytes:
    content = bytearray(image)
    struct.pack_into(form, content, offset, value)
    return sealed(bytes(content))


def test_a_corrupted_image_is_refused_and_the_old_model_runs_on(client: BoardClient) -> None:
    damaged = bytearray(IMAGE)
    damaged[len(IMAGE) // 2] ^= 4
    send_image(client, bytes(damaged))
    refused(ImageFault.DIGEST, "SHA-256 is not that of its content", lambda: try_image(client))
    client.require(model_sha256=FACTORY.model_sha256)
    assert compare(client, VectorisedDenoiser(FACTORY), SAMPLES[: 4 * HOP]).exact
    assert read_slots(client).state[0] == SlotState.EMPTY  # erased: the next transfer begins anew
    assert push_model(client, ONE, IMAGE, SAMPLES).resumed_at == 0


def test_a_truncated_transfer_is_refused(client: BoardClient) -> None:
    client.ask(PushBegin(IMAGE[: HEAD.size]), PushReady)
    client.ask(PushData(HEAD.size, IMAGE[HEAD.size : HEAD.size + 256]), Done)
    refused(ImageFault.DIGEST, "is not complete", lambda: try_image(client))


def test_what_damage_a_resumed_transfer_finds_is_sent_again(client: BoardClient) -> None:
    damaged = bytearray(IMAGE)
    damaged[HEAD.size + 40] ^= 1
    client.ask(PushBegin(IMAGE[: HEAD.size]), PushReady)
    for offset in range(HEAD.size, len(IMAGE) // 2, 256):
        client.ask(PushData(offset, bytes(damaged[offset : offset + 256])), Done)
    assert push_model(client, ONE, IMAGE, SAMPLES).sent_bytes == len(IMAGE) - HEAD.size


@pytest.mark.parametrize(
    ("offset", "form", "value", "fault", "words"),
    [
        (0, "<I", 7, ImageFault.MAGIC_WRONG, "does not begin like a model image"),
        (40, "<H", 9, ImageFault.FORMAT_UNKNOWN, "image format is unknown"),
        (42, "<H", RUNTIME_FORMAT - 1, None, "generated for another runtime format: make the image with the blsh"),
        (36, "<I", 1 << 24, ImageFault.SIZE, "does not fit the slot"),
        (92, "<H", MAX_BITS + 1, None, "the model has no bits, too many"),
        (94, "<H", MAX_NEIGHBOURS + 1, None, "no neighbour, or more than BLSH_MAX_NEIGHBOURS"),
        (84, "<I", 0, None, "fewer entries than neighbours, or more than BLSH_MAX_ENTRIES"),
        (102, "<H", MAX_SMOOTHING + 1, None, "masks, smoothing or votes of rules are unknown"),
    ],
)
def test_what_the_head_says_is_refused_before_anything_is_erased(
    client: BoardClient, storage: Path, offset: int, form: str, value: int, fault: ImageFault | None, words: str
) -> None:
    before = storage.read_bytes()
    refused(fault, words, lambda: send_image(client, with_head(IMAGE, offset, form, value)))
    assert storage.read_bytes() == before


def test_a_model_that_fails_the_self_test_is_refused(client: BoardClient) -> None:
    send_image(client, with_head(IMAGE, CRC_OF_SELF_TEST, "<I", 1))
    refused(ImageFault.SELF_TEST, "self-test with it gives other values", lambda: try_image(client))
    client.require(model_sha256=FACTORY.model_sha256)


def test_a_model_that_the_host_finds_different_is_not_kept(
    client: BoardClient, factory_image: HostImage, storage: Path
) -> None:
    gains = ONE.gain_q14.copy()
    gains[gains < 16384] += 1
    other = dataclasses.replace(ONE, gain_q14=gains)  # the model that the reference gets; the board gets ONE
    with pytest.raises(BoardError, match="differs from the reference, first in mask: hop 0, bin"):
        push_model(client, other, IMAGE, SAMPLES)
    assert client.hello().model == "factory"
    client.close()
    assert model_on(factory_image, storage) == "factory"


def test_a_model_on_trial_is_gone_after_a_reset_and_then_cannot_be_kept(client: BoardClient) -> None:
    send_image(client, IMAGE)
    try_image(client)
    assert client.hello().model == "one"
    client.reset()
    assert client.hello().model == "factory"
    with pytest.raises(RefusedError) as caught:
        client.ask(ModelProve(read_head(IMAGE).sha256), Done)
    assert caught.value.detail == ImageFault.NOT_BEGUN


def test_only_the_model_that_runs_is_kept(client: BoardClient) -> None:
    """Check that an older proven model, which runs after a restart, does not pass for the new one."""
    push_model(client, ONE, IMAGE, SAMPLES)
    client.ask(ModelProve(read_head(IMAGE).sha256), Done)  # asked twice: the answer may have been lost
    with pytest.raises(RefusedError) as caught:
        client.ask(ModelProve(read_head(encode_image(OTHER)).sha256), Done)
    assert caught.value.detail == ImageFault.NOT_BEGUN


def test_data_without_a_beginning_or_outside_the_image_is_refused(client: BoardClient, storage: Path) -> None:
    with pytest.raises(RefusedError) as caught:
        client.ask(PushData(HEAD.size, bytes(256)), Done)
    assert caught.value.detail == ImageFault.NOT_BEGUN
    with pytest.raises(RefusedError) as caught:
        client.ask(ModelTry(), Done)
    assert caught.value.detail == ImageFault.NOT_BEGUN
    client.ask(PushBegin(IMAGE[: HEAD.size]), PushReady)
    before = storage.read_bytes()
    for offset in (0, HEAD.size - 4, HEAD.size + 1, len(IMAGE), 0xFFFFFFFC):
        with pytest.raises(RefusedError) as caught:
            client.ask(PushData(offset, bytes(256)), Done)
        assert caught.value.detail == ImageFault.SIZE, offset
    assert storage.read_bytes() == before


def test_the_running_model_is_never_written(client: BoardClient) -> None:
    send_image(client, IMAGE)
    try_image(client)  # on trial, in the slot that a push would go on in
    with pytest.raises(RefusedError) as caught:
        client.ask(PushData(HEAD.size, bytes(256)), Done)
    assert caught.value.detail == ImageFault.NOT_BEGUN


def test_flash_that_holds_something_else_is_told(client: BoardClient) -> None:
    client.ask(PushBegin(IMAGE[: HEAD.size]), PushReady)
    client.ask(PushData(HEAD.size, bytes(256)), Done)
    with pytest.raises(RefusedError) as caught:
        client.ask(PushData(HEAD.size, b"\x01" * 256), Done)  # no bit can become 1 again
    assert caught.value.detail == ImageFault.FLASH


def test_a_board_without_storage_says_so(factory_image: HostImage) -> None:
    with (
        connect(HostBoard(factory_image), Expected()) as client,
        pytest.raises(BoardError, match=r"has no storage for models; give it `slots` in boards\.toml"),
    ):
        push_model(client, ONE, IMAGE, SAMPLES)


def test_what_does_not_fit_is_refused_with_numbers(client: BoardClient) -> None:
    slots = dataclasses.replace(read_slots(client), room=11_000, max_bits=32, max_neighbours=3, max_smoothed=1)
    head = read_head(IMAGE)
    with pytest.raises(
        BlshError, match=rf"has {len(IMAGE):,} bytes as an image, a slot has room for 11,000; give --en"
    ):
        check_fits(head, slots)
    slots = dataclasses.replace(slots, room=1 << 20)
    with pytest.raises(BlshError, match=r"has 33 bits, the firmware's state holds 32; give --bits 32, or .*bits 33"):
        check_fits(head, slots)
    slots = dataclasses.replace(slots, max_bits=33)
    with pytest.raises(BlshError, match=r"has 4 neighbours, the firmware's state holds 3; .* --room-neighbours 4"):
        check_fits(head, slots)
    slots = dataclasses.replace(slots, max_neighbours=4)
    with pytest.raises(BlshError, match=r"has 80 bands of a smoothed mask, .* holds 1; .* --slots --room-smoothed 80"):
        check_fits(head, slots)
    check_fits(head, dataclasses.replace(slots, max_smoothed=80))


def test_requests_in_any_order_leave_a_sound_model(
    factory_image: HostImage, storage: Path, rng: np.random.Generator
) -> None:
    models = {model.name: model for model in (FACTORY, ONE, OTHER)}
    images = [IMAGE, encode_image(OTHER)]
    models_of = dict(zip(images, ("one", "other"), strict=True))
    proven = {"factory"}
    with connect(HostBoard(factory_image, storage), Expected()) as client:
        for _ in range(250):
            image = images[rng.integers(2)]
            offset = int(rng.integers(HEAD.size // 4, len(image) // 4)) * 4
            before = client.hello().model
            action = rng.integers(9)
            try:
                match action:
                    case 0:
                        client.ask(PushBegin(image[: HEAD.size]), PushReady)
                    case 1:
                        client.ask(
                            PushBegin(bytes(rng.permutation(np.frombuffer(image[: HEAD.size], "u1")))), PushReady
                        )
                    case 2:
                        client.ask(PushData(offset, image[offset : offset + 256]), Done)
                    case 3:
                        client.ask(PushData(int(rng.integers(1 << 32)), rng.bytes(256)), Done)
                    case 4 | 5:
                        send_image(client, image)
                        client.ask(ModelTry(), Done)
                    case 6:
                        client.ask(ModelTry(), Done)
                    case 7:
                        client.ask(ModelProve(read_head(image).sha256), Done)
                        assert before == models_of[image]
                        proven.add(before)
                    case _:
                        client.reset()
                        assert client.hello().model in proven
            except (ImageRefusedError, RefusedError):
                pass
            name = client.require().model
            assert compare(client, VectorisedDenoiser(models[name]), SAMPLES[: 2 * HOP]).exact


# ---- power cuts ---------------------------------------------------------------------------------------------


def test_a_process_that_loses_its_power_starts_with_the_old_model_or_the_new_one(
    factory_image: HostImage, storage: Path, rng: np.random.Generator
) -> None:
    """Sample the sweep of test_power_cuts.py, with the whole firmware and the link."""
    image = encode_image(tiny_model(1))
    steps = 1024 + len(image) // 4  # the sectors of a slot, and the words
    for step in sorted(rng.choice(np.arange(1000, steps), 8, replace=False).tolist()):
        storage.unlink(missing_ok=True)
        with (
            pytest.raises(BlshError),
            connect(HostBoard(factory_image, storage, cut_after=step, cut_seed=step), Expected()) as c,
        ):
            push_model(c, tiny_model(1), image, SAMPLES[: 4 * HOP])
        with connect(HostBoard(factory_image, storage), Expected()) as client:
            assert client.require().model in ("factory", "slot-1"), step
            push_model(client, tiny_model(1), image, SAMPLES[: 4 * HOP])
            assert client.require().model == "slot-1"
