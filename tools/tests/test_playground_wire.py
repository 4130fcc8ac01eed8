# SPDX-License-Identifier: Apache-2.0
"""The playground's side of the serial protocol, against Python's, and against the firmware on this machine."""

import base64
import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_hil.boards.host import HostBoard, build_host
from blsh_hil.prove.random_model import generate_into, random_voting_model
from blsh_hil.wire.framing import BadFrame, Decoder, Frame, encode
from blsh_hil.wire.messages import MESSAGES
from blsh_hil.wire.protocol import MAX_PAYLOAD
from blsh_tools.playground.build_page import PAGE, write_page
from blsh_tools.playground.bundle import bundle
from blsh_tools.playground.carried_models import carried_model
from blsh_tools.playground.wire_data import wire_data
from blsh_trainer.model.artifact import save_model
from blsh_trainer.signals.audio import write_wav
from blsh_trainer.signals.geometry import CLASSES

from . import chromium
from .chromium import Chromium

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.xdist_group("playground"),
    pytest.mark.skipif(chromium.PROGRAM is None, reason="chromium is not installed: tools/setup.sh --with-test-tools"),
]

FRAMES = 150
_LIFT = """
const bytesFrom = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const textFrom = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def modules(browser: Chromium) -> Chromium:
    """Return a browser with the page's modules of frames and messages, and nothing else."""
    script = "\n".join([bundle(PAGE, "frames.js"), bundle(PAGE, "messages.js"), _LIFT])
    browser.open("about:blank")
    browser.call("Runtime.evaluate", expression=script)
    browser.call("Runtime.evaluate", expression=f"const wire = {json.dumps(wire_data())};")
    return browser


def text_of(data: bytes) -> str:
    return json.dumps(base64.b64encode(data).decode())


def payloads(rng: np.random.Generator) -> Iterator[bytes]:
    """Yield payloads that are hard on byte stuffing: empty, long, of zeros, of runs as long as a block."""
    yield from (b"", b"\0", bytes(MAX_PAYLOAD), b"\1" * MAX_PAYLOAD)
    for length in (243, 244, 245, 246, 247, 248, 249, 250, 498, 502):
        yield bytes(rng.integers(1, 256, length, np.uint8))
    while True:
        zeros = rng.random() ** 4
        data = rng.integers(1, 256, rng.integers(0, MAX_PAYLOAD + 1)).astype(np.uint8)
        yield bytes(np.where(rng.random(len(data)) < zeros, 0, data).astype(np.uint8))


def test_frames_are_encoded_as_in_python(modules: Chromium, rng: np.random.Generator) -> None:
    for _, payload in zip(range(FRAMES), payloads(rng), strict=False):
        kind, sequence = (int(each) for each in rng.integers(0, (256, 65536)))
        call = f"textFrom(encodeFrame(wire, {kind}, {sequence}, bytesFrom({text_of(payload)})))"
        assert base64.b64decode(modules.run(call)) == encode(kind, sequence, payload)


def test_frames_are_decoded_as_in_python(modules: Chromium, rng: np.random.Generator) -> None:
    """Good ones, other versions, damage, noise and pieces of any size: the same frames, and the same errors."""
    line = b""
    for number, payload in zip(range(FRAMES), payloads(rng), strict=False):
        version = int(rng.integers(0, 256)) if number % 7 == 0 else 4
        frame = bytearray(encode(number % 256, number, payload, version))
        if number % 3 == 0:
            frame[rng.integers(0, len(frame))] ^= 1 << int(rng.integers(0, 8))
        line += bytes(frame)
        if number % 11 == 0:
            line += bytes(rng.integers(0, 256, rng.integers(0, 3000), np.uint8))
    cuts = sorted(int(each) for each in rng.integers(0, len(line), 200))
    pieces = [line[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(line)], strict=True)]
    expected = [described(found) for decoder in [Decoder()] for piece in pieces for found in decoder.feed(piece)]
    call = f"""(() => {{
        const decoder = new Decoder(wire);
        const found = [{",".join(map(text_of, pieces))}].flatMap((piece) => decoder.feed(bytesFrom(piece)));
        return found.map((each) => each.error
            ? [each.error, each.version ?? null]
            : [each.type, each.sequence, textFrom(each.payload)]);
    }})()"""
    assert len({str(each[0]) for each in expected if isinstance(each[0], str)}) >= 4, "errors of several kinds"
    assert modules.run(call) == expected


def described(found: Frame | BadFrame) -> list[Any]:
    if isinstance(found, BadFrame):
        return [found.error.name, found.version]
    return [found.type, found.sequence, base64.b64encode(found.payload).decode()]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name())
