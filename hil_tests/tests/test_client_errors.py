# SPDX-License-Identifier: Apache-2.0
"""Check that each fault of a board has its own error, which says what was found and what to do."""

import logging
import os
import re
import socket
import threading
import time
import tty
from contextlib import suppress

import numpy as np
import pytest

from blsh_hil.boards.fake import (
    QUICK,
    SHA256,
    Answer,
    after_hello,
    answer,
    good_board,
    identity,
    talking_to,
)
from blsh_hil.link.board_errors import (
    BoardError,
    BusyError,
    EchoError,
    FaultError,
    GarbageError,
    MismatchError,
    NoAnswerError,
    PortError,
    ProtocolVersionError,
    RefusedError,
)
from blsh_hil.link.client import BoardClient
from blsh_hil.link.retry import Timeouts
from blsh_hil.wire.codes import ErrorCode, FaultReason
from blsh_hil.wire.framing import Decoder, Frame, encode
from blsh_hil.wire.messages import CountLoopDone, Done, Error, Fault, Hop, Log, Reset
from blsh_hil.wire.protocol import VERSION
from blsh_trainer.errors import BlshError

pytestmark = pytest.mark.heavy


def silent(_: Frame) -> list[Answer]:
    return []


# ---- what goes right ----------------------------------------------------------------------------------------


def test_good_board_is_identified_and_accepted() -> None:
    with talking_to() as (client, _):
        board = client.require(model_sha256=SHA256.hex().upper(), dictionary_crc32=0xD, build_id=0xB)
        assert (board.board, board.version) == ("fake", "0.1.0")
        client.reset_stream()
        assert client.count_loop(1) == CountLoopDone(5, 2)


def test_stream_sends_ahead_and_returns_every_sample_in_order() -> None:
    samples = np.arange(-1500, 1500, dtype=np.int16)
    seen: list[tuple[int, int]] = []
    with talking_to() as (client, board):
        client.reset_stream()
        output = client.stream(samples, lambda done, total: seen.append((done, total)))
        assert np.array_equal(output, ~samples)
        assert len(client.stream(samples[:0])) == 0
    assert seen == [(done + 1, 12) for done in range(12)]
    assert sum(frame.type == Hop.TYPE for frame in board.received) == 12


def test_hello_is_repeated_until_a_booting_board_hears_it() -> None:
    requests: list[Frame] = []

    def deaf_at_first(request: Frame) -> list[Answer]:
        requests.append(request)
        return good_board(request) if len(requests) == 3 else []

    with talking_to(deaf_at_first) as (client, _):
        assert client.hello().board == "fake"
    assert len({request.sequence for request in requests}) == 3


def test_late_answers_to_earlier_requests_are_ignored() -> None:
    def twice(request: Frame) -> list[Answer]:
        return [answer(Frame(0, request.sequence - 1 & 0xFFFF, b""), CountLoopDone(1, 1)), *good_board(request)]

    with talking_to(twice) as (client, _):
        client.hello()
        assert client.count_loop(9).ticks == 5


def test_log_frames_reach_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    def talkative(request: Frame) -> list[Answer]:
        return [encode(Log.TYPE, 0, b"started"), *good_board(request)]

    with caplog.at_level(logging.INFO), talking_to(talkative) as (client, _):
        client.hello()
        assert list(client.logs) == ["started"]
        assert f"{client.url}: started" in caplog.messages


def test_noise_before_the_first_answer_is_forgiven() -> None:
    complaint = encode(Error.TYPE, 0, Error(0, b"", ErrorCode.BAD_FRAME, 0, b"").pack())
    with talking_to(greeting=b"boot loader v1\r\n" + complaint) as (client, _):
        assert client.hello().board == "fake"


def test_pty_works_like_a_socket() -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)

    def serve() -> None:
        decoder = Decoder()
        for _ in range(1):
            for frame in decoder.feed(os.read(ours, 4096)):
                assert isinstance(frame, Frame)
                for reply in good_board(frame):
                    os.write(ours, reply or b"")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with BoardClient.open(
        os.ttyname(theirs), Timeouts(boot=3)
    ) as client:  # the time in which it looks for the pty again
        assert client.hello().board == "fake"
        with pytest.raises(BusyError, match=r"is in use by .*this very program"):
            BoardClient.open(os.ttyname(theirs))
        os.close(ours)
        with pytest.raises(PortError, match="the connection was closed and cannot be opened again"):
            client.reset_stream()
    os.close(theirs)
    thread.join(2)


