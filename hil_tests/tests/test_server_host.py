# SPDX-License-Identifier: Apache-2.0
"""Ask the firmware's server, compiled for this machine with sanitizers: what it answers, and what it refuses."""

import time
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.spec.stages import STAGES
from blsh_hil.boards.host import HostBoard, HostImage, build_host
from blsh_hil.link.board_errors import BoardError, IntegrityError, RefusedError
from blsh_hil.link.client import BoardClient
from blsh_hil.link.port import Port
from blsh_hil.link.retry import Timeouts
from blsh_hil.wire.codes import ErrorCode, FeatureKind, FrameError, HopFlag, Integrity, ResetCause
from blsh_hil.wire.framing import Decoder, Frame, cobs_encode, encode
from blsh_hil.wire.messages import (
    MAX_REQUEST_PAYLOAD,
    Check,
    Checked,
    CountLoop,
    Done,
    Error,
    Hello,
    HelloReply,
    Hop,
    ResetStream,
)
from blsh_hil.wire.protocol import COUNT_LOOP_MAX, VERSION
from blsh_trainer.signals.geometry import RECORDER

from .small_model import BITS, MODEL_NAME, MODEL_SHA256, NEIGHBOURS, write_model

HOP, LAG = RECORDER.hop, RECORDER.lag
pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("server host")]  # one worker builds its fixtures, once

# ---- fixtures -----------------------------------------------------------------------------------------------

Model = Callable[..., HostImage]
PATIENCE_S = 60  # long enough for an immediate answer on a busy machine
TIMEOUTS = Timeouts(boot=PATIENCE_S, request=PATIENCE_S)
STAGE_BYTES = {
    "window": 4 * 1025, "spectrum": 8 * 513, "features": 2 * 513, "accumulators": 4 * BITS, "code": 8,
    "neighbours": 8 * NEIGHBOURS, "mask": 2 * 513, "output": 2 * HOP,
}  # fmt: skip


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Model:
    def build_variant(**options: object) -> HostImage:
        folder = tmp_path_factory.mktemp("generated")
        return build_host(write_model(folder, **options), sanitize=True)  # type: ignore[arg-type]

    return build_variant


@pytest.fixture(scope="session")
def image(build: Model) -> HostImage:
    return build()


@pytest.fixture
def board(image: HostImage) -> Iterator[HostBoard]:
    with HostBoard(image) as running:
        yield running
        running.check()  # a sanitizer that found something has ended it


@pytest.fixture
def client(board: HostBoard) -> Iterator[BoardClient]:
    with BoardClient.open(board.url, TIMEOUTS) as opened:
        opened.hello()
        yield opened


def noise(hops: int, seed: int = 5) -> npt.NDArray[np.int16]:
    return np.random.default_rng(seed).integers(-8000, 8000, hops * HOP).astype(np.int16)


