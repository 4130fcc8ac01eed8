# SPDX-License-Identifier: Apache-2.0
"""Check live audio: hops are sent when they are there, played when they are due, timed, and none is lost."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_hil.boards.host import HostBoard, build_host
from blsh_hil.link.board_errors import StreamLostError
from blsh_hil.link.client import BoardClient
from blsh_hil.link.fault_injector import FaultInjector, Faults
from blsh_hil.link.hops import HopFeed, HopReply, HopRequest
from blsh_hil.link.retry import Retries
from blsh_hil.live import ends
from blsh_hil.live import session as live_session
from blsh_hil.live.ends import FileSink, LimitedSource, PacedSource, PlayoutClock
from blsh_hil.live.session import LiveSession
from blsh_hil.live.timing import Spread, hops_carried
from blsh_hil.prove.random_model import generate_into, random_model
from blsh_hil.wire.codes import Integrity
from blsh_trainer.signals.geometry import CLASSES, RECORDER, Geometry

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("live")]  # one worker builds its fixtures, once

MODEL = random_model()
HOP, HOP_S = MODEL.geometry.hop, MODEL.geometry.hop_s
SOUND = Integrity(0)
Samples = npt.NDArray[np.int16]


class Clock:
    """A clock that moves only on request."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    for module in (ends, live_session):
        monkeypatch.setattr(module, "time", stopped)
    return stopped


def numbered(count: int) -> list[Samples]:
    """Return hops whose samples are their numbers."""
    return [np.full(HOP, number, np.int16) for number in range(count)]


# ---- sources and sinks ------------------------------------------------------------------------------------------


def test_a_recording_is_there_at_the_pace_of_its_own_time(clock: Clock) -> None:
    source = PacedSource(iter(numbered(5)), HOP_S)
    assert source.take(9) == [], "the first hop takes 16 ms to be spoken"
    due = source.due()
    assert due == pytest.approx(clock.now + HOP_S)
    clock.now = due
    (first,) = source.take(9)
    assert (first.samples[0], first.at) == (0, due)
    clock.now += 2.5 * HOP_S
    assert [hop.samples[0] for hop in source.take(1)] == [1], "no more than was asked for"
    second = source.take(9)
    assert [hop.samples[0] for hop in second] == [2] and second[0].at == pytest.approx(due + 2 * HOP_S)
    clock.now += 60
    assert [hop.samples[0] for hop in source.take(9)] == [3, 4]
    assert source.due() is None and source.take(9) == [] and source.dropped == 0


def test_a_limited_source_ends_early(clock: Clock) -> None:
    source = LimitedSource(PacedSource(iter(numbered(9)), HOP_S), 3)
    source.take(1)
    clock.now += 1
    assert len(source.take(2)) == 2 and source.due() is not None
    assert len(source.take(5)) == 1 and source.due() is None


def test_hops_in_time_are_played_one_every_16_ms() -> None:
    player = PlayoutClock(0.03, HOP_S)
    arrivals = [10.0, 10.018, 10.030, 10.0779, 10.064]
    played = [player.play(arrived) for arrived in arrivals]
    assert played == pytest.approx([10.03 + HOP_S * place for place in range(5)])
    assert (player.late, player.silent) == (0, 0)


def test_a_late_hop_leaves_silence_in_whole_hops_and_moves_all_that_follow() -> None:
    player = PlayoutClock(0.0, HOP_S)
    assert player.play(10.0) == 10.0
    assert player.play(10.0 + HOP_S + 0.020) == pytest.approx(10.0 + 3 * HOP_S), "20 ms late: two hops of silence"
    assert player.play(10.0 + 3 * HOP_S) == pytest.approx(10.0 + 4 * HOP_S)
    assert (player.late, player.silent) == (1, 2)


def test_a_board_at_half_speed_is_always_late() -> None:
    player = PlayoutClock(0.032, HOP_S)
    for place in range(100):
        player.play(10.0 + 2.1 * HOP_S * place)
    assert player.late > 90 and player.silent == pytest.approx(110, abs=4)


