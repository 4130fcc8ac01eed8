# SPDX-License-Identifier: Apache-2.0
"""The times to wait for a board, the bounds of repeats, and the counts of both."""

import time
from dataclasses import dataclass, fields
from typing import Final

HELLO_AGAIN_S: Final = 0.5
"""The time between two HELLOs to a board that may still be booting. It is shorter where the whole time is short."""


@dataclass(frozen=True)
class Timeouts:
    """Time limits in seconds.

    flash: for putting an image on a board. boot: until a board that was opened, reset or connected again answers HELLO.
    request: until any later request is answered, with all its repeats; a stream has this time for each hop.
    """

    flash: float = 120.0
    boot: float = 8.0
    request: float = 20.0


@dataclass(frozen=True)
class Retries:
    """Bounds after which a request fails.

    limit: how often a request is repeated after transport errors. A stream may also be begun anew as often without
    getting any further. quiet_s: how long the line must be silent after damage before the next request.
    replay_hops: the longest stream that is played again to a board that has lost it; 0 for no replay.
    """

    limit: int = 3
    quiet_s: float = 0.05
    replay_hops: int = 37_500  # ten minutes in hops of 16 ms; 19 MB of samples are kept for them


@dataclass
class LinkCounts:
    """The counts of a client's requests, repeats and restarts. On a line without fault only `requests` is above 0.

    requests: first tries. Repeats are counted by their cause: damaged (a frame was damaged), silent (no answer came),
    lost (a hop or its answer went missing), closed (the connection was closed), restarted (the board had started
    again). restarts: starts of the board that the client noticed, also those that it asked for. replayed_hops: hops
    done again for a stream that the board had lost.
    """

    requests: int = 0
    damaged: int = 0
    silent: int = 0
    lost: int = 0
    closed: int = 0
    restarted: int = 0
    restarts: int = 0
    replayed_hops: int = 0

    @property
    def retries(self) -> int:
        """The number of repeated requests."""
        return self.damaged + self.silent + self.lost + self.closed + self.restarted

    def __str__(self) -> str:
        told = [f"{each.name} {getattr(self, each.name)}" for each in fields(self) if getattr(self, each.name)]
        return f"{self.retries} retries ({', '.join(told)})"

    def to_dict(self) -> dict[str, int]:
        """Return the counts as JSON values."""
        return {each.name: getattr(self, each.name) for each in fields(self)} | {"retries": self.retries}


class Deadline:
    """A moment of time.monotonic(), `at`: `seconds` after the object was made."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.at = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """Whether the moment is over."""
        return time.monotonic() >= self.at

    def share(self, parts: int) -> float:
        """Divide the time that is left into `parts` equal parts; return the moment at which the first one ends."""
        now = time.monotonic()
        return now + max(0.0, self.at - now) / parts
