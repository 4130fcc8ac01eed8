# SPDX-License-Identifier: Apache-2.0
"""Check what is asked again, how often, and what never, by a board made of Python."""

import numpy as np
import pytest

from blsh_hil.boards.fake import (
    QUICK,
    Answer,
    Behaviour,
    after_hello,
    answer,
    good_board,
    identity,
    talking_to,
)
from blsh_hil.link.board_errors import (
    BoardError,
    ConnectionClosedError,
    DamagedError,
    FaultError,
    IntegrityError,
    LostError,
    MismatchError,
    NoAnswerError,
    PortError,
    RefusedError,
)
from blsh_hil.link.retry import Retries, Timeouts
from blsh_hil.wire.codes import ErrorCode, FaultReason, FrameError, HopFlag, Integrity
from blsh_hil.wire.framing import Frame, encode
from blsh_hil.wire.messages import CountLoopDone, Error, Fault, Hello, HelloReply, Hop, HopDone, ResetStream, StageData

pytestmark = pytest.mark.heavy


def test_no_more_hops_are_unanswered_than_the_board_allows() -> None:
    unanswered: list[Frame] = []
    most = []

    def lazy(request: Frame) -> list[Answer]:
        """Answer only once nothing more comes, to see how far the client runs ahead."""
        unanswered.append(request)
        most.append(len(unanswered))
        return [] if len(unanswered) < 2 else good_board(unanswered.pop(0))

    with talking_to(after_hello(lazy), timeouts=Timeouts(request=4)) as (client, _):
        client.reset_stream()
        client.stream(np.zeros(256 * 8, np.int16))
        assert client.counts.silent == 1, "the last hop, which is answered when it is asked again"
    assert most[:7] == [1, 2, 2, 2, 2, 2, 2]


def test_hello_connects_again_when_it_is_cut_off() -> None:
    hellos = 0

    def hangs_up(request: Frame) -> list[Answer]:
        nonlocal hellos
        hellos += 1
        return [None] if hellos <= cuts else good_board(request)

    for cuts in (1, Retries().limit, Retries().limit + 1):
        hellos = 0
        with talking_to(hangs_up) as (client, _):
            if cuts <= Retries().limit:
                assert client.hello().board == "fake"
            else:
                with pytest.raises(ConnectionClosedError):
                    client.hello()
            assert client.counts.closed == min(cuts, Retries().limit)


def test_board_that_falls_silent_is_asked_so_often_and_no_oftener() -> None:
    with talking_to(after_hello(lambda _: []), timeouts=Timeouts(request=2)) as (client, board):
        client.reset_stream()
        with pytest.raises(NoAnswerError, match=r"no answer to HOP 0 within 0.5 s, nothing was received"):
            client.hop(np.zeros(256, np.int16))
        assert client.counts.silent == client.counts.retries == Retries().limit
        with pytest.raises(BoardError, match=r"no stream, or a broken-off one; call reset_stream\(\) first"):
            client.hop(np.zeros(256, np.int16))  # the board may have done the last one
    assert sum(frame.type == Hop.TYPE for frame in board.received) == 1 + Retries().limit


@pytest.mark.parametrize("replies", [[None], [b"\0\x05ab", None]], ids=["at once", "within a frame"])
def test_connection_that_is_closed_again_and_again(replies: list[Answer]) -> None:
    with talking_to(after_hello(lambda _: replies)) as (client, _):
        client.reset_stream()
        with pytest.raises(ConnectionClosedError, match=r"connection was closed .* unplugged"):
            client.hop(np.zeros(256, np.int16))
        assert client.counts.closed == Retries().limit


def test_connection_closed_and_nobody_there_any_more() -> None:
    with talking_to(after_hello(lambda _: [None])) as (client, board):
        client.reset_stream()
        board.stop_listening()
        with pytest.raises(PortError, match="the connection was closed and cannot be opened again"):
            client.hop(np.zeros(256, np.int16))


def test_connection_closed_once_in_mid_stream_is_opened_again() -> None:
    hops: list[int] = []

    def closes_once(request: Frame) -> list[Answer]:
        hops.append(Hop.unpack(request.payload).hop)
        return [None] if len(hops) == 4 else good_board(request)

    samples = np.arange(256 * 20, dtype=np.int16)
    with talking_to(after_hello(closes_once)) as (client, _):
        client.reset_stream()
        assert np.array_equal(client.stream(samples), ~samples)
        assert (client.counts.closed, client.counts.restarts, client.counts.replayed_hops) == (1, 0, 0)
    assert sorted(set(hops)) == list(range(20))