# ---- what goes wrong ----------------------------------------------------------------------------------------


def test_port_that_does_not_exist() -> None:
    with pytest.raises(PortError, match=r"cannot open /dev/no-such-port: .*`blsh boards`"):
        BoardClient.open("/dev/no-such-port")
    with pytest.raises(PortError, match=r"cannot open nonsense://x: .*"):
        BoardClient.open("nonsense://x")


def test_port_that_nobody_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PortError, match=f"cannot open socket://127.0.0.1:{port}: .*refused"):
        BoardClient.open(f"socket://127.0.0.1:{port}")


def test_silent_board() -> None:
    with (
        talking_to(silent, timeouts=QUICK) as (client, board),
        pytest.raises(NoAnswerError, match=r"no answer to HELLO within 1.2 s, nothing was received at all"),
    ):
        client.hello()
    assert 3 <= len(board.received) <= 5  # retried, but not without end


def test_board_that_only_logs() -> None:
    with talking_to(after_hello(lambda _: [encode(Log.TYPE, 0, b"busy")]), timeouts=QUICK) as (client, _):
        client.hello()
        with pytest.raises(NoAnswerError, match=r"no answer to COUNT_LOOP .* though the board sent other frames"):
            client.count_loop(1)


def test_garbage_is_shown_and_the_rate_suspected() -> None:
    said = iter([b"\xf8\x80\x00\x78" * 8])
    with (
        talking_to(raw=lambda data: next(said, b""), timeouts=QUICK) as (client, _),
        pytest.raises(GarbageError, match=r"32 bytes but no valid frame, beginning with f8 80 00 78") as e,
    ):
        client.hello()
    assert "another rate than 115200 baud" in str(e.value)


def test_endless_garbage_ends_in_time() -> None:
    stop = time.monotonic() + 60

    def flood(data: bytes) -> bytes:
        return b"\xaa" * 1_000_000 if time.monotonic() < stop else b""

    with (
        talking_to(raw=flood, timeouts=QUICK) as (client, _),
        pytest.raises(GarbageError, match=r"bytes but no valid frame"),
    ):
        client.hello()
    assert time.monotonic() < stop, "the flood ended it, and no deadline"


@pytest.mark.parametrize(
    ("chatter", "words"),
    [
        (encode(Log.TYPE, 0, b"busy") * 500, r"no answer to HELLO within 1.2 s"),
        (b"a\0" * 5000, r"bytes but no valid frame"),
    ],
    ids=["good", "bad"],
)
def test_endless_chatter_ends_in_time(chatter: bytes, words: str) -> None:
    """Send whole frames, good or bad, without a pause: the deadline must count, not the silence."""
    over = threading.Event()
    stop = time.monotonic() + 60
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                while not over.is_set() and time.monotonic() < stop:
                    connection.sendall(chatter)

        talker = threading.Thread(target=serve, daemon=True)
        talker.start()
        with BoardClient.open(f"socket://127.0.0.1:{port}", QUICK) as client:
            with pytest.raises(BoardError, match=words):
                client.hello()
            assert time.monotonic() < stop, "the chatter ended it, and no deadline"
        over.set()
    talker.join(60)
    assert not talker.is_alive()


def test_echo_is_recognised() -> None:
    with (
        talking_to(raw=lambda data: data) as (client, _),
        pytest.raises(EchoError, match="our own requests come back; the port is looped"),
    ):
        client.hello()


def test_pyserials_own_loop_is_recognised() -> None:
    with BoardClient.open("loop://") as client, pytest.raises(EchoError, match="loop://"):
        client.hello()


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        (VERSION - 1, "build and flash this one's firmware: `blsh build`, then `blsh flash`"),
        (VERSION + 1, "take the checkout that its firmware was built from, or build and flash this one's"),
    ],
)
def test_other_protocol_version_in_the_frame(version: int, advice: str) -> None:
    def other(request: Frame) -> list[Answer]:
        return [encode(Error.TYPE, 0, b"whatever it may say", version=version)]

    with (
        talking_to(other) as (client, _),
        pytest.raises(
            ProtocolVersionError, match=f"protocol version {version}, this checkout {VERSION}; {re.escape(advice)}"
        ),
    ):
        client.hello()


