# SPDX-License-Identifier: Apache-2.0
"""A board that does not answer, answers garbage or is another one has its own message, exit code 2, and no output."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from blsh_codegen.emit.generated_record import read_record
from blsh_firmware.build.images import STAMP_NAME
from blsh_hil.wire.codes import FaultReason
from blsh_hil.wire.framing import Decoder, Frame, encode
from blsh_hil.wire.layout import Message
from blsh_hil.wire.messages import Done, Fault, Hello, HelloReply, ResetStream
from blsh_hil.wire.protocol import VERSION

from .bench import Bench, firmware_command
from .blsh_command import Blsh
from .projects import BOARD

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("probe")]  # one program at a time holds the probe of a board

Replies = list[bytes | None]  # None: hang up
Behaviour = Callable[["FakeBoard", Frame], Replies]


@dataclass
class FakeBoard:
    """A board that answers frames on a TCP port, or (raw) bytes, as a case says. hello: what it says of itself."""

    behaviour: Behaviour | None
    hello: dict[str, Any]
    raw: Callable[[bytes], bytes | None] | None = None

    @contextmanager
    def running(self) -> Iterator[str]:
        """Run the board and yield the URL of its port."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
            thread.start()
            yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)

    def _serve(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
            listener.close()  # a server that hangs up takes no other call
            with connection:
                decoder = Decoder()
                while data := connection.recv(4096):
                    for reply in [self.raw(data)] if self.raw else self._answers(decoder.feed(data)):
                        if reply is None:
                            return
                        connection.sendall(reply)
        except OSError:  # the client has gone
            return

    def _answers(self, frames: Sequence[object]) -> Iterator[bytes | None]:
        for frame in frames:
            assert isinstance(frame, Frame) and self.behaviour is not None
            yield from self.behaviour(self, frame)


def answer(request: Frame, message: Message) -> bytes:
    return encode(message.TYPE, request.sequence, message.pack())


def introduce(board: FakeBoard, request: Frame, **changes: Any) -> Replies:
    """Return the HELLO of the right board with `changes`."""
    nonce = Hello.unpack(request.payload).host_nonce
    return [answer(request, HelloReply(**(board.hello | {"host_nonce": nonce} | changes)))]


def after_hello(replies: Callable[[Frame], Replies]) -> Behaviour:
    """Return a board that says the right HELLO, and answers anything else by `replies`."""
    return lambda board, request: introduce(board, request) if request.type == Hello.TYPE else replies(request)


def stops_in_mid_stream(request: Frame) -> Replies:
    return [answer(request, Done())] if request.type == ResetStream.TYPE else [None]


def says(**changes: Any) -> Behaviour:
    return lambda board, request: introduce(board, request, **changes)


FAULT = Fault(tuple(range(0x10, 0x18)), 0x8200, 0xDEAD0000, FaultReason.FAULT)
FLASH = "`blsh build`, then `blsh flash`"

# The behaviour of a board, and the message to the user.
BOARDS: dict[str, tuple[Behaviour | Callable[[bytes], bytes | None], str]] = {
    "silent": (lambda data: b"", "no answer to HELLO within 8 s, nothing was received.*is this the right port"),
    "garbage": (lambda data: b"\xf8\x80\x78", "valid frame, beginning with f8 80 78 .*another rate than 115200 baud"),
    "echo": (lambda data: data, "our own requests come back; the port is looped"),
    "hangs up at once": (lambda data: None, "the connection was closed and cannot be opened again"),
    "another model": (says(model_sha256=bytes(32)), rf"model \(SHA-256\) of the board: 0000.*; expected: .*{FLASH}"),
    "another build": (says(build_id=0xBAD), f"build id of the board: 00000bad; expected: .*{FLASH}"),
    "another dictionary": (
        says(dictionary_crc32=1, dictionary_crc32_now=1), f"dictionary CRC of the board: 0+1; .*{FLASH}"
    ),
    "another number of neighbours": (says(neighbours=2), f"number of neighbours of the board: 2; .*: 5. .*{FLASH}"),
    "damaged flash": (says(dictionary_crc32_now=7), f"CRC of the dictionary in flash of the board: 0+7; .*{FLASH}"),
    "newer protocol": (says(protocol_version=VERSION + 1), f"protocol version {VERSION + 1}, this checkout {VERSION};"),
    "fault": (after_hello(lambda _: [encode(Fault.TYPE, 0, FAULT.pack())]), "took a fault.*pc=00000016.*addr2line"),
    "hangs up in mid-stream": (after_hello(stops_in_mid_stream), "connection was closed and cannot be opened again"),
    "another answer": (after_hello(lambda r: [answer(r, HelloReply(**HELLO))]), "expected DONE, the board sent HELLO"),
}  # fmt: skip

HELLO: dict[str, Any] = {
    "host_nonce": 0, "boot_nonce": 1, "build_id": 0, "protocol_version": VERSION, "version_major": 0,
    "version_minor": 1, "version_patch": 0, "model_sha256": bytes(32), "model_status": 0, "dictionary_crc32": 0,
    "dictionary_crc32_now": 0, "runtime_format": 1, "entries": 12, "feature_kind": 0, "features": 513, "bits": 20,
    "neighbours": 5, "core_hz": 0, "tick_hz": 1, "max_payload": 514, "hops_in_flight": 3, "receive_ring": 4096,
    "reset_cause": 0, "overruns": 0, "bad_frames": 0, "stack_bytes_used": 0, "integrity": 0, "board": "fake",
    "core": "none", "model": "tiny",
    "rate_hz": 16_000, "window": 1024, "hop": 256, "synthesis": 1024, "attenuation": 255,
}  # fmt: skip


@pytest.fixture
def hello(built_project: Path) -> dict[str, Any]:
    """Return the fields of HELLO of a board with the built firmware."""
    record = read_record(built_project / "firmware" / "generated")
    stamp = json.loads((built_project / ".pio" / "build" / BOARD / STAMP_NAME).read_text())
    return HELLO | {
        "model_sha256": bytes.fromhex(record.model_sha256),
        "dictionary_crc32": record.dictionary_crc32,
        "dictionary_crc32_now": record.dictionary_crc32,
        "build_id": stamp["build_id"],
    }


NEVER_ANSWER = ("silent", "garbage")
RAW = ("silent", "garbage", "echo", "hangs up at once")


def fake_board(case: str, hello: dict[str, Any]) -> FakeBoard:
    act: Any = BOARDS[case][0]
    return FakeBoard(None, hello, act) if case in RAW else FakeBoard(act, hello)


@pytest.mark.parametrize("case", [case for case in BOARDS if case not in NEVER_ANSWER])
def test_board_disappoints(built: Blsh, bench: Bench, hello: dict[str, Any], case: str) -> None:
    with fake_board(case, hello).running() as url:
        built.refuse(f"^{url}: .*{BOARDS[case][1]}", *firmware_command(bench, "denoise"), "--port", url)


@pytest.mark.slow
def test_boards_that_never_answer(built: Blsh, bench: Bench, hello: dict[str, Any]) -> None:
    """Both cases run side by side, because each takes eight seconds."""
    arguments = firmware_command(bench, "denoise")

    def disappoint(case: str) -> None:
        with fake_board(case, hello).running() as url:
            built.refuse(f"^{url}: .*{BOARDS[case][1]}", *arguments, "--port", url, alone=True)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(disappoint, case) for case in NEVER_ANSWER]:
            done.result()


