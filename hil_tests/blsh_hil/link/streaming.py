# SPDX-License-Identifier: Apache-2.0
"""Hops in order, each done once: sent ahead while the line is good, sent again after damage.

A hop changes the board's state, so no hop may be done twice. Each HOP names its stream and its number. The board does
the hop that is next, answers the hops that it has just done from kept replies, and refuses all others with the number
that it expects. So after any damage the sender goes back to the first hop without an answer. A board may lose the
stream: it starts again, or stage data are lost on the line, which are not kept. Then the sender plays the stream again
from its beginning: the same samples give the same state.
"""

from collections.abc import Callable, Sequence

from blsh_hil.link.board_errors import BoardError, RefusedError
from blsh_hil.link.hops import HopFeed, HopReply, HopRequest, ListFeed
from blsh_hil.link.requester import Requester
from blsh_hil.link.stream_state import StreamState
from blsh_hil.link.transfer import Transfer


class HopStream:
    """The stream that a board is doing: started once, continued by every run."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester
        self._state = StreamState()

    def start(self) -> None:
        """Begin at hop 0, with silence before it."""
        self._state.name = None
        self._state.begin(self._requester)
        self._state.replay.clear()

    def run(self, hops: Sequence[HopRequest], window: int, answered: Callable[[int, HopReply], None]) -> None:
        """Have the stream's next `hops` done, at most `window` of them unanswered; answered(place in `hops`, reply).

        window: more than 1 only for hops without flags. Raises BoardError; then the stream is broken off, unless the
        board refused a request that stood alone.
        """
        self.run_feed(ListFeed(hops), window, answered)

    def run_feed(self, feed: HopFeed, window: int, answered: Callable[[int, HopReply], None]) -> None:
        """Stream the hops of `feed` as they come; otherwise as run()."""
        state = self._state
        if state.name is None:
            raise BoardError(f"{self._requester.link.url}: no stream, or a broken-off one; call reset_stream() first")
        try:
            Transfer(self._requester, state, feed, window, answered).run()
        except RefusedError:
            if window > 1:
                state.name = None
            state.replay.drop_from(state.next)
            raise
        except BaseException:
            state.name = None  # the board may have done hops that we know nothing of
            raise
