# SPDX-License-Identifier: Apache-2.0
"""Check the board's side of repeats: it does a hop once, however often the hop is asked for."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_hil.boards.host import HostBoard, HostImage, build_host
from blsh_hil.link.client import BoardClient
from blsh_hil.link.port import Port
from blsh_hil.prove.random_model import generate_into, random_model
from blsh_hil.wire.codes import ErrorCode, HopFlag
from blsh_hil.wire.framing import Decoder, Frame, encode
from blsh_hil.wire.layout import Message
from blsh_hil.wire.messages import Check, Done, Error, Hop, HopDone, ResetStream, StageData

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("hop once")]  # one worker builds its fixtures, once

MODEL = random_model()
HOP = MODEL.geometry.hop
SAMPLES = np.random.default_rng(3).integers(-9000, 9000, (8, HOP)).astype(np.int16)
OUTPUT = VectorisedDenoiser(MODEL).hops(SAMPLES.reshape(-1)).reshape(-1, HOP)
STREAM = 0xBEEF


class Board:
    """A board that is asked frame by frame, also as no sound host would ask."""

    def __init__(self, url: str) -> None:
        self._port = Port(url, baud=115200)
        self._decoder = Decoder()
        self._sequence = 0

    def ask(self, message: Message) -> list[Frame]:
        """Return the board's frames, up to the one that ends an answer."""
        self._sequence += 1
        self._port.write(encode(message.TYPE, self._sequence, message.pack()), time.monotonic() + 10)
        found: list[Frame] = []
        while not found or found[-1].type == StageData.TYPE:
            data = self._port.read(time.monotonic() + 10)
            assert data, "no answer"
            for item in self._decoder.feed(data):
                assert isinstance(item, Frame)
                found += [item] if item.sequence else []  # 0: it has started
        assert {frame.sequence for frame in found} == {self._sequence}
        return found

    def start(self, stream: int = STREAM) -> None:
        assert self.ask(ResetStream(stream))[0].type == Done.TYPE

    def hop(self, number: int, flags: int = 0, *, stage: int = 0, place: int | None = None) -> HopDone:
        """Return the samples of a hop, or those of `place`."""
        samples = SAMPLES[number if place is None else place].tobytes()
        frame = self.ask(Hop(number & 0xFFFF, STREAM, flags, stage, samples=samples))[-1]
        assert frame.type == HopDone.TYPE, Error.unpack(frame.payload)
        done = HopDone.unpack(frame.payload)
        assert (done.hop, done.stream, done.flags, done.integrity) == (number, STREAM, flags, 0)
        assert done.samples == OUTPUT[number].tobytes()
        return done

    def refused(self, number: int, flags: int = 0, *, stream: int = STREAM) -> tuple[ErrorCode, int]:
        frame = self.ask(Hop(number & 0xFFFF, stream, flags, 0, samples=SAMPLES[0].tobytes()))[-1]
        assert frame.type == Error.TYPE
        error = Error.unpack(frame.payload)
        return ErrorCode(error.code), error.detail  # type: ignore[call-arg]

    def close(self) -> None:
        self._port.close()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> HostImage:
    return build_host(generate_into(tmp_path_factory.mktemp("model") / "generated", MODEL), sanitize=True)


@pytest.fixture
def board(image: HostImage) -> Iterator[Board]:
    with HostBoard(image) as running:
        opened = Board(running.url)
        opened.start()
        yield opened
        opened.close()
        running.check()


def test_repeated_hops_are_answered_alike_and_done_once(board: Board) -> None:
    first = [board.hop(number) for number in range(2)]
    for _ in range(3):
        assert [board.hop(number) for number in range(2)] == first
    third = board.hop(2)
    assert [board.hop(1), board.hop(2), board.hop(1)] == [first[1], third, first[1]]
    for number in range(3, 8):  # and the stream has gone on as if nothing had been
        board.hop(number)


def test_samples_of_a_repeat_are_not_looked_at(board: Board) -> None:
    done = board.hop(0)
    assert board.hop(0, place=5) == done
    board.hop(1)


@pytest.mark.parametrize(
    "flags", [HopFlag.DIGESTS, HopFlag.STAGE_TICKS, HopFlag.DIGESTS | HopFlag.STAGE_TICKS, HopFlag.MASKED_IRQ]
)
def test_repeat_brings_the_same_extras(board: Board, flags: HopFlag) -> None:
    board.hop(0)
    done = board.hop(1, flags)
    assert [board.hop(1, flags), board.hop(1, flags)] == [done, done]
    board.hop(2)


def test_repeat_with_other_flags_is_refused(board: Board) -> None:
    board.hop(0, HopFlag.DIGESTS)
    for flags in (0, HopFlag.STAGE_TICKS, HopFlag.DIGESTS | HopFlag.DUMP):
        assert board.refused(0, flags) == (ErrorCode.OUT_OF_ORDER, 1)
    board.hop(1)
    assert board.refused(0) == (ErrorCode.OUT_OF_ORDER, 2)
    assert board.refused(0, HopFlag.DIGESTS) == (ErrorCode.OUT_OF_ORDER, 2)
    board.hop(2)


def test_dump_is_not_repeated(board: Board) -> None:
    board.hop(0, HopFlag.DUMP, stage=4)
    assert board.refused(0, HopFlag.DUMP) == (ErrorCode.OUT_OF_ORDER, 1)
    board.hop(1)


@pytest.mark.parametrize("number", [1, 2, 5, 0xFFFF, 0xFFFE])
def test_hop_out_of_order_is_refused_with_the_number_expected(board: Board, number: int) -> None:
    assert board.refused(number) == (ErrorCode.OUT_OF_ORDER, 0)
    board.hop(0)
    board.hop(1)
    board.hop(2)
    assert board.refused(0) == (ErrorCode.OUT_OF_ORDER, 3), "only two replies are kept"
    assert board.refused(4) == (ErrorCode.OUT_OF_ORDER, 3)
    board.hop(3)


def test_hop_of_another_stream_is_refused(board: Board) -> None:
    assert board.refused(0, stream=STREAM ^ 1) == (ErrorCode.NOT_READY, STREAM ^ 1)
    board.hop(0)
    assert board.refused(1, stream=0) == (ErrorCode.NOT_READY, 0)
    board.hop(1)


def test_new_stream_does_not_know_the_old_ones_replies(board: Board) -> None:
    for number in range(3):
        board.hop(number)
    board.start()
    assert board.refused(2) == (ErrorCode.OUT_OF_ORDER, 0)
    assert board.refused(0xFFFF) == (ErrorCode.OUT_OF_ORDER, 0)
    board.hop(0)
    assert board.refused(0xFFFF) == (ErrorCode.OUT_OF_ORDER, 1), "there is none before the first"


def test_other_requests_in_between_take_nothing_away(board: Board) -> None:
    first = [board.hop(number) for number in range(2)]
    board.ask(Check())
    assert [board.hop(number) for number in range(2)] == first


@pytest.mark.slow
def test_stream_goes_on_beyond_the_last_number_of_16_bits(image: HostImage) -> None:
    """Send 65,600 hops, which takes half a minute."""
    samples = np.tile(SAMPLES.reshape(-1), 8200)
    with HostBoard(image) as running, BoardClient.open(running.url) as client:
        client.reset_stream()
        output = client.stream(samples)
        assert np.array_equal(output[: 8 * HOP], OUTPUT.reshape(-1))
        period = 8 * HOP  # the model has no memory beyond the frame
        assert np.array_equal(output[-period:], output[-2 * period : -period])
        assert client.hop(SAMPLES[0]).hop == 65_600
        assert client.counts.retries == 0