@pytest.mark.parametrize("case", ["hangs up at once", "another model"])
@pytest.mark.parametrize("command", ["flash", "hil"])
def test_every_command_refuses_such_boards(
    built: Blsh, bench: Bench, hello: dict[str, Any], command: str, case: str
) -> None:
    with fake_board(case, hello).running() as url:
        built.refuse(f"^{url}: .*{BOARDS[case][1]}", *firmware_command(bench, command), "--port", url)


@pytest.mark.parametrize("command", ["flash", "hil", "denoise"])
@pytest.mark.parametrize("port", ["/dev/no-such-port", "nonsense://x", "socket://127.0.0.1:1"])
def test_port_that_cannot_be_opened(built: Blsh, bench: Bench, command: str, port: str) -> None:
    built.refuse(f"^cannot open {port}: .*`blsh boards`", *firmware_command(bench, command), "--port", port)


@pytest.mark.parametrize("line", ["flash", "push --factory", "hil", "denoise in.wav out.wav", "live", "bench-link"])
def test_what_is_no_port_is_refused_before_any_work(blsh: Blsh, line: str) -> None:
    """Nothing is generated here and no file is there: the port is looked at first."""
    for port, why in (
        ("socket://localhost", "it names no TCP port"),
        ("", "its name is empty"),
        (".", "it is a folder"),
    ):
        blsh.refuse(f"cannot open .*: {why}.*; expected /dev/tty", *line.split(), f"--port={port}")


@pytest.mark.parametrize("command", ["hil", "denoise", "live", "bench-link"])
def test_a_missing_port_is_told_before_the_firmware_is_looked_at(blsh: Blsh, bench: Bench, command: str) -> None:
    """Nothing is generated here, which a build would find first."""
    lines = {"live": "live --input in.wav --output out.wav", "bench-link": "bench-link"}
    words = firmware_command(bench, "denoise" if command in lines else command)
    words = [*lines[command].split(), "--model", bench.model] if command in lines else words
    blsh.refuse("^cannot open /dev/NOWHERE: there is no such port; expected", *words, "--port", "/dev/NOWHERE")


def test_a_page_is_not_computed_for_a_missing_port(blsh: Blsh) -> None:
    line = "report intercom --board host --port /dev/NOWHERE --corpus no-corpus"
    blsh.refuse("^cannot open /dev/NOWHERE: there is no such port; expected", *line.split())
