# SPDX-License-Identifier: Apache-2.0
"""One run of hops through a board: sent ahead within a window, repeated within a budget, played again after a loss.

Three objects share the work. `Window` knows which requests are on their way. `RetryBudget` bounds repeats, fresh starts
and time. `Replay` (stream_state.py) keeps the hops from which a lost stream is made again. `Transfer` joins the three.
"""

import math
import time
from collections.abc import Callable

from blsh_hil.link.board_errors import MismatchError, RestartedError, StreamLostError, TransportError
from blsh_hil.link.hop_answers import AnswerReader
from blsh_hil.link.hops import HopFeed, HopReply
from blsh_hil.link.requester import Requester
from blsh_hil.link.retry import Deadline
from blsh_hil.link.stream_state import StreamState
from blsh_hil.wire.messages import HelloReply, Hop


class Window:
    """Knows which requests are on their way: at most `size` hops without an answer. to_send: the first hop not sent."""

    def __init__(self, size: int, first: int) -> None:
        self.size = size
        self.to_send = first
        self._hops: dict[int, int] = {}  # sequence number of a request -> hop

    def room(self, first_unanswered: int) -> int:
        """Return how many more hops may be sent while `first_unanswered` has no answer."""
        return first_unanswered + self.size - self.to_send

    def note_sent(self, sequence: int) -> None:
        """Note that hop `to_send` went out as the request number `sequence`."""
        self._hops[sequence] = self.to_send
        self.to_send += 1

    def hop_of(self, sequence: int) -> int | None:
        """Return the hop that the request `sequence` asked for; None for a request that is not on its way."""
        return self._hops.get(sequence)

    def note_answered(self, first_unanswered: int) -> None:
        """Forget the requests for hops before `first_unanswered`."""
        self._hops = {sequence: hop for sequence, hop in self._hops.items() if hop >= first_unanswered}

    def go_back(self, first_unanswered: int) -> None:
        """Forget all requests: everything from `first_unanswered` on is to be sent again."""
        self._hops.clear()
        self.to_send = first_unanswered


class RetryBudget:
    """Bounds how often a hop is repeated, how often the stream is begun anew, and how long a hop may take.

    limit: the bound of both counts. seconds: for one hop, all its repeats included. first: the first hop.
    """

    def __init__(self, limit: int, seconds: float, first: int) -> None:
        self._limit = limit
        self._seconds = seconds
        self._repeats = 0  # repeats of the first hop without an answer
        self.fresh_starts = 0  # fresh starts since the stream last got further than ever
        self._furthest = first
        self._deadline = Deadline(seconds)

    @property
    def deadline(self) -> float:
        """The moment of time.monotonic() at which the hop's time is over."""
        return self._deadline.at

    @property
    def fresh_starts_spent(self) -> bool:
        """Whether the stream was begun anew as often as it may be."""
        return self.fresh_starts >= self._limit

    def restart_clock(self) -> None:
        """Give the hop its full time again."""
        self._deadline = Deadline(self._seconds)

    def share(self) -> float:
        """Return the moment until which this try may wait: the time that is left, divided by the tries left."""
        return self._deadline.share(self._limit + 1 - self._repeats)

    def spend_repeat(self) -> bool:
        """Take one repeat; return whether there was one left, and time for it."""
        if self._repeats == self._limit or self._deadline.passed:
            return False
        self._repeats += 1
        return True

    def note_answer(self, first_unanswered: int) -> None:
        """Renew repeats and time for the next hop; renew the fresh starts if the stream got further than ever."""
        self._repeats = 0
        self.restart_clock()
        if first_unanswered > self._furthest:
            self._furthest, self.fresh_starts = first_unanswered, 0