def test_messages_are_packed_and_read_as_in_python(modules: Chromium, rng: np.random.Generator, message: Any) -> None:
    layout = message.layout()
    payload = bytes(rng.integers(1, 128, layout.bytes, np.uint8)) + bytes(range(min(layout.tail_limit, 24)))
    sent = message.unpack(payload)
    layout_text, name = f"wire.messages.{message.name()}", message.name()
    values = modules.run(
        f"Object.entries(unpack({layout_text}, bytesFrom({text_of(payload)})))"
        ".map(([name, value]) => [name, value instanceof Uint8Array ? textFrom(value) : value])"
    )
    assert {each for each, _ in values} == {*(field.name for field in layout.fields), *filter(None, [layout.tail])}
    for field, value in values:
        wanted = getattr(sent, field)
        if isinstance(wanted, int | str):
            assert value == wanted, f"{name}.{field}"
        elif isinstance(wanted, bytes) and isinstance(value, str):  # a single spare byte is a number in the page
            assert base64.b64decode(value) == wanted, f"{name}.{field}"
    again = modules.run(f"textFrom(pack({layout_text}, unpack({layout_text}, bytesFrom({text_of(payload)}))))")
    packed = base64.b64decode(again)
    for each in layout.fields:
        if each.kind is int:
            span = slice(each.offset, each.offset + each.element_bytes)
            assert packed[span] == payload[span], f"{name}.{each.name}"
    assert len(packed) == len(payload) and packed[layout.bytes :] == payload[layout.bytes :]


# ---- a board: the firmware as a process, behind a port of the page -------------------------------------------------

_PORT = """
window.port = {
    opened: null,
    async open(options) {
        this.opened = options;
        this.readable = new ReadableStream({ start: (control) => (this.control = control) });
        this.writable = new WritableStream({ write: (bytes) => toBoard(base64From(bytes)) });
    },
    async close() {},
};
window.base64From = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
window.fromBoard = (text) => port.control.enqueue(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
"""


class Line:
    """A serial line from the page to a socket, which may lose what the page sends."""

    def __init__(self, browser: Chromium, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port))
        self.browser = browser
        self.sent = 0
        self.lost: set[int] = set()
        browser.bind("toBoard", self._send)

    def _send(self, text: str) -> None:
        self.sent += 1
        if self.sent not in self.lost:
            self.socket.sendall(base64.b64decode(text))

    def carry_until(self, expression: str) -> None:
        """Carry what the board says to the page until a JavaScript expression is true."""
        for _ in range(20_000):
            if self.browser.run(expression):
                return
            if select.select([self.socket], [], [], 0.005)[0]:
                self.browser.run(f"fromBoard({text_of(self.socket.recv(1 << 16))})")
        pytest.fail(f"not true after all that the board said: {expression}")


@pytest.mark.needs("clang", "wasm-ld", "gcc")
def test_a_board_is_compared_hop_by_hop(browser: Chromium, rng: np.random.Generator, tmp_path: Path) -> None:
    """Also where requests get lost; the other model of the page is found to be another."""
    names = ("hearing", "phone")
    for seed, name in enumerate(names):
        save_model(tmp_path / f"{name}.npz", random_voting_model(seed, geometry=CLASSES[name]))
    write_page([carried_model(name, tmp_path / f"{name}.npz") for name in names], tmp_path / "index.html", None)
    model = integer_model(random_voting_model(0, geometry=CLASSES["hearing"]), GenerateOptions())
    recording = edge_signal("speech_like", 1001, rng)
    write_wav(tmp_path / "recording.wav", recording, 16_000)
    with ExitStack() as closing:
        host = closing.enter_context(HostBoard(build_host(generate_into(tmp_path / "generated", model))))
        browser.open((tmp_path / "index.html").as_uri())
        browser.wait_for("!!window.playground?.panel")
        browser.run(_PORT)
        line = Line(browser, host.url)
        closing.callback(line.socket.close)
        browser.choose_file("file", tmp_path / "recording.wav")
        browser.wait_for("playground.page.trace !== null")
        told = "document.getElementById('board-status').textContent"

        browser.run("void playground.panel.guarded(() => playground.panel.connect(port))")
        line.carry_until(f"{told} !== '' && !playground.panel.busy")
        assert "runs the model random-voting: 16000 Hz, hops of 64 samples" in browser.run(told)
        assert browser.run("port.opened.baudRate") == 460_800

        line.lost = {line.sent + 5}
        browser.run("void playground.panel.guarded(() => playground.panel.send())")
        line.carry_until("!playground.panel.busy")
        hops = CLASSES["hearing"].hops_of(len(recording))
        assert (
            browser.run(told) == f"{hops} hops done. {hops} of {hops} hops are equal bit for bit, in all eight stages."
        )
        shown = browser.run("Array.from(playground.panel.result.output)")
        expected = VectorisedDenoiser(model).denoise(recording)
        assert np.array_equal(shown, expected)
        assert browser.run("document.getElementById('player-board').hidden") is False

        choose_other = "const list = document.getElementById('model'); list.selectedIndex = 1;"
        browser.run(f"(() => {{ {choose_other} list.dispatchEvent(new Event('change')); }})()")
        browser.run("void playground.panel.guarded(() => playground.panel.send())")
        line.carry_until("!playground.panel.busy")
        assert "runs another model than the one chosen above" in browser.run(told)
        assert np.array_equal(browser.run("Array.from(playground.panel.result.output)"), expected)
    assert browser.complaints == []