def test_spread_is_in_milliseconds() -> None:
    spread = Spread.of(np.arange(101) / 1000)
    assert spread.to_dict() == {"min": 0.0, "mean": 50.0, "p95": 95.0, "max": 100.0}


def test_the_default_rate_of_a_serial_line_is_too_slow_for_real_time() -> None:
    assert hops_carried(115_200, RECORDER) == pytest.approx(21, abs=0.5)
    for geometry in CLASSES.values():
        assert hops_carried(115_200, geometry) < geometry.hops_per_second < hops_carried(460_800, geometry)


# ---- a session, with a client that does as it is asked -------------------------------------------------------


@dataclass
class ScriptedClient:
    """Answers each hop `delay` after it was taken; before hop number n of all, script[n] may change the course."""

    clock: Clock
    delay: float = 0.004
    script: dict[int, str] = field(default_factory=dict)
    integrity: Integrity = SOUND
    identity: Any = None
    geometry: Geometry = RECORDER
    resets: int = 0

    def reset_stream(self) -> None:
        self.resets += 1

    def stream_feed(self, feed: HopFeed, answered: Callable[[int, HopReply], None]) -> None:
        replies: list[HopReply] = []
        while (due := feed.due()) is not None:
            self.clock.now = max(self.clock.now, due)
            for request in feed.take(2):
                number = int(np.frombuffer(request.samples, "<i2")[0])
                event = self.script.pop(number, "")
                if event == "lose the stream":
                    raise StreamLostError("the board started again")
                replies.append(self._reply(len(replies), request))
                self.clock.now += self.delay
                for reply in replies if event == "play again" else replies[-1:]:
                    answered(reply.hop, reply)

    def _reply(self, place: int, request: HopRequest) -> HopReply:
        samples = np.frombuffer(request.samples, "<i2").astype(np.int16)
        return HopReply(place, 5, samples, None, None, None, self.integrity, 0, 0)


def play(client: ScriptedClient, hops: int = 20, buffer_s: float = 0.032) -> tuple[LiveSession, list[int]]:
    written: list[int] = []
    sink = FileSink(lambda samples: written.append(int(samples[0])), buffer_s, HOP_S)
    session = LiveSession(cast(BoardClient, client), PacedSource(iter(numbered(hops)), HOP_S), sink)
    session.run()
    return session, written


def test_latency_is_the_sum_of_its_parts(clock: Clock) -> None:
    session, written = play(ScriptedClient(clock))
    found = session.result().to_dict()
    latency = found["latency_ms"]
    assert written == list(range(20)) and found["hops"] == 20
    assert latency["algorithm"] == 64
    assert latency["link_and_board"] == pytest.approx({"min": 4, "mean": 4, "p95": 4, "max": 4}, abs=0.01)
    assert latency["waiting_to_play"]["mean"] == pytest.approx(32, abs=0.01)
    assert latency["end_to_end"]["mean"] == pytest.approx(64 + 4 + 32, abs=0.01)
    assert (found["late_hops"], found["underruns"], found["real_time"]) == (0, 0, True)
    assert found["speed"] == pytest.approx(1, abs=0.02)


def test_a_slow_board_is_called_slow_and_loses_nothing(clock: Clock) -> None:
    session, written = play(ScriptedClient(clock, delay=2 * HOP_S), hops=60)
    found = session.result().to_dict()
    assert written == list(range(60))
    assert found["late_hops"] > 50 and not found["real_time"] and found["speed"] == pytest.approx(0.5, abs=0.02)
    assert found["latency_ms"]["waiting_to_send"]["max"] > 900, "the sixtieth has waited for all before it"


def test_after_the_board_lost_the_stream_the_sound_goes_on_in_a_new_one(clock: Clock) -> None:
    client = ScriptedClient(clock, script={7: "lose the stream"})
    session, written = play(client)
    assert written == list(range(20)), "what had no answer is sent again, what had one is not"
    assert session.result().streams == client.resets == 2


def test_answers_that_come_again_are_not_played_again(clock: Clock) -> None:
    session, written = play(ScriptedClient(clock, script={7: "play again"}))
    assert written == list(range(20)) and session.result().streams == 1