def test_fault_of_the_watchdog_says_so() -> None:
    fault = Fault(tuple(range(8)), 0, 0, FaultReason.WATCHDOG)
    with talking_to(after_hello(lambda _: [encode(Fault.TYPE, 0, fault.pack())])) as (client, board):
        client.reset_stream()
        with pytest.raises(FaultError, match=r"watchdog found it at work on one request for too long.*pc=00000006"):
            client.hop(np.zeros(256, np.int16))
        assert client.counts.retries == 0
    assert sum(frame.type == Hop.TYPE for frame in board.received) == 1


def test_request_damaged_on_its_way_every_time() -> None:
    detail = FrameError.CRC & 0xFFFFFFFF
    complaint = Error(0, b"", ErrorCode.BAD_FRAME, detail, FrameError.CRC.text.encode())
    with talking_to(after_hello(lambda _: [encode(Error.TYPE, 0, complaint.pack())])) as (client, _):
        client.hello()
        with pytest.raises(DamagedError, match=r"board received a damaged frame: the CRC is wrong; .*cable"):
            client.count_loop(1)
        assert client.counts.damaged == Retries().limit


def test_answer_damaged_on_its_way_is_asked_for_again() -> None:
    replies: list[bytes] = []

    def damage(request: Frame) -> list[Answer]:
        line = bytearray(answer(request, CountLoopDone(0x11111111, 0x22222222)))
        line[10] ^= len(replies) < wrong
        replies.append(bytes(line))
        return [bytes(line)]

    for wrong in (1, 3, 4):
        replies.clear()
        with talking_to(after_hello(damage)) as (client, _):
            client.hello()
            if wrong <= Retries().limit:
                assert client.count_loop(3).ticks == 0x11111111
            else:
                with pytest.raises(DamagedError, match=r"damaged on its way from the board: the CRC is wrong"):
                    client.count_loop(3)
            assert client.counts.damaged == min(wrong, Retries().limit)


def test_wrong_answers_are_never_asked_for_again() -> None:
    refusals = {"hop": 0, "loop": 0}

    def refuse(request: Frame) -> list[Answer]:
        refusals["hop" if request.type == Hop.TYPE else "loop"] += 1
        return [answer(request, Error(request.type, b"", ErrorCode.BAD_VALUE, 0, b"value out of range"))]

    with talking_to(after_hello(refuse)) as (client, _):
        client.reset_stream()
        for ask in (lambda: client.hop(np.zeros(256, np.int16)), lambda: client.count_loop(1)):
            with pytest.raises(RefusedError):
                ask()
        with pytest.raises(MismatchError):
            client.require(build_id=0xC)
        assert client.counts.retries == 0
    assert refusals == {"hop": 1, "loop": 1}


def restarts_once(then: dict[str, object]) -> Behaviour:
    """Return a board that no longer knows its stream at the third hop, and then answers HELLO with `then`."""
    hops = 0

    def behave(request: Frame) -> list[Answer]:
        nonlocal hops
        hops += request.type == Hop.TYPE
        if request.type == Hop.TYPE and hops == 3:
            return [answer(request, Error(Hop.TYPE, b"", ErrorCode.NOT_READY, 0, b""))]
        return good_board(request, **(then if hops >= 3 else {}))

    return behave


def test_stream_is_played_again_to_a_board_that_has_started_again() -> None:
    samples = np.arange(256 * 6, dtype=np.int16)
    with talking_to(restarts_once({"boot_nonce": 2, "reset_cause": 3})) as (client, board):
        client.reset_stream()
        assert np.array_equal(client.stream(samples[:512]), ~samples[:512])
        assert np.array_equal(client.stream(samples[512:]), ~samples[512:])
        assert (client.counts.restarts, client.counts.restarted, client.counts.replayed_hops) == (1, 1, 2)
    assert sum(frame.type == ResetStream.TYPE for frame in board.received) == 2


@pytest.mark.parametrize("deaf_to", [Hello.TYPE, ResetStream.TYPE])
def test_board_that_starts_again_and_then_falls_silent_is_given_up(deaf_to: int) -> None:
    """Hold a mended fault: nothing bounded how often a stream was begun anew if the beginning itself failed."""
    then = restarts_once({"boot_nonce": 2})
    hops = 0

    def falls_silent(request: Frame) -> list[Answer]:
        nonlocal hops
        hops += request.type == Hop.TYPE
        return [] if hops >= 3 and request.type == deaf_to else then(request)

    with talking_to(falls_silent, timeouts=QUICK) as (client, _):
        client.reset_stream()
        with pytest.raises(NoAnswerError):
            client.stream(np.zeros(256 * 6, np.int16))


