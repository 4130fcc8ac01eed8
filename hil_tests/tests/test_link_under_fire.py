# SPDX-License-Identifier: Apache-2.0
"""Run whole sessions over a line that fails: no wrong answer, no hang, and the next good frame is answered.

Each case is a seed. Its session must give what a clean line gives (survived), or end in a BoardError (failed cleanly),
and the board must serve the next client on a clean line. Anything else is a case lost.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest
from serial.urlhandler import protocol_socket

from blsh_codegen.pipeline.vectorised import VectorisedDenoiser, Vectors
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_firmware.build.compiler_alone import build_alone
from blsh_hil.boards.host import HostBoard, build_host
from blsh_hil.boards.table import find_board
from blsh_hil.boards.virtual import VirtualBoard
from blsh_hil.link.board_errors import BoardError, TransportError
from blsh_hil.link.child_process import ChildBoard
from blsh_hil.link.client import BoardClient
from blsh_hil.link.fault_injector import KINDS, FaultInjector, Faults
from blsh_hil.link.port import Port
from blsh_hil.link.retry import LinkCounts, Retries, Timeouts
from blsh_hil.prove.random_model import generate_into, random_model
from blsh_hil.wire.framing import encode
from blsh_hil.wire.messages import Hop

from .marks import needs_emulator

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("link under fire")]  # one worker builds its fixtures, once

STREAMED = 24  # hops, after six that are asked for one by one
PATIENT = Retries(limit=20)  # a dump of 4 KB is not kept: it must get through whole
TIMEOUTS = Timeouts(boot=10, request=20)
MODEL = random_model()
HOP = MODEL.geometry.hop
QUIET = logging.getLogger("blsh_hil.under_fire")
QUIET.setLevel(logging.ERROR)  # thousands of warnings are meant


@dataclass(frozen=True)
class Truth:
    """The answers that a board must give, by the reference."""

    samples: npt.NDArray[np.int16]
    stages: Vectors
    output: npt.NDArray[np.int16]


@pytest.fixture(scope="module")
def truth() -> Truth:
    samples = edge_signal("speech_like", (6 + STREAMED) * HOP, np.random.default_rng(8))
    reference = VectorisedDenoiser(MODEL)
    return Truth(samples, reference.stages(samples), reference.hops(samples))


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_into(tmp_path_factory.mktemp("model") / "generated", MODEL)


@pytest.fixture(autouse=True)
def quick_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close sockets at once: pyserial sleeps for a third of a second whenever it closes one of hundreds here."""
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture(scope="module")
def board(
    request: pytest.FixtureRequest, generated: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChildBoard]:
    name = request.param
    if name == "host":
        target: ChildBoard = HostBoard(build_host(generated, sanitize=True))
    else:
        elf = build_alone(find_board(name), MODEL, tmp_path_factory.mktemp(name))
        target = VirtualBoard(find_board(name), elf)
    with target as running:
        yield running
        running.check()  # a sanitizer that found something has ended it


def session(client: BoardClient, truth: Truth) -> None:
    """Make all kinds of requests, and compare every answer."""
    hello = client.require(dictionary_crc32=MODEL.dictionary_crc32)
    assert (hello.bits, hello.entries, hello.integrity) == (50, 128, 0)
    client.reset_stream()
    hops = truth.samples.reshape(-1, HOP)
    for place in range(6):
        stage = 2 * place if place < 3 else None
        reply = client.hop(hops[place], digests=place % 2 == 0, ticks=place == 3, dump_stage=stage)
        assert reply.hop == place
        assert np.array_equal(reply.samples, truth.output[place * HOP :][:HOP])
        assert reply.digests == (tuple(truth.stages.hop(place).digests()) if place % 2 == 0 else None)
        assert reply.stage_bytes == (None if stage is None else truth.stages.hop(place).stage_bytes(stage))
    assert client.check().dictionary_crc32_now == MODEL.dictionary_crc32
    assert client.count_loop(1000).ticks > 0
    assert np.array_equal(client.stream(truth.samples[6 * HOP :]), truth.output[6 * HOP :])


def under_fire(
    board: ChildBoard, truth: Truth, injector: FaultInjector, retries: Retries = PATIENT
) -> tuple[str, LinkCounts]:
    """Return how a session over `injector` ended. Afterwards the board must serve a clean line."""
    counts = LinkCounts()
    try:
        opened = BoardClient.open(board.url, TIMEOUTS, logger=QUIET, retries=retries, wrap=injector.wrap)
        with opened as client:
            counts = client.counts
            session(client, truth)
            outcome = "survived"
    except BoardError as error:
        outcome = "failed cleanly"
        print(f"{type(error).__name__}: {error}")
    with BoardClient.open(board.url, TIMEOUTS) as client:
        client.hello()
        client.reset_stream()
        assert np.array_equal(client.hop(truth.samples[:HOP]).samples, truth.output[:HOP])
        assert client.counts.retries <= 1, "at most the rest of a frame that the last client left half-sent"
    board.check()
    return outcome, counts


def sweep(board: ChildBoard, truth: Truth, seeds: range, there: Faults, back: Faults) -> Counter[str]:
    """Return the number of cases by outcome, and of faults by kind."""
    tally: Counter[str] = Counter()
    for seed in seeds:
        injector = FaultInjector(seed, there, back)
        try:
            outcome, counts = under_fire(board, truth, injector)
        except Exception as error:
            raise AssertionError(f"case lost: seed {seed}, {there}, {back}") from error
        tally += Counter({"cases": 1, outcome: 1, "retries": counts.retries, "restarts": counts.restarts})
        tally += injector.counts
    print(dict(tally))
    return tally


