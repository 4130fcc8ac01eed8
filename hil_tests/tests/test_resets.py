# SPDX-License-Identifier: Apache-2.0
"""Reset a board at every frame boundary of a session, and in the midst of every request.

The client notices it by the boot nonce, and the session goes on with the right answers.
"""

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from serial.urlhandler import protocol_socket

from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_firmware.build.compiler_alone import build_alone
from blsh_hil.boards.host import HostBoard, HostImage, build_host
from blsh_hil.boards.table import find_board
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.link.board_errors import StreamLostError
from blsh_hil.link.child_process import ChildBoard
from blsh_hil.link.client import BoardClient
from blsh_hil.link.retry import LinkCounts, Retries, Timeouts
from blsh_hil.prove.random_model import generate_into, random_model
from blsh_hil.wire.framing import encode
from blsh_hil.wire.messages import Reset

from .marks import needs_emulator

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("resets")]  # one worker builds its fixtures, once

MODEL = random_model()
HOP = MODEL.geometry.hop
TIMEOUTS = Timeouts(boot=10, request=6)
QUIET = logging.getLogger("blsh_hil.resets")
QUIET.setLevel(logging.ERROR)  # its warnings are meant
SAMPLES = edge_signal("speech_like", 9 * HOP, np.random.default_rng(8))
OUTPUT = VectorisedDenoiser(MODEL).hops(SAMPLES)
REQUESTS = 1 + 1 + 3 + 1 + 6 + 1  # the requests of session(): HELLO, RESET_STREAM, hops, CHECK, hops ahead, COUNT_LOOP
PARTS = ("before", "within", "after", "answered")
emulated = pytest.param("mps2-an386", marks=needs_emulator)
boards = pytest.mark.parametrize("board", ["host", emulated], indirect=True)