def test_other_protocol_version_in_the_reply() -> None:
    with (
        talking_to(lambda request: good_board(request, protocol_version=7)) as (client, _),
        pytest.raises(ProtocolVersionError, match="protocol version 7"),
    ):
        client.hello()


@pytest.mark.parametrize(
    ("changes", "wanted", "message"),
    [
        ({}, {"model_sha256": "ff" * 32}, r"model \(SHA-256\).*00010203.*\(small\); expected: ffff"),
        ({}, {"dictionary_crc32": 0xABC}, "dictionary CRC of the board: 0000000d; expected: 00000abc"),
        ({}, {"build_id": 0xC}, "build id of the board: 0000000b; expected: 0000000c"),
        (
            {"dictionary_crc32_now": 0xE, "integrity": 2},
            {},
            "CRC of the dictionary in flash.*0000000e; expected: 0000000d",
        ),
        ({"model_status": -2, "dictionary_crc32_now": 0}, {}, "checking its own model of the board: -2; expected: 0"),
    ],
)
def test_board_with_something_else_is_refused(
    changes: dict[str, object], wanted: dict[str, object], message: str
) -> None:
    with (
        talking_to(lambda request: good_board(request, **changes)) as (client, _),
        pytest.raises(MismatchError, match=message) as e,
    ):
        client.require(**wanted)  # type: ignore[arg-type]
    assert "`blsh build`, then `blsh flash`" in str(e.value)


def test_reply_to_somebody_else() -> None:
    def wrong_nonce(request: Frame) -> list[Answer]:
        return [answer(request, identity(1))]

    with talking_to(wrong_nonce) as (client, _), pytest.raises(BoardError, match="expected our nonce"):
        client.hello()


def test_refusal_carries_the_boards_words() -> None:
    def refuse(request: Frame) -> list[Answer]:
        return [answer(request, Error(Reset.TYPE, b"", ErrorCode.BAD_STAGE, 0x2A, b"no such stage"))]

    with talking_to(after_hello(refuse)) as (client, _):
        client.hello()
        with pytest.raises(RefusedError, match=r"refuses RESET: no such stage \(BAD_STAGE, detail 0x2a\)") as e:
            client.reset()
    assert (e.value.code, e.value.detail) == (ErrorCode.BAD_STAGE, 0x2A)


def test_refusal_with_a_code_of_the_future() -> None:
    def refuse(request: Frame) -> list[Answer]:
        return [answer(request, Error(0x44, b"", 999, 0, b"too hot"))]

    with (
        talking_to(refuse) as (client, _),
        pytest.raises(RefusedError, match=r"refuses request 0x44: too hot \(code 999") as e,
    ):
        client.hello()
    assert e.value.code is None


def test_fault_shows_the_registers() -> None:
    fault = Fault(tuple(range(0x10, 0x18)), 0x8200, 0xDEAD0000, FaultReason.FAULT)
    with talking_to(after_hello(lambda _: [b"\0\x09half", encode(Fault.TYPE, 0, fault.pack())])) as (client, _):
        client.hello()
        with pytest.raises(FaultError, match=r"fault.*pc=00000016.*cfsr=00008200 bfar=dead0000.*addr2line.*0x16") as e:
            client.count_loop(1)
    assert e.value.fault == fault


def test_answer_of_another_kind() -> None:
    with talking_to(after_hello(lambda request: [answer(request, Done())])) as (client, _):
        client.hello()
        with pytest.raises(BoardError, match="expected COUNT_LOOP_DONE, the board sent DONE"):
            client.count_loop(3)


def test_answer_of_the_wrong_length() -> None:
    with talking_to(after_hello(lambda request: [encode(CountLoopDone.TYPE, request.sequence, b"x")])) as (client, _):
        client.hello()
        with pytest.raises(BoardError, match="sent COUNT_LOOP_DONE of 1 bytes, expected 8 to 8; flash"):
            client.count_loop(3)


def test_samples_of_another_kind_are_a_bug_of_the_caller() -> None:
    with talking_to() as (client, _):
        with pytest.raises(ValueError, match="float64"):
            client.hop(np.zeros(256))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"\(255,\); expected int16 \(256,\)"):
            client.hop(np.zeros(255, np.int16))


def test_every_error_is_the_users_to_mend() -> None:
    assert issubclass(BoardError, BlshError)