class Line:
    """The bare line to a board: it takes bytes and gives frames."""

    def __init__(self, url: str) -> None:
        self._port = Port(url, baud=115200)
        self._decoder = Decoder()

    def exchange(self, data: bytes, frames: int, within: float = PATIENCE_S) -> list[Frame]:
        self._port.write(data, time.monotonic() + PATIENCE_S)
        found: list[Frame] = []
        deadline = time.monotonic() + within
        while len(found) < frames and (got := self._port.read(deadline)):
            found += [item for item in self._decoder.feed(got) if isinstance(item, Frame)]
        return found

    def answer(self, data: bytes, sequence: int) -> Frame:
        """Return the frame that answers request `sequence`, however many complaints come before it."""
        self._port.write(data, time.monotonic() + PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S
        while got := self._port.read(deadline):
            for item in self._decoder.feed(got):
                if isinstance(item, Frame) and item.sequence == sequence:
                    return item
        raise AssertionError(f"no answer to request {sequence}")

    def error(self, data: bytes) -> Error:
        """Return the ERROR that `data` provokes."""
        (frame,) = self.exchange(data, 1)
        assert frame.type == Error.TYPE
        return Error.unpack(frame.payload)

    def close(self) -> None:
        self._port.close()


@pytest.fixture
def line(board: HostBoard) -> Iterator[Line]:
    opened = Line(board.url)
    yield opened
    opened.close()


# ---- who it is ----------------------------------------------------------------------------------------------


def test_hello_describes_board_and_model(client: BoardClient, image: HostImage) -> None:
    board = client.require(model_sha256=MODEL_SHA256.hex(), build_id=image.build_id)
    assert (board.board, board.core, board.model) == ("host", "host", MODEL_NAME)
    assert (board.bits, board.neighbours, board.entries) == (40, 3, 12)
    assert (board.features, board.feature_kind, board.model_status) == (513, FeatureKind.STFT, 0)
    assert board.dictionary_crc32 == board.dictionary_crc32_now
    assert board.max_payload == MAX_REQUEST_PAYLOAD
    assert (board.hops_in_flight - 1) * 533 <= board.receive_ring  # one more is being worked on
    assert (board.tick_hz, board.reset_cause) == (1_000_000_000, ResetCause.POWER_ON)


def test_boot_nonce_stays_while_it_runs_and_differs_after_reset(client: BoardClient) -> None:
    first, again = client.hello(), client.hello()
    assert first.boot_nonce == again.boot_nonce != 0
    assert first.host_nonce != again.host_nonce
    client.reset()
    after = client.hello()
    assert after.boot_nonce != first.boot_nonce
    assert after.reset_cause == ResetCause.SOFTWARE
    assert client.logs[-1] == "blsh-mcu started"


def test_next_client_must_start_a_stream_of_its_own(board: HostBoard) -> None:
    """Check that no hop of an earlier client passes for one of the next."""
    with BoardClient.open(board.url, TIMEOUTS) as first:
        nonce = first.hello().boot_nonce
        first.reset_stream()
        first.hop(noise(1))
    with BoardClient.open(board.url, TIMEOUTS) as second:
        assert second.hello().boot_nonce == nonce
        with pytest.raises(BoardError, match=r"call reset_stream\(\) first"):
            second.hop(noise(1))
        second.reset_stream()
        assert second.hop(noise(1)).hop == 0


# ---- the stream ---------------------------------------------------------------------------------------------


def test_stream_equals_hop_by_hop_and_repeats(client: BoardClient) -> None:
    samples = noise(20)
    client.reset_stream()
    ahead = client.stream(samples)
    client.reset_stream()
    replies = [client.hop(hop) for hop in samples.reshape(-1, HOP)]
    assert [reply.hop for reply in replies] == list(range(20))
    assert np.array_equal(np.concatenate([reply.samples for reply in replies]), ahead)
    assert np.any(ahead)


def test_flags_change_nothing_but_what_they_ask_for(client: BoardClient) -> None:
    samples = noise(6)
    outputs = []
    for flags in ({}, {"digests": True}, {"ticks": True}, {"digests": True, "ticks": True, "masked": True}):
        client.reset_stream()
        replies = [client.hop(hop, **flags) for hop in samples.reshape(-1, HOP)]
        outputs.append(np.concatenate([reply.samples for reply in replies]))
        assert all((reply.digests is not None) == ("digests" in flags) for reply in replies)
        assert all((reply.stage_ticks is not None) == ("ticks" in flags) for reply in replies)
        assert all(reply.ticks > 0 for reply in replies)
    assert all(np.array_equal(output, outputs[0]) for output in outputs)


def test_stage_ticks_add_up_to_the_hops_without_the_probe(client: BoardClient) -> None:
    client.reset_stream()
    rest = []
    for hop in noise(5).reshape(-1, HOP):
        reply = client.hop(hop, digests=True, ticks=True, dump_stage=0)
        assert reply.stage_ticks is not None
        assert sum(reply.stage_ticks) <= reply.ticks
        rest.append(reply.ticks - sum(reply.stage_ticks))
    # The return from blsh_hop: nanoseconds, not dumps. In any one hop the machine may have done something else.
    assert min(rest) < 1_000_000


@pytest.mark.parametrize("stage", range(len(STAGES)), ids=STAGES)
def test_dumped_stage_has_the_bytes_of_its_digest(client: BoardClient, stage: int) -> None:
    client.reset_stream()
    for hop in noise(3).reshape(-1, HOP):
        reply = client.hop(hop, digests=True, dump_stage=stage)
        assert reply.stage_bytes is not None
        assert reply.digests is not None
        assert len(reply.stage_bytes) == STAGE_BYTES[STAGES[stage]]
        assert zlib.crc32(reply.stage_bytes) == reply.digests[stage]
    if STAGES[stage] == "output":
        assert reply.stage_bytes == reply.samples.tobytes()


def test_reset_stream_starts_from_silence(client: BoardClient) -> None:
    client.reset_stream()
    first = client.hop(noise(1), digests=True)
    client.hop(noise(1, seed=9))
    client.reset_stream()
    again = client.hop(noise(1), digests=True)
    assert (again.hop, again.digests) == (0, first.digests)


def test_count_loop_is_timed(client: BoardClient) -> None:
    done = client.count_loop(1_000_000)
    assert done.ticks > 0
    assert done.instructions == 0  # not known on the host


# ---- what it refuses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("iterations", [0, COUNT_LOOP_MAX + 1])
def test_count_loop_out_of_range(client: BoardClient, iterations: int) -> None:
    with pytest.raises(RefusedError, match="value out of range") as e:
        client.count_loop(iterations)
    assert e.value.detail == iterations


HOP_HEAD, HOP_TAIL = b"\0\0\x34\x12", bytes(4 + 2 * HOP)
STREAM = ResetStream(7).pack()


@pytest.mark.parametrize(
    ("request_type", "payload", "code", "detail"),
    [
        (0x7F, b"", ErrorCode.UNKNOWN_TYPE, 0x7F),
        (0x00, b"abc", ErrorCode.UNKNOWN_TYPE, 0),
        (ResetStream.TYPE, b"x", ErrorCode.BAD_LENGTH, 1),
        (Check.TYPE, b"x", ErrorCode.BAD_LENGTH, 1),
        (CountLoop.TYPE, b"xyz", ErrorCode.BAD_LENGTH, 3),
        (Hop.TYPE, b"", ErrorCode.BAD_LENGTH, 0),
        (Hop.TYPE, HOP_HEAD + bytes([HopFlag.DUMP, 8]) + HOP_TAIL, ErrorCode.BAD_STAGE, 8),
        (Hop.TYPE, HOP_HEAD + bytes([HopFlag.DUMP, 255]) + HOP_TAIL, ErrorCode.BAD_STAGE, 255),
        (Hop.TYPE, HOP_HEAD + bytes([0x10, 0]) + HOP_TAIL, ErrorCode.BAD_FLAGS, 0x10),
        (Hop.TYPE, HOP_HEAD + bytes([0, 8]) + HOP_TAIL, ErrorCode.NOT_READY, 0x1234),
    ],
)
def test_bad_request_is_named(line: Line, request_type: int, payload: bytes, code: ErrorCode, detail: int) -> None:
    (frame,) = line.exchange(encode(request_type, 77, payload), 1)
    assert (frame.type, frame.sequence) == (Error.TYPE, 77)
    assert Error.unpack(frame.payload) == Error(request_type, b"\0", code, detail, code.text.encode())


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\0\x09abc\0", FrameError.COBS),
        (b"\0\x02a\0", FrameError.SHORT),
        (encode(Hop.TYPE, 1, bytes(525)), FrameError.LONG),
        (b"\0" + b"\x11" * 3000 + b"\0", FrameError.LONG),
        (b"\0" + cobs_encode(b"\x02\x01\0\0\x09\0" + bytes(8)) + b"\0", FrameError.LENGTH),
        (b"\0" + cobs_encode(b"\x02\x01\0\0\x04\0" + bytes(8)) + b"\0", FrameError.CRC),
        (encode(ResetStream.TYPE, 1, STREAM, version=1), FrameError.VERSION),
    ],
)
def test_damaged_frame_is_complained_about_and_the_next_one_served(line: Line, data: bytes, error: FrameError) -> None:
    complaint = line.error(data)
    assert (complaint.code, complaint.detail) == (ErrorCode.BAD_FRAME, error & 0xFFFFFFFF)
    assert complaint.text.decode() == error.text
    (frame,) = line.exchange(encode(ResetStream.TYPE, 5, STREAM), 1)
    assert (frame.type, frame.sequence) == (Done.TYPE, 5)