@pytest.fixture(autouse=True)
def quick_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close sockets at once: pyserial sleeps for a third of a second whenever it closes one of hundreds here."""
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ChildBoard]:
    @cache
    def built(name: str) -> HostImage | Path:
        folder = tmp_path_factory.mktemp("board")
        if name == "host":
            return build_host(generate_into(folder / "generated", MODEL), sanitize=True)
        return build_alone(find_board(name), MODEL, folder)

    def new(name: str) -> ChildBoard:
        image = built(name)
        return HostBoard(image) if isinstance(image, HostImage) else VirtualBoard(find_board(name), image)

    return new


@pytest.fixture
def board(request: pytest.FixtureRequest, target: Callable[[str], ChildBoard]) -> Iterator[ChildBoard]:
    with target(request.param) as running:
        yield running
        running.check()


class Meddler:
    """A meddler between client and board, which presses the reset button once.

    It does so when request number `when` is about to be sent (part 0), half sent (part 1) or sent (part 2), or when
    `when` frames have come from the board (part 3).
    """

    def __init__(self, press: Callable[[Any], None], when: int, part: int) -> None:
        self.timeout, self.write_timeout = 0, None
        self.pressed = False
        self._press, self._when, self._part = press, when, part
        self._requests = self._delimiters = 0
        self._line: Any = None

    def wrap(self, line: Any) -> "Meddler":
        self._line = line
        line.write_timeout = None
        return self

    def fileno(self) -> int:
        raise OSError("to be polled")

    def write(self, data: bytes) -> int:
        data = bytes(data)
        struck = not self.pressed and self._requests == self._when and self._part < 3
        before = (0, len(data) // 2, len(data))[self._part] if struck else len(data)
        self._requests += 1
        self._line.write(data[:before])
        if struck:
            self._strike()
            self._line.write(data[before:])
        return len(data)

    def read(self, size: int) -> bytes:
        data: bytes = self._line.read(size)
        self._delimiters += data.count(0)
        if self._part == 3 and not self.pressed and self._delimiters > 2 * self._when:
            self._strike()
        return data

    def _strike(self) -> None:
        self.pressed = True
        self._press(self._line)

    def close(self) -> None:
        self._line.close()


def press_reset(board: ChildBoard) -> Callable[[Any], None]:
    if isinstance(board, VirtualBoard):
        return lambda line: board.press_reset()
    return lambda line: line.write(encode(Reset.TYPE, 0))  # the process has no button


def session(client: BoardClient) -> None:
    """Run a session, and compare every answer."""
    client.require(dictionary_crc32=MODEL.dictionary_crc32)
    client.reset_stream()
    for place in range(3):
        reply = client.hop(SAMPLES[place * HOP :][:HOP], digests=True, dump_stage=4 if place == 1 else None)
        assert (reply.hop, len(reply.stage_bytes or b"")) == (place, 8 if place == 1 else 0)
        assert np.array_equal(reply.samples, OUTPUT[place * HOP :][:HOP])
    assert client.check().integrity == 0
    assert np.array_equal(client.stream(SAMPLES[3 * HOP :]), OUTPUT[3 * HOP :])
    assert client.count_loop(100).ticks > 0


def reset_in_session(board: ChildBoard, when: int, part: int) -> LinkCounts:
    meddler = Meddler(press_reset(board), when, part)
    with BoardClient.open(board.url, TIMEOUTS, logger=QUIET, wrap=meddler.wrap) as client:
        session(client)
        assert meddler.pressed, "the session is as long as was thought"
        client.hello()
        return client.counts


@pytest.mark.parametrize(
    ("board", "part"),
    [
        *(pytest.param("host", part, id=f"host-{PARTS[part]}") for part in range(4)),
        *(pytest.param("mps2-an386", part, id=f"mps2-an386-{PARTS[part]}", marks=needs_emulator) for part in (1,)),
        *(
            pytest.param(name, part, id=f"{name}-{PARTS[part]}", marks=[needs_emulator, pytest.mark.slow])
            for name, parts in (("mps2-an386", (0, 2, 3)), ("microbit", range(4)))
            for part in parts
        ),
    ],
    indirect=["board"],
)
def test_reset_at_any_frame_of_a_session(board: ChildBoard, part: int) -> None:
    """Reset at 4 places of 13 requests: none of the 52 cases of a board may fail."""
    noticed = replayed = 0
    for when in range(REQUESTS):
        try:
            counts = reset_in_session(board, when, part)
        except Exception as error:
            raise AssertionError(f"case lost: request {when}, part {part}") from error
        assert counts.restarts <= 1
        noticed += counts.restarts
        replayed += counts.replayed_hops > 0
    assert noticed >= REQUESTS - 2, "before the first HELLO was answered there is no nonce to compare"
    assert replayed >= 6, "in mid-stream the hops before are played again"


@boards
def test_stream_that_is_too_long_to_be_played_again_fails_cleanly(board: ChildBoard) -> None:
    meddler = Meddler(press_reset(board), 6, 0)
    retries = Retries(replay_hops=2)
    with BoardClient.open(board.url, TIMEOUTS, logger=QUIET, retries=retries, wrap=meddler.wrap) as client:
        client.reset_stream()
        for place in range(3):
            client.hop(SAMPLES[place * HOP :][:HOP])
        with pytest.raises(StreamLostError, match=r"more than the 2 hops that are played again; call reset_stream\(\)"):
            client.stream(SAMPLES[3 * HOP :])
        client.reset_stream()
        assert np.array_equal(client.stream(SAMPLES), OUTPUT)


@boards
def test_board_that_resets_again_and_again_is_given_up(board: ChildBoard) -> None:
    class Hopeless(Meddler):
        def write(self, data: bytes) -> int:
            self.pressed, self._requests = False, len(data)
            self._when = len(data) if len(data) > 400 else 0  # at every HOP
            return super().write(data)

    meddler = Hopeless(press_reset(board), 0, 0)
    with BoardClient.open(board.url, TIMEOUTS, logger=QUIET, wrap=meddler.wrap) as client:
        client.reset_stream()
        with pytest.raises(StreamLostError, match="begun anew 3 times without getting beyond hop 0"):
            client.hop(SAMPLES[:HOP])
        assert client.counts.restarts == 4


def test_reset_button_outside_its_block_is_a_bug_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="inside its `with` block only"):
        VirtualBoard(find_board("mps2-an386"), tmp_path / "none.elf").press_reset()


# ---- nothing outlives a session -----------------------------------------------------------------------------


@boards
def test_session_leaves_no_thread(board: ChildBoard) -> None:
    before = threading.enumerate()
    with BoardClient.open(board.url, TIMEOUTS) as client:
        session(client)
        assert threading.enumerate() == before
    assert threading.enumerate() == before


@pytest.mark.parametrize("board", [emulated], indirect=True)
def test_killed_command_takes_the_emulator_with_it_in_mid_stream(board: VirtualBoard) -> None:
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        import numpy as np
        from blsh_hil.boards.table import find_board
        from blsh_hil.boards.session import Expected, connect
        from blsh_hil.boards.virtual import VirtualBoard

        virtual = VirtualBoard(find_board("mps2-an386"), Path(sys.argv[1]))
        with connect(virtual, Expected()) as client:
            client.reset_stream()
            said = lambda done, hops: done == 3 and print(virtual.process.pid, flush=True)
            client.stream(np.zeros(10_000_000, np.int16), said)
    """)
    with subprocess.Popen([sys.executable, "-c", script, board.elf], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        emulator = int(parent.stdout.readline())
        assert Path(f"/proc/{emulator}/cmdline").read_bytes().startswith(b"/")
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while _runs(emulator) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(emulator)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
