"""Audio through a board as it comes into being, with the time that every hop took on its way measured.

A hop is 256 samples, 16 ms. Its first sample waits for its last, and what the board returns lags by 768 samples: of
these 64 ms nothing can be saved. What comes on top is measured for each hop: waiting to be sent, the link and the
board, waiting to be played.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from blsh_codegen.spec.constants import DELAY_S, HOP, HOP_S
from blsh_hil.link.board_errors import StreamLostError
from blsh_hil.link.client import BoardClient
from blsh_hil.link.streaming import HopReply, HopRequest, wire_samples
from blsh_hil.wire.framing import BLOCK
from blsh_hil.wire.protocol import OVERHEAD, HopDone, Integrity

REPLAY_HOPS: Final = 125
"""A board that starts again is played at most two seconds anew; after more the sound goes on in a new stream."""

Samples = npt.NDArray[np.int16]


def hops_per_second(baud: int) -> float:
    """How many hops a serial line carries: the answers are the longer ones, and each byte takes ten bits."""
    reply = HopDone.layout().bytes + OVERHEAD
    return baud / 10 / (reply + reply // BLOCK + 1 + 2)  # a code byte for each block of COBS, and two delimiters


@dataclass(frozen=True)
class Captured:
    """A hop's samples, int16 (256,), and when the last of them was there, a moment of time.monotonic()."""

    samples: Samples
    at: float


class Source(Protocol):
    """Where hops come from, in real time. As a context manager it runs while the `with` block does."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: Any) -> None: ...

    def take(self, most: int) -> Sequence[Captured]:
        """At most so many of the hops that are there; never waits."""

    def due(self) -> float | None:
        """When to ask again; None: it has ended."""

    @property
    def dropped(self) -> int:
        """Hops that were thrown away because the board could not keep up."""


class Sink(Protocol):
    """Where hops are played, or would be. As a context manager it runs while the `with` block does."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: Any) -> None: ...

    def put(self, samples: Samples, arrived: float) -> None:
        """The next hop, there since `arrived`."""

    def played(self) -> Sequence[float]:
        """When each hop so far was played, or will be: when its first sample leaves. NaN: it was not."""

    @property
    def dropped(self) -> int:
        """Hops that were thrown away so that those after them are not delayed."""

    def finish(self) -> None:
        """All hops have been put: wait until the last is played."""

    @property
    def late(self) -> int:
        """Hops that came after the moment at which they were to be played."""

    @property
    def silent(self) -> int:
        """Hops of silence that were played while one was late."""


