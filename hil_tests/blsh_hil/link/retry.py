"""How long to wait for a board, how often to ask it again, and the count of both."""

import time
from dataclasses import dataclass, fields
from typing import Final

HELLO_AGAIN_S: Final = 0.5
"""Between two HELLOs to a board that may still be booting; less where little time is given in all."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds: three numbers, each for the whole of what it names.

    flash: to put an image on a board. boot: until a board that was opened, reset or connected again answers HELLO.
    request: until any later request is answered, all its repeats included; counted anew for each hop.
    """

    flash: float = 120.0
    boot: float = 8.0
    request: float = 20.0


@dataclass(frozen=True)
class Retries:
    """After which a request fails.

    limit: times that a request is repeated, after transport errors alone; a stream is also begun anew so often without
    getting any further. quiet_s: after damage the line must be silent so long before anything is said again.
    replay_hops: the longest stream that is played again from its beginning to a board that has lost it; 0: none is.
    """

    limit: int = 3
    quiet_s: float = 0.05
    replay_hops: int = 37_500  # ten minutes of audio; their samples are kept meanwhile, 19 MB


@dataclass
class LinkCounts:
    """What a client has had to do so far. Zero everywhere but in the first: a line without fault.

    requests: first tries. damaged, silent, lost, closed: repeats, by what was wrong: a frame was damaged, no answer
    came, a hop or its answer went missing, the connection was closed. restarted: repeats because the board had started
    again. restarts: starts of the board noticed, also asked-for ones. replayed_hops: hops done again for a stream that
    the board had lost.
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
        """Requests that were repeated."""
        return self.damaged + self.silent + self.lost + self.closed + self.restarted

    def __str__(self) -> str:
        told = [f"{each.name} {getattr(self, each.name)}" for each in fields(self) if getattr(self, each.name)]
        return f"{self.retries} retries ({', '.join(told)})"

    def to_dict(self) -> dict[str, int]:
        """The counts as JSON values."""
        return {each.name: getattr(self, each.name) for each in fields(self)} | {"retries": self.retries}


class Deadline:
    """A moment of time.monotonic(): `at`, `seconds` from when it was set."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.at = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """It is over."""
        return time.monotonic() >= self.at

    def share(self, parts: int) -> float:
        """The moment at which one of `parts` equal parts of what is left is over."""
        now = time.monotonic()
        return now + max(0.0, self.at - now) / parts
