# SPDX-License-Identifier: Apache-2.0
"""The host's knowledge of a board's stream, and the hops from which a lost stream is made again."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from blsh_hil.link.hops import HopRequest
from blsh_hil.link.requester import Requester
from blsh_hil.wire.messages import Done, HelloReply, ResetStream


class Replay:
    """Keeps the hops of a stream, so that they can be sent again. Hops are numbered from the start of the stream."""

    def __init__(self) -> None:
        self._hops: list[HopRequest] = []
        self._first = 0  # the number of the first hop that is kept

    @property
    def end(self) -> int:
        """The number behind the last hop."""
        return self._first + len(self._hops)

    @property
    def from_the_start(self) -> bool:
        """Whether hop 0 is still kept: only then can the stream be played again."""
        return self._first == 0

    def __getitem__(self, number: int) -> HopRequest:
        return self._hops[number - self._first]

    def add(self, hops: Sequence[HopRequest]) -> None:
        """Append the stream's next hops."""
        self._hops += hops

    def drop_before(self, number: int) -> None:
        """Forget the hops before hop `number`."""
        del self._hops[: number - self._first]
        self._first = number

    def drop_from(self, number: int) -> None:
        """Forget hop `number` and all behind it."""
        del self._hops[number - self._first :]

    def clear(self) -> None:
        """Forget all hops; the next one that is added is hop 0."""
        self._hops, self._first = [], 0


@dataclass
class StreamState:
    """The state of one stream, which outlives the single transfer.

    name: the stream's number on the wire; None without a stream, or after it was broken off. board: the HELLO of the
    board that does the stream. next: the first hop without an answer. lost: whether the board no longer has the stream.
    """

    name: int | None = None
    board: HelloReply | None = None
    next: int = 0
    lost: bool = False
    replay: Replay = field(default_factory=Replay)

    def begin(self, requester: Requester) -> None:
        """Let the board start a stream under a new name, at hop 0."""
        if requester.identity is None:
            requester.hello()
        name = secrets.randbits(16)
        requester.ask(ResetStream(name), Done)
        self.name, self.board = name, requester.identity
        self.next, self.lost = 0, False