class _Always:
    """What is not a device needs no start and no stop."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        return None


class PacedSource(_Always):
    """A recording, each hop there when it would be if it were spoken now. hops: int16 (256,) each."""

    def __init__(self, hops: Iterator[Samples]) -> None:
        self._hops = hops
        self._next = next(hops, None)
        self._number = 0
        self._start: float | None = None
        self.dropped = 0  # a recording waits for the board

    def take(self, most: int) -> Sequence[Captured]:
        """At most so many of the hops that are there."""
        taken: list[Captured] = []
        while self._next is not None and len(taken) < most and self._complete() <= time.monotonic():
            taken.append(Captured(self._next, self._complete()))
            self._next = next(self._hops, None)
            self._number += 1
        return taken

    def due(self) -> float | None:
        """When the next hop is complete."""
        return None if self._next is None else self._complete()

    def _complete(self) -> float:
        if self._start is None:
            self._start = time.monotonic()
        return self._start + (self._number + 1) * HOP_S


class LimitedSource:
    """The first `most` hops of another source."""

    def __init__(self, source: Source, most: int) -> None:
        self._source = source
        self._left = most

    def __enter__(self) -> Self:
        self._source.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._source.__exit__(*error)

    def take(self, most: int) -> Sequence[Captured]:
        """At most so many of the hops that are there."""
        taken = self._source.take(min(most, self._left))
        self._left -= len(taken)
        return taken

    def due(self) -> float | None:
        """When to ask again."""
        return self._source.due() if self._left else None

    @property
    def dropped(self) -> int:
        """As of the other."""
        return self._source.dropped


class PlayoutClock:
    """The clock of a player that takes a hop every 16 ms, silence when there is none, and begins `buffer_s` after the
    first hop has come.

    What a speaker does, without one: for files.
    """

    def __init__(self, buffer_s: float) -> None:
        self._buffer_s = buffer_s
        self._due: float | None = None
        self.late = 0
        self.silent = 0

    def play(self, arrived: float) -> float:
        """When a hop that has arrived then is played."""
        if self._due is None:
            self._due = arrived + self._buffer_s
        if arrived > self._due:
            missed = math.ceil((arrived - self._due) / HOP_S)
            self.late += 1
            self.silent += missed
            self._due += missed * HOP_S
        at, self._due = self._due, self._due + HOP_S
        return at


class FileSink(_Always):
    """Hops into `write`, without a gap between them, while a clock tells when a speaker would have played each."""

    def __init__(self, write: Callable[[Samples], None], buffer_s: float) -> None:
        self._write = write
        self._clock = PlayoutClock(buffer_s)
        self._played: list[float] = []
        self.dropped = 0

    def put(self, samples: Samples, arrived: float) -> None:
        """The next hop."""
        self._write(samples)
        self._played.append(self._clock.play(arrived))

    def finish(self) -> None:
        """Nobody listens: no need to wait."""

    def played(self) -> Sequence[float]:
        """When each would have been played."""
        return self._played

    @property
    def late(self) -> int:
        """Hops that would have come too late."""
        return self._clock.late

    @property
    def silent(self) -> int:
        """Hops of silence in their place."""
        return self._clock.silent


@dataclass
class Timings:
    """Of each hop: the moments of time.monotonic() at which it was complete, sent and back; the board's own seconds."""

    complete: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    board_s: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Spread:
    """Milliseconds of a part of the way, over all hops."""

    minimum: float
    mean: float
    p95: float
    maximum: float

    @classmethod
    def of(cls, seconds: npt.NDArray[np.float64]) -> "Spread":
        """Of durations (n,), n at least 1."""
        ms = 1000 * seconds
        return cls(float(ms.min()), float(ms.mean()), float(np.percentile(ms, 95)), float(ms.max()))

    def to_dict(self) -> dict[str, float]:
        """min, mean, p95, max."""
        values = {"min": self.minimum, "mean": self.mean, "p95": self.p95, "max": self.maximum}
        return {name: round(value, 3) for name, value in values.items()}


@dataclass(frozen=True)
class LiveResult:
    """What a session was like.

    hops: that came back. parts: of the latency; end_to_end is their sum with the algorithm's 64 ms. Empty without hops.
    board: its own work for a hop. late, silent, dropped: of hops. streams: 1 if the board never lost it.
    integrity: why the board passed audio through unprocessed, in `unprocessed` hops.
    wall_s: from the first hop complete to the last one back.
    """

    hops: int
    parts: dict[str, Spread]
    board: Spread | None
    late: int
    silent: int
    dropped: int
    streams: int
    unprocessed: int
    integrity: Integrity
    wall_s: float

    @property
    def kept_up(self) -> bool:
        """The board took no longer for the audio than the audio lasts, and no hop came late."""
        return self.late == 0 and self.dropped == 0

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "hops": self.hops,
            "seconds": round(self.hops * HOP_S, 3),
            "latency_ms": {"algorithm": 1000 * DELAY_S, **{k: part.to_dict() for k, part in self.parts.items()}},
            "board_ms": self.board.to_dict() if self.board else None,
            "late_hops": self.late,
            "underruns": self.silent,
            "dropped_hops": self.dropped,
            "streams": self.streams,
            "unprocessed_hops": self.unprocessed,
            "real_time": self.kept_up,
            "speed": round(self.hops * HOP_S / self.wall_s, 3) if self.wall_s > 0 else None,
        }