def test_audio_that_passed_unprocessed_is_counted_with_the_reason(clock: Clock) -> None:
    session, _ = play(ScriptedClient(clock, integrity=Integrity.DICTIONARY))
    found = session.result()
    assert (found.unprocessed, found.integrity) == (20, Integrity.DICTIONARY)


def test_nothing_at_all_is_a_result_too(clock: Clock) -> None:
    session, _ = play(ScriptedClient(clock), hops=0)
    found = session.result().to_dict()
    assert (found["hops"], found["board_ms"], found["speed"]) == (0, None, None)


# ---- with a board -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostBoard]:
    generated = generate_into(tmp_path_factory.mktemp("generated"), MODEL)
    with HostBoard(build_host(generated)) as board:
        yield board


class Bursts:
    """A feed that has no hop, one or many, at random moments."""

    def __init__(self, hops: Sequence[Samples], rng: np.random.Generator) -> None:
        self._hops = list(hops)
        self._rng = rng
        self._due = time.monotonic()

    def take(self, most: int) -> Sequence[HopRequest]:
        if time.monotonic() < self._due:
            return []
        self._due = time.monotonic() + float(self._rng.choice([0, 0.001, 0.004]))
        count = min(most, int(self._rng.integers(0, 4)))
        taken, self._hops = self._hops[:count], self._hops[count:]
        return [HopRequest(hop.astype("<i2").tobytes()) for hop in taken]

    def due(self) -> float | None:
        return self._due if self._hops else None


@pytest.fixture(scope="module")
def signal() -> tuple[Samples, Samples]:
    samples = edge_signal("speech_like", 150 * HOP, np.random.default_rng(8))
    return samples, VectorisedDenoiser(MODEL).hops(samples)


@pytest.mark.parametrize("damaged", [False, True])
def test_a_feed_gives_the_same_samples_whenever_its_hops_come(
    host: HostBoard, signal: tuple[Samples, Samples], rng: np.random.Generator, test_seed: int, damaged: bool
) -> None:
    samples, expected = signal
    output: dict[int, Samples] = {}
    faults = Faults(drop=5e-5, flip=5e-5) if damaged else Faults()
    injector = FaultInjector(seed=test_seed, to_board=faults, from_board=faults)
    with BoardClient.open(host.url, retries=Retries(limit=12), wrap=injector.wrap) as client:
        client.reset_stream()

        def answered(place: int, reply: HopReply) -> None:
            output[place] = reply.samples

        client.stream_feed(Bursts(list(samples.reshape(-1, HOP)), rng), answered)
    assert sorted(output) == list(range(150))
    assert np.array_equal(np.concatenate([output[place] for place in range(150)]), expected)


def test_a_session_with_a_board_is_bit_exact_and_measured(host: HostBoard, signal: tuple[Samples, Samples]) -> None:
    samples, expected = signal
    written: list[Samples] = []
    with BoardClient.open(host.url) as client:
        source = PacedSource(iter(samples.reshape(-1, HOP)), HOP_S)
        session = LiveSession(client, source, FileSink(written.append, 0.032, HOP_S))
        began = time.monotonic()
        session.run()
        took = time.monotonic() - began
    assert np.array_equal(np.concatenate(written), expected)
    assert took >= 150 * HOP_S, "not faster than it is spoken"
    found = session.result()
    assert found.hops == 150 and found.board is not None
    parts = found.parts
    assert parts["end_to_end"].minimum >= 64
    means = [parts[name].mean for name in ("waiting_to_send", "link_and_board", "waiting_to_play")]
    assert parts["end_to_end"].mean == pytest.approx(64 + sum(means), abs=0.01)


def test_stop_ends_it_with_what_was_sent_answered(host: HostBoard, signal: tuple[Samples, Samples]) -> None:
    samples, expected = signal
    written: list[Samples] = []
    with BoardClient.open(host.url) as client:
        session = LiveSession(
            client, PacedSource(iter(samples.reshape(-1, HOP)), HOP_S), FileSink(written.append, 0.0, HOP_S)
        )
        session.run(lambda hops, _late: session.stop() if hops == 20 else None)
    assert 20 <= len(written) < 24
    assert np.array_equal(np.concatenate(written), expected[: len(written) * HOP])