@pytest.mark.parametrize("board", ["host"], indirect=True)
@pytest.mark.parametrize("kind", KINDS)
def test_session_survives_each_kind_of_fault(board: ChildBoard, truth: Truth, test_seed: int, kind: str) -> None:
    chance = 2e-5 if kind == "cut" else 1e-4
    faults = Faults(**{kind: chance}, delay_s=0.005)
    tally = sweep(board, truth, range(test_seed, test_seed + 3), faults, faults)
    assert tally["survived"] == tally["cases"] == 3
    assert tally[kind] > 0 or kind == "cut"


@pytest.mark.parametrize("board", ["host"], indirect=True)
def test_session_survives_all_kinds_of_faults_at_once(board: ChildBoard, truth: Truth, test_seed: int) -> None:
    faults = Faults.all(3e-5, cut=5e-6)
    tally = sweep(board, truth, range(test_seed, test_seed + 8), faults, faults)
    assert tally["survived"] == tally["cases"] == 8


@pytest.mark.parametrize("board", ["host"], indirect=True)
def test_hopeless_line_fails_cleanly_within_its_bounds(board: ChildBoard, truth: Truth, test_seed: int) -> None:
    """Make a fault every 100 bytes. Hardly a hop gets through, but each that does must be right."""
    for seed in range(test_seed, test_seed + 2):
        injector = FaultInjector(seed, Faults.all(2e-3), Faults.all(2e-3))
        outcome, counts = under_fire(board, truth, injector, Retries(limit=2))
        assert outcome == "failed cleanly"
        assert counts.retries <= 2 * counts.requests


@pytest.mark.slow
@pytest.mark.parametrize("board", [pytest.param("mps2-an386", marks=needs_emulator)], indirect=True)
def test_virtual_board_survives_all_kinds_of_faults(board: ChildBoard, truth: Truth, test_seed: int) -> None:
    faults = Faults.all(3e-5, cut=5e-6)
    tally = sweep(board, truth, range(test_seed, test_seed + 5), faults, faults)
    assert tally["survived"] == tally["cases"] == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    "board", ["host", *(pytest.param(name, marks=needs_emulator) for name in ("mps2-an386", "microbit"))], indirect=True
)
def test_hundreds_of_seeds_at_three_rates(board: ChildBoard, truth: Truth, test_seed: int) -> None:
    """Run for ten minutes on each board. At the two lower rates all survive; at the highest some fail, cleanly."""
    for count, chance in ((150, 1e-5), (150, 3e-5), (50, 2e-4)):
        faults = Faults.all(chance, cut=chance / 10)
        tally = sweep(board, truth, range(test_seed, test_seed + count), faults, faults)
        assert tally["survived"] + tally["failed cleanly"] == tally["cases"] == count
        assert chance > 1e-4 or tally["failed cleanly"] == 0


# ---- bytes that are no frames -------------------------------------------------------------------------------


def noise_of(kind: str, rng: np.random.Generator, count: int) -> bytes:
    """Send random bytes: any, none of them a delimiter, nearly all delimiters, or shreds of good frames."""
    data = rng.integers(1 if kind == "endless" else 0, 256, count).astype(np.uint8)
    if kind == "delimiters":
        data[rng.random(count) < 0.7] = 0
    if kind == "shreds":
        frame = encode(Hop.TYPE, 1, bytes(6) + rng.bytes(2 * HOP))
        pieces = [frame[rng.integers(100) : rng.integers(100, len(frame))] for _ in range(count // 250)]
        return b"".join(pieces)[:count]
    return data.tobytes()


@pytest.mark.parametrize("kind", ["random", "endless", "delimiters", "shreds"])
@pytest.mark.parametrize(
    "board",
    [
        pytest.param("microbit", marks=needs_emulator),
        *(pytest.param(name, marks=[needs_emulator, pytest.mark.slow]) for name in ("netduinoplus2", "mps3-an547")),
    ],
    indirect=True,
)
def test_good_frame_is_answered_after_random_bytes_over_the_uart(
    board: ChildBoard, truth: Truth, rng: np.random.Generator, kind: str
) -> None:
    with BoardClient.open(board.url, TIMEOUTS) as client:
        before = client.hello()
    with Port(board.url, baud=115_200) as port:
        data = noise_of(kind, rng, 20_000)
        for at in range(0, len(data), 500):
            port.write(data[at : at + 500], time.monotonic() + 10)
            while port.read(time.monotonic() + 0.002):  # its complaints
                pass
    with BoardClient.open(board.url, TIMEOUTS) as client:
        after = client.hello()
        assert after.boot_nonce == before.boot_nonce
        assert after.bad_frames > before.bad_frames
        client.reset_stream()
        assert np.array_equal(client.stream(truth.samples[: 8 * HOP]), truth.output[: 8 * HOP])


def test_transport_errors_alone_are_asked_again() -> None:
    """Check that only TransportErrors are retried, and that no verdict on a board is one."""
    names = {error.__name__ for error in TransportError.__subclasses__()}
    assert names == {"NoAnswerError", "DamagedError", "LostError", "ConnectionClosedError", "RestartedError"}