def test_a_host_of_an_earlier_protocol_is_answered_in_the_boards_own(line: Line) -> None:
    """Check that the answer is a frame of today's version: its head tells the earlier host which the board speaks."""
    hello = encode(Hello.TYPE, 1, Hello(5).pack(), version=VERSION - 1)
    (frame,) = line.exchange(hello, 1)
    error = Error.unpack(frame.payload)
    assert (error.code, error.detail) == (ErrorCode.BAD_FRAME, FrameError.VERSION & 0xFFFFFFFF)
    assert error.text == b"another protocol version"


def test_bad_frames_are_counted(board: HostBoard) -> None:
    line = Line(board.url)
    line.exchange(b"\x02a\0" * 3, 3)
    line.close()
    with BoardClient.open(board.url, TIMEOUTS) as client:
        assert client.hello().bad_frames == 3


def test_frames_of_a_board_are_not_answered(line: Line) -> None:
    assert line.exchange(encode(Error.TYPE, 1, bytes(8)) + encode(0x82, 2), 1, within=0.3) == []
    assert len(line.exchange(encode(ResetStream.TYPE, 3, STREAM), 1)) == 1


def test_random_bytes_never_stop_it(line: Line) -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        line.exchange(rng.integers(0, 256, 2000).astype(np.uint8).tobytes(), 1, within=0.2)
    assert line.answer(b"\0" + encode(ResetStream.TYPE, 3, STREAM), 3).type == Done.TYPE