class LiveSession:
    """One way of audio from `source` through the board to `sink`.

    stop() lets it end in order, from a signal handler too: what is on its way is waited for, no more is taken.
    """

    def __init__(self, client: BoardClient, source: Source, sink: Sink) -> None:
        self._client = client
        self._source = source
        self._sink = sink
        self._stopped = False
        self._timings = Timings()
        self._waiting: deque[tuple[Captured, float]] = deque()  # no answer yet; and when they were sent
        self._again: deque[Captured] = deque()  # to be sent in a new stream
        self._streams = 0
        self._done = 0  # hops answered in this stream
        self._unprocessed = 0
        self._integrity = Integrity(0)

    def stop(self) -> None:
        """Take no more from the source."""
        self._stopped = True

    def run(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Until the source ends or stop(). progress: called with the hops done and late so far. Raises BoardError."""
        self._progress = progress
        while True:
            self._streams += 1
            self._done = 0
            self._client.reset_stream()
            try:
                self._client.stream_feed(self, self._answered)
                return
            except StreamLostError:
                # The board has started again: the sound goes on in a new stream, with what had no answer yet.
                self._again.extendleft(hop for hop, _ in reversed(self._waiting))
                self._waiting.clear()

    # ---- the stream's feed ------------------------------------------------------------------------------

    def take(self, most: int) -> Sequence[HopRequest]:
        """At most so many hops to be sent now."""
        taken = [self._again.popleft() for _ in range(min(most, len(self._again)))]
        if len(taken) < most and not self._stopped:
            taken += self._source.take(most - len(taken))
        now = time.monotonic()
        self._waiting.extend((hop, now) for hop in taken)
        return [HopRequest(wire_samples(hop.samples, HOP)) for hop in taken]

    def due(self) -> float | None:
        """When there may be more."""
        if self._again:
            return -math.inf
        return None if self._stopped else self._source.due()

    # ---- answers ----------------------------------------------------------------------------------------

    def _answered(self, place: int, reply: HopReply) -> None:
        if place < self._done:
            return  # of a stream that was played again: we had it
        self._done += 1
        back = time.monotonic()
        hop, sent = self._waiting.popleft()
        tick_hz = self._client.identity.tick_hz if self._client.identity else 0
        timings = self._timings
        timings.complete.append(hop.at)
        timings.sent.append(sent)
        timings.back.append(back)
        timings.board_s.append(reply.ticks / tick_hz if tick_hz else 0.0)
        self._unprocessed += reply.integrity != 0
        self._integrity |= reply.integrity
        self._sink.put(reply.samples, back)
        if self._progress is not None:
            self._progress(len(timings.back), self._sink.late)

    def result(self) -> LiveResult:
        """How it was, once all is played."""
        timings, played = self._timings, np.array(self._sink.played())
        heard = ~np.isnan(played)
        times = (timings.complete, timings.sent, timings.back)
        complete, sent, back, played = (np.array(each)[heard] for each in (*times, played))
        durations = {
            "waiting_to_send": sent - complete,
            "link_and_board": back - sent,
            "waiting_to_play": played - back,
            "end_to_end": played - complete + DELAY_S,
        }
        return LiveResult(
            hops=len(timings.back),
            parts={name: Spread.of(each) for name, each in durations.items()} if heard.any() else {},
            board=Spread.of(np.array(timings.board_s)) if timings.board_s else None,
            late=self._sink.late,
            silent=self._sink.silent,
            dropped=self._source.dropped + self._sink.dropped,
            streams=self._streams,
            unprocessed=self._unprocessed,
            integrity=self._integrity,
            wall_s=timings.back[-1] - timings.complete[0] + HOP_S if timings.back else 0.0,
        )
