# SPDX-License-Identifier: Apache-2.0
"""A board made of Python, for tests of clients: it answers frames as a function tells it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np

from blsh_hil.link.client import BoardClient
from blsh_hil.link.retry import Timeouts
from blsh_hil.wire.framing import Decoder, Frame, encode
from blsh_hil.wire.layout import Message
from blsh_hil.wire.messages import CountLoop, CountLoopDone, Done, Hello, HelloReply, Hop, HopDone, ResetStream
from blsh_hil.wire.protocol import VERSION

QUICK = Timeouts(boot=1.2, request=0.8)
"""Time limits for a board that will be silent."""

SHA256 = bytes(range(32))
Answer = bytes | None  # None: the board hangs up
Behaviour = Callable[[Frame], list[Answer]]


def identity(nonce: int, **changes: object) -> HelloReply:
    """Return a HELLO_REPLY with some fields changed; by default of a model of the geometry RECORDER."""
    values: dict[str, Any] = {
        "host_nonce": nonce, "boot_nonce": 1, "build_id": 0xB, "protocol_version": VERSION, "version_major": 0,
        "version_minor": 1, "version_patch": 0, "model_sha256": SHA256, "model_status": 0, "dictionary_crc32": 0xD,
        "dictionary_crc32_now": 0xD, "runtime_format": 1, "entries": 12, "feature_kind": 0, "features": 513,
        "bits": 40, "neighbours": 3, "rate_hz": 16_000, "window": 1024, "hop": 256, "synthesis": 1024,
        "attenuation": 255, "core_hz": 0, "tick_hz": 1, "max_payload": 522, "hops_in_flight": 2,
        "receive_ring": 4096, "reset_cause": 0, "overruns": 0, "bad_frames": 0, "stack_bytes_used": 0,
        "integrity": 0, "board": "fake", "core": "none", "model": "small",
    }  # fmt: skip
    return HelloReply(**(values | changes))


def answer(request: Frame, message: Message) -> bytes:
    """Return `message` as the answer to `request`."""
    return encode(message.TYPE, request.sequence, message.pack())


def good_board(request: Frame, **changes: object) -> list[Answer]:
    """Answer as a sound board does; its HOP inverts the samples."""
    if request.type == Hello.TYPE:
        return [answer(request, identity(Hello.unpack(request.payload).host_nonce, **changes))]
    if request.type == Hop.TYPE:
        hop = Hop.unpack(request.payload)
        samples = ~np.frombuffer(hop.samples, "<i2")
        return [answer(request, HopDone(hop.hop, 1, hop.flags, 0, hop.stream, 0, 0, bytes(2), samples.tobytes()))]
    if request.type == CountLoop.TYPE:
        return [answer(request, CountLoopDone(5, 2))]
    return [answer(request, Done())]


def after_hello(then: Behaviour) -> Behaviour:
    """Return a behaviour that is good_board() until a stream has started, and `then` from there on."""
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
        with suppress(OSError):  # accept() fails once the listener is closed
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
        """Refuse all connections from now on."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        """Stop listening, and end the thread."""
        with suppress(OSError):  # the board was stopped before
            self.stop_listening()
        self._thread.join(2)


@contextmanager
def talking_to(
    behaviour: Behaviour = good_board,
    greeting: bytes = b"",
    raw: Callable[[bytes], bytes] | None = None,
    timeouts: Timeouts | None = None,
) -> Iterator[tuple[BoardClient, FakeBoard]]:
    """Yield a client and the board that it is connected to."""
    with ExitStack() as cleanup:
        board = FakeBoard(behaviour, greeting, raw)
        cleanup.callback(board.close)
        yield cleanup.enter_context(BoardClient.open(board.url, timeouts)), board
