# SPDX-License-Identifier: Apache-2.0
"""Send live audio through a board, and measure how long every hop takes on its way.

The first sample of a hop waits for its last, and the board's output lags: the latency of the model's geometry, which
nothing can save. Three waits come on top, and are measured for each hop: until it is sent, for the link and the board,
and until it is played.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from blsh_hil.link.board_errors import StreamLostError
from blsh_hil.link.client import BoardClient
from blsh_hil.link.hops import HopReply, HopRequest, wire_samples
from blsh_hil.live.ends import Captured, Sink, Source
from blsh_hil.live.timing import LiveResult, Spread, Timings
from blsh_hil.wire.codes import Integrity
from blsh_hil.wire.protocol import ATTENUATION_OF_MODEL

REPLAY_S: Final = 2.0
"""The longest stream that is played again to a board that has started again. A longer one is given up, and the sound
goes on in a new stream.
"""


class LiveSession:
    """Takes hops from `source`, through the board, to `sink`.

    stop() ends the session in order, from a signal handler too: no more hops are taken, those on their way come back.
    attenuation: the limit in hops that are sent from now on, see HopRequest; it may be set at any time.
    """

    def __init__(
        self, client: BoardClient, source: Source, sink: Sink, attenuation: int = ATTENUATION_OF_MODEL
    ) -> None:
        self.attenuation = attenuation
        self._client = client
        self._source = source
        self._sink = sink
        self._geometry = client.geometry
        self._stopped = False
        self._timings = Timings()
        self._waiting: deque[tuple[Captured, float]] = deque()  # hops without an answer, and when each was sent
        self._again: deque[Captured] = deque()  # hops to be sent again, in a new stream
        self._streams = 0
        self._done = 0  # hops of this stream that were answered
        self._unprocessed = 0
        self._integrity = Integrity(0)

    def stop(self) -> None:
        """Take no more from the source."""
        self._stopped = True

    def run(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Return when the source has ended, or after stop(). Raises BoardError.

        progress: called with the number of hops done and of hops late so far.
        """
        self._progress = progress
        while True:
            self._streams += 1
            self._done = 0
            self._client.reset_stream()
            try:
                self._client.stream_feed(self, self._answered)
                return
            except StreamLostError:
                # The board has started again: the sound goes on in a new stream, with the hops without an answer.
                self._again.extendleft(hop for hop, _ in reversed(self._waiting))
                self._waiting.clear()

    # ---- the stream's feed ------------------------------------------------------------------------------

    def take(self, most: int) -> Sequence[HopRequest]:
        """Return at most `most` hops to be sent now."""
        taken = [self._again.popleft() for _ in range(min(most, len(self._again)))]
        if len(taken) < most and not self._stopped:
            taken += self._source.take(most - len(taken))
        now = time.monotonic()
        self._waiting.extend((hop, now) for hop in taken)
        length, limit = self._geometry.hop, self.attenuation
        return [HopRequest(wire_samples(hop.samples, length), attenuation=limit) for hop in taken]

    def due(self) -> float | None:
        """Return when there may be more hops; None after the last."""
        if self._again:
            return -math.inf
        return None if self._stopped else self._source.due()

    # ---- answers ----------------------------------------------------------------------------------------

    def _answered(self, place: int, reply: HopReply) -> None:
        if place < self._done:
            return  # the stream was played again, and we had this reply before
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
        """Return the figures of the session, once all hops are played."""
        timings, played = self._timings, np.array(self._sink.played())
        heard = ~np.isnan(played)
        times = (timings.complete, timings.sent, timings.back)
        complete, sent, back, played = (np.array(each)[heard] for each in (*times, played))
        durations = {
            "waiting_to_send": sent - complete,
            "link_and_board": back - sent,
            "waiting_to_play": played - back,
            "end_to_end": played - complete + self._geometry.latency_s,
        }
        return LiveResult(
            geometry=self._geometry,
            hops=len(timings.back),
            parts={name: Spread.of(each) for name, each in durations.items()} if heard.any() else {},
            board=Spread.of(np.array(timings.board_s)) if timings.board_s else None,
            late=self._sink.late,
            silent=self._sink.silent,
            dropped=self._source.dropped + self._sink.dropped,
            streams=self._streams,
            unprocessed=self._unprocessed,
            integrity=self._integrity,
            wall_s=timings.back[-1] - timings.complete[0] + self._geometry.hop_s if timings.back else 0.0,
        )