class Transfer:
    """Gets the hops of `feed` done, from hop `stream.next` on.

    window: the most hops without an answer. answered(place, reply): called for each reply; place counts from the first
    hop of this transfer. Hops of earlier transfers are sent again where the board has lost the stream.
    """

    def __init__(
        self,
        requester: Requester,
        stream: StreamState,
        feed: HopFeed,
        window: int,
        answered: Callable[[int, HopReply], None],
    ) -> None:
        self._requester, self._link = requester, requester.link
        self._stream, self._replay = stream, stream.replay
        self._feed, self._answered = feed, answered
        self._first = stream.next
        self._window = Window(window, self._first)
        self._budget = RetryBudget(requester.retries.limit, requester.timeouts.request, self._first)
        self._trouble = self._link.started or self._link.closed  # line and stream must be made good before all else

    def run(self) -> None:
        """Return when the feed has ended and every hop has its answer. Raises BoardError."""
        while self._stream.next < self._replay.end or self._feed.due() is not None:
            if self._stream.next == self._replay.end:
                self._wait_for_feed()
                continue
            try:
                if self._trouble:
                    self._make_good()
                due = self._send_ahead()
                reply = self._read_answer(due)
            except TransportError as error:
                self._plan_repeat(error)
            else:
                self._take_answer(reply)

    # ---- sending ----------------------------------------------------------------------------------------

    def _wait_for_feed(self) -> None:
        """Wait until the feed may have a hop, and take it. All hops so far have their answers."""
        time.sleep(max(0.0, (self._feed.due() or 0.0) - time.monotonic()))
        self._take(self._window.size)
        self._budget.restart_clock()

    def _take(self, most: int) -> bool:
        """Take at most `most` hops from the feed; return whether there was one."""
        hops = self._feed.take(most)
        self._replay.add(hops)
        self._requester.counts.requests += len(hops)
        return len(hops) > 0

    def _send_ahead(self) -> float:
        """Send the hops that are there, as far as the window has room; return when to look for more."""
        window, first_unanswered = self._window, self._stream.next
        while (room := window.room(first_unanswered)) > 0:
            if window.to_send == self._replay.end and not self._take(room):
                due = self._feed.due()
                return math.inf if due is None else due
            window.note_sent(self._link.send(self._request(window.to_send), self._budget.deadline))
        return math.inf

    def _request(self, number: int) -> Hop:
        """Return the request for a hop. A hop of an earlier transfer needs no extras: it was answered before."""
        assert self._stream.name is not None
        hop = self._replay[number]
        flags, stage = (hop.flags, hop.stage) if number >= self._first else (0, 0)
        return Hop(number & 0xFFFF, self._stream.name, flags, stage, hop.attenuation, samples=hop.samples)

    # ---- answers ----------------------------------------------------------------------------------------

    def _read_answer(self, due: float) -> HopReply:
        stream = self._stream
        flags = self._replay[stream.next].flags if stream.next >= self._first else 0
        reader = AnswerReader(self._link, stream, flags, self._window.hop_of, self._requester.retries.quiet_s)
        return reader.read(self._budget.share(), due, self._send_ahead)

    def _take_answer(self, reply: HopReply) -> None:
        """Go on to the next hop, and hand the reply to the caller unless an earlier transfer had it."""
        stream, requester = self._stream, self._requester
        stream.next += 1
        self._budget.note_answer(stream.next)
        self._window.note_answered(stream.next)
        if reply.hop >= self._first:
            self._answered(reply.hop - self._first, reply)
        else:
            requester.counts.replayed_hops += 1
        if stream.next > requester.retries.replay_hops:  # the stream is too long to be played again: drop its hops
            self._replay.drop_before(stream.next)

    # ---- repeats ----------------------------------------------------------------------------------------

    def _plan_repeat(self, error: TransportError) -> None:
        """Have the first unanswered hop sent again because of `error`; raise it if the budget is spent."""
        self._stream.lost |= isinstance(error, RestartedError)
        begins_anew = self._stream.lost and not self._trouble  # fresh starts have a bound of their own
        if not begins_anew and not self._budget.spend_repeat():
            raise error
        self._trouble = True
        self._requester.note_repeat(error, f"hop {self._stream.next}")

    def _make_good(self) -> None:
        """Make the line and the stream good again, and go back to the first hop without an answer."""
        requester, stream = self._requester, self._stream
        said_hello = requester.restore()
        if stream.lost and not said_hello:
            requester.hello()
        board, before = requester.identity, stream.board
        assert board is not None and before is not None
        lost = stream.lost or board.boot_nonce != before.boot_nonce
        if lost:
            self._check_replay(board, before)
            stream.begin(requester)
            self._budget.fresh_starts += 1
        if said_hello or lost:
            self._budget.restart_clock()
        self._window.go_back(stream.next)
        self._trouble = False

    def _check_replay(self, board: HelloReply, before: HelloReply) -> None:
        """Raise BoardError unless the stream can be played again to the board, which has lost it."""
        url, retries, budget = self._link.url, self._requester.retries, self._budget
        if _firmware(board) != _firmware(before):
            raise MismatchError(
                f"{url}: the board has started again with other firmware or another model: {board.model} "
                f"(build {board.build_id:08x}) instead of {before.model} (build {before.build_id:08x})"
            )
        too_long = not self._replay.from_the_start or self._stream.next > retries.replay_hops
        if too_long or budget.fresh_starts_spent:
            why = (
                f"begun anew {budget.fresh_starts} times without getting beyond hop {self._stream.next}"
                if budget.fresh_starts_spent
                else f"more than the {retries.replay_hops} hops that are played again"
            )
            raise StreamLostError(
                f"{url}: the board no longer has the stream, {why}; call reset_stream() to start another"
            )


def _firmware(board: HelloReply) -> tuple[int, bytes, int]:
    return board.build_id, board.model_sha256, board.dictionary_crc32
