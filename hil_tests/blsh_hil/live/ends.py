# SPDX-License-Identifier: Apache-2.0
"""The two ends of live audio: sources that give hops in real time, and sinks that play them."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Captured:
    """A hop from a source. samples: int16 (H,). at: when the last of them was there, a moment of time.monotonic()."""

    samples: Samples
    at: float


class Source(Protocol):
    """Gives hops in real time. As a context manager, a source runs while the `with` block does."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: Any) -> None: ...

    def take(self, most: int) -> Sequence[Captured]:
        """Return at most `most` of the hops that are there; never waits."""

    def due(self) -> float | None:
        """Return when to ask again; None when the source has ended."""

    @property
    def dropped(self) -> int:
        """The number of hops that were thrown away because the board could not keep up."""


class Sink(Protocol):
    """Plays hops, or says when they would be played. As a context manager, a sink runs while the `with` block does."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: Any) -> None: ...

    def put(self, samples: Samples, arrived: float) -> None:
        """Take the next hop, which came back at `arrived`."""

    def played(self) -> Sequence[float]:
        """Return when the first sample of each hop left, or will leave; NaN for a hop that was not played."""

    @property
    def dropped(self) -> int:
        """The number of hops that were thrown away so that the hops after them are not delayed."""

    def finish(self) -> None:
        """Wait until the last hop is played. Called once all hops have been put."""

    @property
    def late(self) -> int:
        """The number of hops that came after the moment at which they were to be played."""

    @property
    def silent(self) -> int:
        """The number of hops of silence that were played while a hop was late."""


class _NoDevice:
    """A source or sink without a device: nothing has to be started or stopped."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        return None


class PacedSource(_NoDevice):
    """Gives a recording at the pace of its own time, as if it were spoken now.

    hops: int16 (H,) each. hop_s: seconds of a hop.
    """

    def __init__(self, hops: Iterator[Samples], hop_s: float) -> None:
        self._hops = hops
        self._hop_s = hop_s
        self._next = next(hops, None)
        self._number = 0
        self._start: float | None = None
        self.dropped = 0  # a recording waits for the board

    def take(self, most: int) -> Sequence[Captured]:
        """Return at most `most` of the hops that are complete by now."""
        taken: list[Captured] = []
        while self._next is not None and len(taken) < most and self._complete() <= time.monotonic():
            taken.append(Captured(self._next, self._complete()))
            self._next = next(self._hops, None)
            self._number += 1
        return taken

    def due(self) -> float | None:
        """Return when the next hop is complete; None at the recording's end."""
        return None if self._next is None else self._complete()

    def _complete(self) -> float:
        if self._start is None:
            self._start = time.monotonic()
        return self._start + (self._number + 1) * self._hop_s


class LimitedSource:
    """Gives the first `most` hops of another source."""

    def __init__(self, source: Source, most: int) -> None:
        self._source = source
        self._left = most

    def __enter__(self) -> Self:
        self._source.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._source.__exit__(*error)

    def take(self, most: int) -> Sequence[Captured]:
        """Return at most `most` of the hops that are there."""
        taken = self._source.take(min(most, self._left))
        self._left -= len(taken)
        return taken

    def due(self) -> float | None:
        """Return when to ask again; None after the last hop."""
        return self._source.due() if self._left else None

    @property
    def dropped(self) -> int:
        """The number of hops that the other source threw away."""
        return self._source.dropped


class PlayoutClock:
    """Tells when a speaker would play each hop: one every `hop_s`, the first `buffer_s` after it has come.

    Where the next hop is not there in time, the speaker plays hops of silence until it has come.
    """

    def __init__(self, buffer_s: float, hop_s: float) -> None:
        self._buffer_s = buffer_s
        self._hop_s = hop_s
        self._due: float | None = None
        self.late = 0
        self.silent = 0

    def play(self, arrived: float) -> float:
        """Return when the next hop is played, which arrived at `arrived`."""
        if self._due is None:
            self._due = arrived + self._buffer_s
        if arrived > self._due:
            missed = math.ceil((arrived - self._due) / self._hop_s)
            self.late += 1
            self.silent += missed
            self._due += missed * self._hop_s
        at, self._due = self._due, self._due + self._hop_s
        return at


class FileSink(_NoDevice):
    """Hands hops to `write`, without a gap between them, while a clock tells when a speaker would have played each."""

    def __init__(self, write: Callable[[Samples], None], buffer_s: float, hop_s: float) -> None:
        self._write = write
        self._clock = PlayoutClock(buffer_s, hop_s)
        self._played: list[float] = []
        self.dropped = 0

    def put(self, samples: Samples, arrived: float) -> None:
        """Write the next hop."""
        self._write(samples)
        self._played.append(self._clock.play(arrived))

    def finish(self) -> None:
        """Return at once: no speaker has sound left to play."""

    def played(self) -> Sequence[float]:
        """Return when a speaker would have played each hop."""
        return self._played

    @property
    def late(self) -> int:
        """The number of hops that would have come too late."""
        return self._clock.late

    @property
    def silent(self) -> int:
        """The number of hops of silence that a speaker would have played in their place."""
        return self._clock.silent
