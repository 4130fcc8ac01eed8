# SPDX-License-Identifier: Apache-2.0
"""How fast the board of a user's own tests does hops, how much sound it is sent for that, and what is told meanwhile.

A hop takes a second and more where an emulator shares its processors: a board that polls its serial port never rests,
so each piece of a frame, as long as the port's FIFO, waits until the emulator gets a processor again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from blsh_hil.prove.compare import HopSource
from blsh_trainer.signals.geometry import Geometry

LONGEST_S: Final = 1.0
"""The seconds of a recording, where the user names none and the board is fast enough."""
_PATIENCE_S: Final = 10.0  # for which a recording may keep the board, where the user names no seconds
_SHORTEST_HOPS: Final = 4
_MEASURE_S: Final = 1.0
_MOST_MEASURED: Final = 16  # hops; enough for what the user is told
_TELL_S: Final = 10.0  # between two lines on one recording


@dataclass(frozen=True)
class Pace:
    """How fast a board, by its `name`, does hops of `geometry` whose digests are asked for: `rate` hops a second."""

    name: str
    geometry: Geometry
    rate: float

    @property
    def default_seconds(self) -> float:
        """The seconds of sound that the board does within ten seconds, as whole hops: at least 4 hops, at most 1 s."""
        hops = max(_SHORTEST_HOPS, int(_PATIENCE_S * self.rate))
        return min(LONGEST_S, hops / self.geometry.hops_per_second)

    def told(self, tests: int, seconds: float, named: bool) -> str:
        """Return the line on how long `tests` tests of a recording of `seconds` take. named: by --blsh-seconds."""
        rate = f"{self.rate:.1f}" if self.rate < 10 else f"{self.rate:,.0f}"
        line = f"{self.name} does {rate} hops a second; {self._time_of(tests, seconds)}"
        if not named and seconds < LONGEST_S:
            line += f". A faster board gets {LONGEST_S:g} s each: --blsh-seconds={LONGEST_S:g} sends as much here, in "
            line += duration(tests * LONGEST_S * self.geometry.hops_per_second / self.rate)
        return line

    def _time_of(self, tests: int, seconds: float) -> str:
        time_each = seconds * self.geometry.hops_per_second / self.rate
        if tests == 0:
            return f"a recording of {seconds:.2g} s takes {duration(time_each)}"
        return f"{tests} tests of {seconds:.2g} s of sound each take {duration(tests * time_each)}"


def measured_pace(client: HopSource, name: str, geometry: Geometry) -> Pace:
    """Return the pace of a board that is connected, by hops of silence for a second, 16 at most.

    Raises BoardError if it does not answer.
    """
    silence = np.zeros(geometry.hop, np.int16)
    client.reset_stream()
    client.hop(silence, digests=True)  # the first hop starts up what the next ones find running
    began, done, took = time.monotonic(), 0, 0.0
    while done < _MOST_MEASURED and took < _MEASURE_S:
        client.hop(silence, digests=True)
        done, took = done + 1, time.monotonic() - began
    return Pace(name, geometry, done / took)


@dataclass
class Teller:
    """Tells how far a test is, once in ten seconds: `write` takes a line. It is a progress callback."""

    write: Callable[[str], None]
    test: str
    _began: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Tell that `done` of `total` hops are done, if enough time has passed. The first hop starts the clock."""
        now = time.monotonic()
        if done == 1:
            self._began = self._told = now
        elif now - self._told >= _TELL_S:
            self._told = now
            left = (now - self._began) / (done - 1) * (total - done)
            self.write(f"{self.test}: {what}, hop {done} of {total}, {duration(left)} left")


def duration(seconds: float) -> str:
    """Return a time in words, as precise as an estimate is: "about 40 s", "about 3 minutes"."""
    return f"about {max(1, round(seconds))} s" if seconds < 100 else f"about {round(seconds / 60)} minutes"
