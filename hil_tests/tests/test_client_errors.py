"""Every way in which a board can disappoint has its own error, which says what was found and what to do."""

import logging
import os
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import numpy as np
import pytest

from blsh_hil.board_errors import (
    BoardError,
    ConnectionClosedError,
    DamagedError,
    EchoError,
    FaultError,
    GarbageError,
    IntegrityError,
    LostError,
    MismatchError,
    NoAnswerError,
    PortError,
    ProtocolVersionError,
    RefusedError,
)
from blsh_hil.client import BoardClient
from blsh_hil.framing import Decoder, Frame, encode
from blsh_hil.protocol import (
    VERSION,
    CountLoop,
    CountLoopDone,
    Done,
    Error,
    ErrorCode,
    Fault,
    FaultReason,
    FrameError,
    Hello,
    HelloReply,
    Hop,
    HopDone,
    HopFlag,
    Integrity,
    Log,
    Message,
    Reset,
    ResetStream,
    StageData,
)
from blsh_hil.retry import Retries, Timeouts
from blsh_trainer.errors import BlshError

QUICK = Timeouts(boot=0.6, request=0.4)
SHA256 = bytes(range(32))
Answer = bytes | None  # None: hang up
Behaviour = Callable[[Frame], list[Answer]]


def identity(nonce: int, **changes: object) -> HelloReply:
    values: dict[str, object] = {
        "host_nonce": nonce, "boot_nonce": 1, "build_id": 0xB, "protocol_version": VERSION, "version_major": 0,
        "version_minor": 1, "version_patch": 0, "model_sha256": SHA256, "model_status": 0, "dictionary_crc32": 0xD,
        "dictionary_crc32_now": 0xD, "runtime_format": 1, "entries": 12, "feature_kind": 0, "features": 513,
        "bits": 40, "neighbours": 3, "core_hz": 0, "tick_hz": 1, "max_payload": 514, "hops_in_flight": 2,
        "receive_ring": 4096, "reset_cause": 0, "overruns": 0, "bad_frames": 0, "stack_bytes_used": 0,
        "integrity": 0, "board": "fake", "core": "none", "model": "small",
    }  # fmt: skip
    return HelloReply(**(values | changes))  # type: ignore[arg-type]


def answer(request: Frame, message: Message) -> bytes:
    return encode(message.TYPE, request.sequence, message.pack())


def good_board(request: Frame, **changes: object) -> list[Answer]:
    """A board that inverts samples."""
    if request.type == Hello.TYPE:
        return [answer(request, identity(Hello.unpack(request.payload).host_nonce, **changes))]
    if request.type == Hop.TYPE:
        hop = Hop.unpack(request.payload)
        samples = ~np.frombuffer(hop.samples, "<i2")
        return [answer(request, HopDone(hop.hop, 1, hop.flags, 0, hop.stream, samples.tobytes()))]
    if request.type == CountLoop.TYPE:
        return [answer(request, CountLoopDone(5, 2))]
    return [answer(request, Done())]


def after_hello(then: Behaviour) -> Behaviour:
    """Good up to the start of a stream."""
    return lambda request: good_board(request) if request.type in (Hello.TYPE, ResetStream.TYPE) else then(request)


