# SPDX-License-Identifier: Apache-2.0
"""The time that live audio takes: the fixed delay, the rate that a line allows, and the figures of a session."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from blsh_hil.wire.codes import Integrity
from blsh_hil.wire.framing import BLOCK
from blsh_hil.wire.messages import HopDone
from blsh_hil.wire.protocol import OVERHEAD
from blsh_trainer.signals.geometry import Geometry


def hops_carried(baud: int, geometry: Geometry) -> float:
    """Return how many hops of `geometry` a serial line carries in a second.

    The answers decide: they are longer than the requests. A byte takes ten bits on the line.
    """
    reply = HopDone.layout().bytes + 2 * geometry.hop + OVERHEAD
    return baud / 10 / (reply + reply // BLOCK + 1 + 2)  # a code byte for each block of COBS, and two delimiters


@dataclass
class Timings:
    """Four times of each hop: when it was complete, sent and back (of time.monotonic()); the board's own seconds."""

    complete: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    board_s: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Spread:
    """The time that one part of the way takes, over all hops, in milliseconds."""

    minimum: float
    mean: float
    p95: float
    maximum: float

    @classmethod
    def of(cls, seconds: npt.NDArray[np.float64]) -> "Spread":
        """Return the spread of durations (n,) in seconds, n at least 1."""
        ms = 1000 * seconds
        return cls(float(ms.min()), float(ms.mean()), float(np.percentile(ms, 95)), float(ms.max()))

    def to_dict(self) -> dict[str, float]:
        """Return the figures by name: min, mean, p95, max."""
        values = {"min": self.minimum, "mean": self.mean, "p95": self.p95, "max": self.maximum}
        return {name: round(value, 3) for name, value in values.items()}


@dataclass(frozen=True)
class LiveResult:
    """The figures of a session.

    geometry: of the board's model. hops: the hops that came back. parts: each part of the latency; end_to_end is their
    sum with the algorithm's. Without hops there are no parts. board: the board's own work for a hop. late: hops that
    came after their moment. silent: hops of silence that were played meanwhile. dropped: hops that were thrown away.
    streams: 1 if the board never lost its stream. unprocessed: hops that the board passed through, because of
    `integrity`.
    wall_s: seconds from the first hop complete to the last one back.
    """

    geometry: Geometry
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
        """Whether the board took no longer for the audio than the audio lasts, and no hop came late."""
        return self.late == 0 and self.dropped == 0

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        seconds = self.hops * self.geometry.hop_s
        parts = {name: part.to_dict() for name, part in self.parts.items()}
        return {
            "geometry": self.geometry.numbers,
            "hops": self.hops,
            "seconds": round(seconds, 3),
            "latency_ms": {"algorithm": 1000 * self.geometry.latency_s, **parts},
            "board_ms": self.board.to_dict() if self.board else None,
            "late_hops": self.late,
            "underruns": self.silent,
            "dropped_hops": self.dropped,
            "streams": self.streams,
            "unprocessed_hops": self.unprocessed,
            "real_time": self.kept_up,
            "speed": round(seconds / self.wall_s, 3) if self.wall_s > 0 else None,
        }