@pytest.mark.parametrize("other", [{"build_id": 0xC}, {"model_sha256": bytes(32)}, {"dictionary_crc32": 1}])
def test_stream_is_not_played_on_to_other_firmware(other: dict[str, object]) -> None:
    with talking_to(restarts_once({"boot_nonce": 2, **other})) as (client, _):
        client.reset_stream()
        with pytest.raises(MismatchError, match="started again with other firmware or another model"):
            client.stream(np.zeros(256 * 6, np.int16))


def test_announced_start_is_noticed_before_any_time_has_run_out() -> None:
    """Return the HELLO_REPLY that a board sends on its own when it starts."""
    hops = 0

    def starts_at_third_hop(request: Frame) -> list[Answer]:
        nonlocal hops
        hops += request.type == Hop.TYPE
        if request.type == Hop.TYPE and hops == 3:
            return [encode(HelloReply.TYPE, 0, identity(0, boot_nonce=0).pack())]
        return good_board(request, boot_nonce=1 + (hops >= 3))

    samples = np.arange(256 * 6, dtype=np.int16)
    patient = Timeouts(boot=60, request=6000)
    with talking_to(starts_at_third_hop, timeouts=patient) as (client, _):
        client.reset_stream()
        assert np.array_equal(client.stream(samples), ~samples)
        assert (client.counts.restarts, client.counts.silent) == (1, 0)


def test_unprocessed_audio_is_an_error_unless_it_is_accepted() -> None:
    def damaged(request: Frame) -> list[Answer]:
        hop = Hop.unpack(request.payload)
        return [
            answer(request, HopDone(hop.hop, 0, hop.flags, Integrity.STACK, hop.stream, 0, 0, bytes(2), hop.samples))
        ]

    samples = np.arange(512, dtype=np.int16)
    with talking_to(after_hello(damaged)) as (client, _):
        client.reset_stream()
        with pytest.raises(IntegrityError, match=r"audio through unprocessed: the stack overflowed.*stack_bytes"):
            client.stream(samples)
        client.accept_unprocessed = True
        client.reset_stream()
        assert np.array_equal(client.stream(samples), samples)
        assert client.hop(samples[:256]).integrity == Integrity.STACK


def test_gap_in_stage_data_plays_the_stream_again() -> None:
    """Lose stage data, which the board does not keep: the stream must be played again from its beginning."""
    expected = 0
    resets = 0

    def gap_once(request: Frame) -> list[Answer]:
        nonlocal expected, resets
        if request.type == ResetStream.TYPE:
            expected, resets = 0, resets + 1
        if request.type != Hop.TYPE:
            return good_board(request)
        hop = Hop.unpack(request.payload)
        if hop.hop != expected:
            assert hop.flags
            return [answer(request, Error(Hop.TYPE, b"", ErrorCode.OUT_OF_ORDER, expected, b""))]
        expected += 1
        second = 11 if resets == 1 else 10
        pieces = [answer(request, StageData(hop.hop, 1, b"", offset, 20, b"x" * 10)) for offset in (0, second)]
        return [*(pieces if hop.flags else []), *good_board(request)]

    samples = np.arange(256, dtype=np.int16)
    with talking_to(gap_once) as (client, _):
        client.reset_stream()
        client.hop(samples)
        assert client.hop(samples, dump_stage=1).stage_bytes == b"x" * 20
        assert (client.counts.lost, client.counts.replayed_hops, client.counts.restarts) == (2, 1, 0)
    assert resets == 2


def test_answer_of_another_hop_or_stream_is_never_accepted() -> None:
    def elsewhere(request: Frame) -> list[Answer]:
        hop = Hop.unpack(request.payload)
        wrong = [
            HopDone(hop.hop + 1, 1, 0, 0, hop.stream, 0, 0, bytes(2), hop.samples),
            HopDone(hop.hop, 1, 0, 0, hop.stream ^ 1, 0, 0, bytes(2), hop.samples),
            HopDone(hop.hop, 1, HopFlag.STAGE_TICKS, 0, hop.stream, 0, 0, bytes(2), hop.samples + bytes(32)),
        ]
        return [answer(request, reply) for reply in wrong]

    with talking_to(after_hello(elsewhere)) as (client, _):
        client.reset_stream()
        with pytest.raises(LostError, match="hop 1 was answered before hop 0"):
            client.hop(np.zeros(256, np.int16))