def test_request_in_single_bytes(line: Line) -> None:
    request = encode(ResetStream.TYPE, 9, STREAM)
    for place in range(len(request) - 1):
        assert line.exchange(request[place : place + 1], 1, within=0.002) == []
    assert line.exchange(request[-1:], 1)[0].sequence == 9


# ---- models that must not run -------------------------------------------------------------------------------


def passed_through(image: HostImage) -> tuple[HelloReply, str]:
    """Return HELLO of a board with a bad model, and what require() says of it. Its audio must come out unchanged."""
    samples = noise(9)
    delayed = np.concatenate([np.zeros(LAG, np.int16), samples])[: len(samples)]
    with HostBoard(image) as board, BoardClient.open(board.url, TIMEOUTS) as client:
        hello = client.hello()
        client.reset_stream()
        with pytest.raises(IntegrityError, match="passes audio through unprocessed"):
            client.hop(samples[:HOP])
        client.accept_unprocessed = True
        for _ in range(2):
            client.reset_stream()
            assert np.array_equal(client.stream(samples), delayed)
        client.reset_stream()
        for place, hop in enumerate(samples.reshape(-1, HOP)):
            reply = client.hop(hop, digests=True, ticks=True, dump_stage=0)
            assert np.array_equal(reply.samples, delayed[place * HOP :][:HOP])
            assert (reply.integrity, reply.ticks, reply.stage_bytes) == (hello.integrity, 0, None)
            assert reply.digests == reply.stage_ticks == (0,) * 8
        assert client.check().integrity == hello.integrity
        assert client.count_loop(10).ticks >= 0  # requests without a model still work
        with pytest.raises(BoardError) as mismatch:
            client.require()
        board.check()
    return hello, str(mismatch.value)


def test_audio_passes_a_damaged_dictionary_unprocessed(build: Model) -> None:
    hello, mismatch = passed_through(build(damaged=True))
    assert hello.dictionary_crc32 == hello.dictionary_crc32_now ^ 1
    assert hello.integrity == Integrity.DICTIONARY
    assert "CRC of the dictionary in flash" in mismatch


@pytest.mark.slow
def test_audio_passes_a_model_of_another_runtime_format_unprocessed(build: Model) -> None:
    hello, mismatch = passed_through(build(runtime_format=99))
    assert (hello.runtime_format, hello.model_status, hello.integrity) == (99, -2, Integrity.MODEL)
    assert "checking its own model of the board: -2" in mismatch


def test_check_computes_the_dictionarys_crc_anew(client: BoardClient) -> None:
    hello = client.hello()
    assert client.check() == Checked(0, hello.dictionary_crc32)