class FakeBoard:
    """Answers frames on a TCP port in a thread; `greeting` is sent at once. raw: gets bytes, not frames."""

    def __init__(self, behaviour: Behaviour, greeting: bytes = b"", raw: Callable[[bytes], bytes] | None = None):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self.received: list[Frame] = []
        self._behaviour, self._greeting, self._raw = behaviour, greeting, raw
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):  # the client has gone
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.sendall(self._greeting)
        decoder = Decoder()
        while data := connection.recv(4096):
            if self._raw is not None:
                connection.sendall(self._raw(data))
                continue
            for frame in decoder.feed(data):
                assert isinstance(frame, Frame)
                self.received.append(frame)
                for reply in self._behaviour(frame):
                    if reply is None:
                        return
                    connection.sendall(reply)

    def stop_listening(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        with suppress(OSError):  # stopped before
            self.stop_listening()
        self._thread.join(2)


@contextmanager
def talking_to(
    behaviour: Behaviour = good_board,
    greeting: bytes = b"",
    raw: Callable[[bytes], bytes] | None = None,
    timeouts: Timeouts = QUICK,
) -> Iterator[tuple[BoardClient, FakeBoard]]:
    with ExitStack() as cleanup:
        board = FakeBoard(behaviour, greeting, raw)
        cleanup.callback(board.close)
        yield cleanup.enter_context(BoardClient.open(board.url, timeouts)), board


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


def test_no_more_hops_are_unanswered_than_the_board_allows() -> None:
    unanswered: list[Frame] = []
    most = []

    def lazy(request: Frame) -> list[Answer]:
        """Answers only once nothing more comes, so that it sees how far the client runs ahead."""
        unanswered.append(request)
        most.append(len(unanswered))
        return [] if len(unanswered) < 2 else good_board(unanswered.pop(0))

    with talking_to(after_hello(lazy)) as (client, _):
        client.reset_stream()
        client.stream(np.zeros(256 * 8, np.int16))
        assert client.counts.silent == 1, "the last hop, which is answered when it is asked again"
    assert most[:7] == [1, 2, 2, 2, 2, 2, 2]


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
    with BoardClient.open(os.ttyname(theirs), QUICK) as client:
        assert client.hello().board == "fake"
        with pytest.raises(PortError, match=r"cannot open .*lock"):
            BoardClient.open(os.ttyname(theirs), QUICK)
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
        talking_to(silent) as (client, board),
        pytest.raises(NoAnswerError, match=r"no answer to HELLO within 0.6 s, nothing was received at all"),
    ):
        client.hello()
    assert 3 <= len(board.received) <= 5  # retried, but not without end


def test_board_that_falls_silent_is_asked_so_often_and_no_oftener() -> None:
    with talking_to(after_hello(silent)) as (client, board):
        client.reset_stream()
        with pytest.raises(NoAnswerError, match=r"no answer to HOP 0 within 0.1 s, nothing was received"):
            client.hop(np.zeros(256, np.int16))
        assert client.counts.silent == client.counts.retries == Retries().limit
        with pytest.raises(BoardError, match=r"no stream, or a broken-off one; call reset_stream\(\) first"):
            client.hop(np.zeros(256, np.int16))  # the board may have done the last one
    assert sum(frame.type == Hop.TYPE for frame in board.received) == 1 + Retries().limit


def test_board_that_only_logs() -> None:
    with talking_to(after_hello(lambda _: [encode(Log.TYPE, 0, b"busy")])) as (client, _):
        client.hello()
        with pytest.raises(NoAnswerError, match=r"no answer to COUNT_LOOP .* though the board sent other frames"):
            client.count_loop(1)


def test_garbage_is_shown_and_the_rate_suspected() -> None:
    with (
        talking_to(raw=lambda data: b"\xf8\x80\x00\x78" * 2) as (client, _),
        pytest.raises(GarbageError, match=r"32 bytes but no valid frame, beginning with f8 80 00 78") as e,
    ):
        client.hello()
    assert "another rate than 115200 baud" in str(e.value)


def test_endless_garbage_ends_in_time() -> None:
    stop = time.monotonic() + 3

    def flood(data: bytes) -> bytes:
        return b"\xaa" * 1_000_000 if time.monotonic() < stop else b""

    begun = time.monotonic()
    with talking_to(raw=flood) as (client, _), pytest.raises(GarbageError, match=r"bytes but no valid frame"):
        client.hello()
    assert time.monotonic() - begun < 2.5


