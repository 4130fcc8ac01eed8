# SPDX-License-Identifier: Apache-2.0
"""Talk to a board: the host's side of the protocol, with an error of its own for each way to fail."""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

import numpy as np
import numpy.typing as npt

from blsh_hil.link.board_errors import BoardError, IntegrityError, MismatchError, TransportError
from blsh_hil.link.frame_link import Link
from blsh_hil.link.hops import HopFeed, HopReply, HopRequest, wire_samples
from blsh_hil.link.port import Port
from blsh_hil.link.requester import Requester
from blsh_hil.link.retry import LinkCounts, Retries, Timeouts
from blsh_hil.link.streaming import HopStream
from blsh_hil.wire.codes import HopFlag
from blsh_hil.wire.framing import encode
from blsh_hil.wire.layout import Message
from blsh_hil.wire.messages import Check, Checked, CountLoop, CountLoopDone, Done, HelloReply, Hop, Reset
from blsh_hil.wire.protocol import ATTENUATION_OF_MODEL
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import Geometry

BAUD: Final = 115_200

M = TypeVar("M", bound=Message)


class BoardClient:
    """A board behind an open port. Use it as a context manager; everything that goes wrong is a BoardError.

    The client repeats a request whose frames the line damaged, within the bounds of `retries`. To a board that starts
    again in mid-stream it plays the stream again. `counts` tells how often. It never repeats a request that the board
    refused. After an error in mid-stream, call reset_stream() to go on.

    accept_unprocessed: take the audio that a damaged board passes through; otherwise such audio is an IntegrityError.
    """

    def __init__(
        self,
        port: Port,
        timeouts: Timeouts | None = None,
        logger: logging.Logger | None = None,
        *,
        retries: Retries | None = None,
        accept_unprocessed: bool = False,
    ) -> None:
        self.url = port.url
        self.baud = port.baud
        self.accept_unprocessed = accept_unprocessed
        self._link = Link(port, logger or logging.getLogger(__name__))
        self._requester = Requester(self._link, timeouts or Timeouts(), retries or Retries())
        self._stream = HopStream(self._requester)

    @classmethod
    def open(
        cls,
        url: str,
        timeouts: Timeouts | None = None,
        *,
        baud: int = BAUD,
        logger: logging.Logger | None = None,
        retries: Retries | None = None,
        accept_unprocessed: bool = False,
        wrap: Callable[[Any], Any] | None = None,
    ) -> Self:
        """Open the board at `url`: a device, a pty, or socket://host:port. wrap: see Port. Raises PortError."""
        port = Port(url, baud=baud, wrap=wrap)
        return cls(port, timeouts, logger, retries=retries, accept_unprocessed=accept_unprocessed)

    def close(self) -> None:
        """Give the port back."""
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def timeouts(self) -> Timeouts:
        """The times that the client waits."""
        return self._requester.timeouts

    @property
    def identity(self) -> HelloReply | None:
        """The board's last answer to HELLO."""
        return self._requester.identity

    @property
    def board(self) -> HelloReply:
        """The board's last answer to HELLO, which is asked for if there is none."""
        return self.identity or self.hello()

    @property
    def geometry(self) -> Geometry:
        """The geometry of the board's model. Raises BoardError for numbers that no model has."""
        try:
            return self.board.geometry
        except BoardError:
            raise
        except BlshError as error:
            raise BoardError(f"{self.url}: the board's model has no geometry that can be: {error}") from error

    @property
    def counts(self) -> LinkCounts:
        """The number of requests, repeats and restarts so far."""
        return self._requester.counts

    @property
    def logs(self) -> deque[str]:
        """The board's last LOG lines."""
        return self._link.logs

    # ---- requests ---------------------------------------------------------------------------------------

    def hello(self) -> HelloReply:
        """Ask for the board's identity until it answers; while it boots, bytes may be lost. Raises BoardError."""
        return self._requester.hello()

    def require(
        self,
        *,
        model_sha256: str | None = None,
        dictionary_crc32: int | None = None,
        build_id: int | None = None,
        neighbours: int | None = None,
        geometry: Geometry | None = None,
    ) -> HelloReply:
        """Do hello(), and raise MismatchError unless the board's model is sound and is the one named (None: any)."""
        board = self.hello()
        if board.model_status < 0:
            self._refuse_mismatch("result of checking its own model", str(board.model_status), "0")
        if board.dictionary_crc32_now != board.dictionary_crc32:
            self._refuse_mismatch(
                "CRC of the dictionary in flash",
                f"{board.dictionary_crc32_now:08x}",
                f"{board.dictionary_crc32:08x}, as generated",
            )
        if model_sha256 is not None and board.model_sha256.hex() != model_sha256.lower():
            self._refuse_mismatch("model (SHA-256)", f"{board.model_sha256.hex()} ({board.model})", model_sha256)
        if dictionary_crc32 is not None and board.dictionary_crc32 != dictionary_crc32:
            self._refuse_mismatch("dictionary CRC", f"{board.dictionary_crc32:08x}", f"{dictionary_crc32:08x}")
        if build_id is not None and board.build_id != build_id:
            self._refuse_mismatch("build id", f"{board.build_id:08x}", f"{build_id:08x}")
        if neighbours is not None and board.neighbours != neighbours:
            self._refuse_mismatch("number of neighbours", str(board.neighbours), str(neighbours))
        if geometry is not None and self.geometry != geometry:
            self._refuse_mismatch("geometry (rate/window/hop/synthesis)", str(self.geometry), str(geometry))
        if board.integrity and not self.accept_unprocessed:
            raise IntegrityError(self.url, board.integrity)
        return board

    def reset_stream(self) -> None:
        """Start a stream: the next hop is number 0 and has silence before it."""
        self._stream.start()

    def hop(
        self,
        samples: npt.NDArray[np.int16],
        *,
        digests: bool = False,
        ticks: bool = False,
        dump_stage: int | None = None,
        masked: bool = False,
        attenuation: int = ATTENUATION_OF_MODEL,
    ) -> HopReply:
        """Denoise a hop of the board's model, int16 (H,).

        digests, ticks: also fetch these of each stage. dump_stage: also fetch the bytes of this stage, 0 to 7.
        masked: run the hop with interrupts off. attenuation: the limit in this hop, see HopRequest.
        """
        flags = (
            HopFlag.DIGESTS * digests
            | HopFlag.STAGE_TICKS * ticks
            | HopFlag.DUMP * (dump_stage is not None)
            | HopFlag.MASKED_IRQ * masked
        )
        replies: list[HopReply] = []
        request = HopRequest(wire_samples(samples, self.geometry.hop), flags, dump_stage or 0, attenuation)
        self._stream.run([request], 1, lambda _, reply: replies.append(self._intact(reply)))
        return replies[0]

    def stream(
        self,
        samples: npt.NDArray[np.int16],
        progress: Callable[[int, int], None] | None = None,
        attenuation: int = ATTENUATION_OF_MODEL,
    ) -> npt.NDArray[np.int16]:
        """Denoise samples, int16 (n,); return as many, which lag as the board's model does (`geometry.lag`).

        Continues the stream: call reset_stream() first for a new one. The last hop is filled up with zeros.
        Requests are sent ahead as far as the board allows. progress: called with the hops done and the hops in all.
        attenuation: the limit in all hops, see HopRequest.
        """
        hop = self.geometry.hop
        hops = -(-len(samples) // hop)
        padded = np.zeros((hops, hop), dtype=np.int16)
        padded.reshape(-1)[: len(samples)] = np.frombuffer(wire_samples(samples, len(samples)), dtype="<i2")
        output = np.empty((hops, hop), dtype=np.int16)

        def answered(place: int, reply: HopReply) -> None:
            output[place] = self._intact(reply).samples
            if progress is not None:
                progress(place + 1, hops)

        requests = [HopRequest(row.astype("<i2").tobytes(), attenuation=attenuation) for row in padded]
        self._stream.run(requests, self._ahead(), answered)
        return output.reshape(-1)[: len(samples)]

    def stream_feed(self, feed: HopFeed, answered: Callable[[int, HopReply], None]) -> None:
        """Denoise the hops of `feed` as they come; call answered(place, reply) for each, for unprocessed ones too.

        Continues the stream. After a restart of the board a place may come again, with the same reply.
        """
        self._stream.run_feed(feed, self._ahead(), answered)

    def ask(self, request: Message, reply: type[M]) -> M:
        """Return the `reply` to any other request, which must do no harm when the board carries it out twice."""
        return self._requester.ask(request, reply)

    def count_loop(self, iterations: int) -> CountLoopDone:
        """Have the board run a loop; return its ticks and instructions. Two runs give the ticks per instruction."""
        return self._requester.ask(CountLoop(iterations), CountLoopDone)

    def check(self) -> Checked:
        """Have the board compute its dictionary's CRC anew and look at its stack; return its findings."""
        return self._requester.ask(Check(), Checked)

    def reset(self) -> None:
        """Start the board again, and wait until it answers."""
        before = self.board
        try:
            self._requester.ask(Reset(), Done)
        except TransportError:
            if self.hello().boot_nonce != before.boot_nonce:
                return  # the board did start again, only its answer was lost
            raise
        self.hello()

    def _ahead(self) -> int:
        """Return how many HOP requests may be unanswered: one is worked on, and the board must have room for others."""
        longest = Hop(0, 0, 0, 0, samples=b"\1" * (2 * self.geometry.hop))
        waiting = self.board.receive_ring // len(encode(Hop.TYPE, 1, longest.pack()))
        return max(1, min(self.board.hops_in_flight, 1 + waiting))

    # ---- verdicts ---------------------------------------------------------------------------------------

    def _intact(self, reply: HopReply) -> HopReply:
        if reply.integrity and not self.accept_unprocessed:
            raise IntegrityError(self.url, reply.integrity)
        return reply

    def _refuse_mismatch(self, what: str, found: str, wanted: str) -> None:
        raise MismatchError(
            f"{self.url}: {what} of the board: {found}; expected: {wanted}. Put the right firmware on it: "
            "`blsh build`, then `blsh flash`"
        )