@pytest.mark.parametrize(
    ("chatter", "words"),
    [
        (encode(Log.TYPE, 0, b"busy") * 500, r"no answer to HELLO within 0.6 s"),
        (b"a\0" * 5000, r"bytes but no valid frame"),
    ],
    ids=["good", "bad"],
)
def test_endless_chatter_ends_in_time(chatter: bytes, words: str) -> None:
    """Whole frames, good or bad, without a pause: the deadline counts, not the silence."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                while not stop.is_set():
                    connection.sendall(chatter)

        talker = threading.Thread(target=serve, daemon=True)
        talker.start()
        begun = time.monotonic()
        with BoardClient.open(f"socket://127.0.0.1:{port}", QUICK) as client, pytest.raises(BoardError, match=words):
            client.hello()
        stop.set()
    assert time.monotonic() - begun < 3
    talker.join(5)
    assert not talker.is_alive()


def test_echo_is_recognised() -> None:
    with (
        talking_to(raw=lambda data: data) as (client, _),
        pytest.raises(EchoError, match="our own requests come back; the port is looped"),
    ):
        client.hello()


def test_pyserials_own_loop_is_recognised() -> None:
    with BoardClient.open("loop://", QUICK) as client, pytest.raises(EchoError, match="loop://"):
        client.hello()


def test_other_protocol_version_in_the_frame() -> None:
    def newer(request: Frame) -> list[Answer]:
        return [encode(Error.TYPE, 0, b"whatever it may say", version=VERSION + 1)]

    with (
        talking_to(newer) as (client, _),
        pytest.raises(ProtocolVersionError, match=r"protocol version 3, this checkout 2; .*`blsh build`.*`blsh flash`"),
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
        ({"dictionary_crc32_now": 0xE}, {}, "CRC of the dictionary in flash.*0000000e; expected: 0000000d"),
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
        with pytest.raises(FaultError, match=r"fault.*pc=00000016.*cfsr=00008200 hfar=dead0000.*addr2line.*0x16") as e:
            client.count_loop(1)
    assert e.value.fault == fault


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
    """A board that no longer knows its stream at the third hop, and answers HELLO with `then` from there on."""
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


@pytest.mark.parametrize("other", [{"build_id": 0xC}, {"model_sha256": bytes(32)}, {"dictionary_crc32": 1}])
def test_stream_is_not_played_on_to_other_firmware(other: dict[str, object]) -> None:
    with talking_to(restarts_once({"boot_nonce": 2, **other})) as (client, _):
        client.reset_stream()
        with pytest.raises(MismatchError, match="started again with other firmware or another model"):
            client.stream(np.zeros(256 * 6, np.int16))


def test_announced_start_is_noticed_before_any_time_has_run_out() -> None:
    """The unasked-for HELLO_REPLY of a board that starts."""
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
        return [answer(request, HopDone(hop.hop, 0, hop.flags, Integrity.STACK, hop.stream, hop.samples))]

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
    """Stage data are not kept by the board, so a hop whose dump was lost is done again from the stream's beginning."""
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


def test_answer_of_another_hop_or_stream_is_never_accepted() -> None:
    def elsewhere(request: Frame) -> list[Answer]:
        hop = Hop.unpack(request.payload)
        wrong = [
            HopDone(hop.hop + 1, 1, 0, 0, hop.stream, hop.samples),
            HopDone(hop.hop, 1, 0, 0, hop.stream ^ 1, hop.samples),
            HopDone(hop.hop, 1, HopFlag.STAGE_TICKS, 0, hop.stream, hop.samples, bytes(32)),
        ]
        return [answer(request, reply) for reply in wrong]

    with talking_to(after_hello(elsewhere)) as (client, _):
        client.reset_stream()
        with pytest.raises(LostError, match="hop 1 was answered before hop 0"):
            client.hop(np.zeros(256, np.int16))


def test_samples_of_another_kind_are_a_bug_of_the_caller() -> None:
    with talking_to() as (client, _):
        with pytest.raises(ValueError, match="float64"):
            client.hop(np.zeros(256))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"\(255,\); expected int16 \(256,\)"):
            client.hop(np.zeros(255, np.int16))


def test_every_error_is_the_users_to_mend() -> None:
    assert issubclass(BoardError, BlshError)
