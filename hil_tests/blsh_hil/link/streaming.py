"""Hops in order, each done once: sent ahead while the line is good, gone back for when it is not.

A hop moves the board's state on, so none may be asked for twice blindly. Each HOP names its stream and its number. The
board does the one that is next, answers those that it has just done from kept replies, and refuses all others with
the number that it expects. So after any damage the sender simply goes back to the first hop without an answer. A
board that lost the stream (it started again, or stage data were lost, which are not kept) is played the stream from
its beginning: the same samples give the same state.
"""

import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from blsh_hil.link.board_errors import (
    BoardError,
    LostError,
    MismatchError,
    RefusedError,
    RestartedError,
    StreamLostError,
    TransportError,
)
from blsh_hil.link.requester import Requester
from blsh_hil.link.retry import Deadline
from blsh_hil.wire.framing import BadFrame, Frame
from blsh_hil.wire.protocol import (
    Done,
    Error,
    ErrorCode,
    HelloReply,
    Hop,
    HopDone,
    HopFlag,
    Integrity,
    ResetStream,
    StageData,
)


@dataclass(frozen=True)
class HopReply:
    """What a board made of one hop.

    hop: its number since reset_stream. ticks: of the whole hop, without what the flags cost.
    samples: int16 (256,). digests, stage_ticks: eight, if asked for.
    stage_bytes: of the stage to dump. integrity: why the samples are not denoised; 0 if they are.
    """

    hop: int
    ticks: int
    samples: npt.NDArray[np.int16]
    digests: tuple[int, ...] | None
    stage_ticks: tuple[int, ...] | None
    stage_bytes: bytes | None
    integrity: Integrity


@dataclass(frozen=True)
class HopRequest:
    """The wire's samples of a hop, and what is asked for beside its output."""

    samples: bytes
    flags: int = 0
    stage: int = 0


class HopFeed(Protocol):
    """Hops that come into being while the stream runs, such as a microphone's."""

    def take(self, most: int) -> Sequence[HopRequest]:
        """At most so many of those that are there now; they are sent at once. Never waits."""

    def due(self) -> float | None:
        """When to ask for more, a moment of time.monotonic(); None: there will be no more."""


class _AllAtOnce:
    """A feed of hops that are all there."""

    def __init__(self, hops: Sequence[HopRequest]) -> None:
        self._hops = hops
        self._taken = 0

    def take(self, most: int) -> Sequence[HopRequest]:
        taken = self._hops[self._taken : self._taken + most]
        self._taken += len(taken)
        return taken

    def due(self) -> float | None:
        return -math.inf if self._taken < len(self._hops) else None


@dataclass
class _Stage:
    """The bytes of a stage as they come in."""

    total: int
    data: bytearray = field(default_factory=bytearray)

    @property
    def whole(self) -> bool:
        return len(self.data) == self.total


class HopStream:
    """The stream that a board is doing, as its host knows it."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester
        self._link = requester.link
        self._stream: int | None = None  # its name; None: there is none, or it was broken off
        self._board: HelloReply | None = None  # who has it
        self._hops: list[HopRequest] = []  # from number _base on
        self._base = 0
        self._next = 0  # the first without an answer
        self._lost = False  # the board no longer has it

    def start(self) -> None:
        """Begin at hop 0, with silence before it."""
        self._stream = None
        self._begin()
        self._hops, self._base = [], 0

    def run(self, hops: Sequence[HopRequest], window: int, answered: Callable[[int, HopReply], None]) -> None:
        """Have the stream's next `hops` done, at most `window` of them unanswered; answered(place in `hops`, reply).

        window: more than 1 only for hops without flags. Raises BoardError; then the stream is broken off, unless the
        board refused a request that stood alone.
        """
        self.run_feed(_AllAtOnce(hops), window, answered)

    def run_feed(self, feed: HopFeed, window: int, answered: Callable[[int, HopReply], None]) -> None:
        """run(), with the hops that `feed` has, when it has them."""
        if self._stream is None:
            raise BoardError(f"{self._link.url}: no stream, or a broken-off one; call reset_stream() first")
        try:
            self._transfer(self._next, feed, window, answered)
        except RefusedError:
            if window > 1:
                self._stream = None
            del self._hops[self._next - self._base :]
            raise
        except BaseException:
            self._stream = None  # the board may have done hops that we know nothing of
            raise

    # ---- sending ----------------------------------------------------------------------------------------

    def _transfer(self, first: int, feed: HopFeed, window: int, answered: Callable[[int, HopReply], None]) -> None:
        """Hops from number `first` up; those before are played again where the board has lost them."""
        limit = self._requester.retries.limit
        repeats = begun_anew = 0
        furthest = sent = self._next
        pending: dict[int, int] = {}  # sequence number -> hop
        deadline = Deadline(self._requester.timeouts.request)
        trouble = self._link.started or self._link.closed

        def send_ahead() -> float:
            """Send what there is and what the window has room for; when to look for more."""
            nonlocal sent
            while sent < self._next + window:
                if sent == self._end and not self._take(feed, self._next + window - sent):
                    due = feed.due()
                    return math.inf if due is None else due
                pending[self._link.send(self._request(sent, first), deadline.at)] = sent
                sent += 1
            return math.inf

        while self._next < self._end or self._more(feed):
            if self._next == self._end:  # all is answered, and more will come
                time.sleep(max(0.0, (feed.due() or 0.0) - time.monotonic()))
                self._take(feed, window)
                deadline = Deadline(self._requester.timeouts.request)
                continue
            try:
                if trouble:
                    met_again, anew = self._recover(begun_anew)
                    begun_anew += anew
                    if met_again or anew:
                        deadline = Deadline(self._requester.timeouts.request)
                    pending.clear()
                    sent, trouble = self._next, False
                due = send_ahead()
                reply = self._receive(pending, first, deadline.share(limit + 1 - repeats), due, send_ahead)
            except TransportError as error:
                self._lost |= isinstance(error, RestartedError)
                if trouble or not self._lost:  # else it is begun anew, which has a bound of its own
                    if repeats == limit or deadline.passed:
                        raise
                    repeats += 1
                trouble = True
                self._requester.note_repeat(error, f"hop {self._next}")
                continue
            self._next += 1
            repeats, deadline = 0, Deadline(self._requester.timeouts.request)
            for sequence in [sequence for sequence, hop in pending.items() if hop < self._next]:
                del pending[sequence]
            if self._next > furthest:
                furthest, begun_anew = self._next, 0
            if reply.hop >= first:
                answered(reply.hop - first, reply)
            else:
                self._requester.counts.replayed_hops += 1
            if self._next > self._requester.retries.replay_hops:  # too long to be played again: nobody needs them
                del self._hops[: self._next - self._base]
                self._base = self._next

    @property
    def _end(self) -> int:
        """Behind the last hop that there is."""
        return self._base + len(self._hops)

    def _take(self, feed: HopFeed, most: int) -> bool:
        """Take what the feed has; whether that was anything."""
        hops = feed.take(most)
        self._hops += hops
        self._requester.counts.requests += len(hops)
        return len(hops) > 0

    @staticmethod
    def _more(feed: HopFeed) -> bool:
        return feed.due() is not None

    def _request(self, number: int, first: int) -> Hop:
        assert self._stream is not None
        hop = self._hops[number - self._base]
        plain = number < first  # only played again: its answer was had before
        return Hop(number & 0xFFFF, self._stream, 0 if plain else hop.flags, 0 if plain else hop.stage, hop.samples)

    # ---- going back -------------------------------------------------------------------------------------

    def _recover(self, begun_anew: int) -> tuple[bool, bool]:
        """Make the line and the stream good again. Whether the board had to say HELLO, and the stream to begin anew."""
        requester, known = self._requester, self._board
        met_again = requester.restore()
        if self._lost and not met_again:
            requester.hello()
        board = requester.identity
        assert board is not None and known is not None
        if board.boot_nonce == known.boot_nonce and not self._lost:
            return met_again, False
        if _firmware(board) != _firmware(known):
            raise MismatchError(
                f"{self._link.url}: the board has started again with other firmware or another model: {board.model} "
                f"(build {board.build_id:08x}) instead of {known.model} (build {known.build_id:08x})"
            )
        if self._base > 0 or begun_anew >= requester.retries.limit or self._next > requester.retries.replay_hops:
            why = (
                f"begun anew {begun_anew} times without getting beyond hop {self._next}"
                if begun_anew >= requester.retries.limit
                else f"more than the {requester.retries.replay_hops} hops that are played again"
            )
            raise StreamLostError(
                f"{self._link.url}: the board no longer has the stream, {why}; call reset_stream() to start another"
            )
        self._begin()
        return met_again, True

    def _begin(self) -> None:
        requester = self._requester
        if requester.identity is None:
            requester.hello()
        name = secrets.randbits(16)
        requester.ask(ResetStream(name), Done)
        self._stream, self._board = name, requester.identity
        self._next, self._lost = 0, False

    # ---- receiving --------------------------------------------------------------------------------------

    def _receive(
        self, pending: dict[int, int], first: int, until: float, due: float, send_ahead: Callable[[], float]
    ) -> HopReply:
        """The answer to the first hop that has none. After damage, not before the line has been quiet.

        Meanwhile, from `due` on, send_ahead() sends what has come into being, and says when to call it again.
        """
        link, quiet_s = self._link, self._requester.retries.quiet_s
        damage: TransportError | None = None
        stages: dict[int, _Stage] = {}  # by sequence number: a repeated request has its own
        seconds = round(until - time.monotonic(), 1)
        link.forget()
        while True:
            found = link.next(min(until, due) if damage is None else min(until, time.monotonic() + quiet_s))
            if found is None and damage is None and due < until:
                due = send_ahead()
            elif found is None:
                raise damage or link.silence(f"HOP {self._next}", seconds)
            elif isinstance(found, BadFrame):
                damage = damage or link.damaged_here(found)
            elif found.type == StageData.TYPE:
                self._collect(found, stages)
            elif found.type == HopDone.TYPE:
                done = link.parse(HopDone, found)
                if done.stream != self._stream or done.hop < self._next:
                    continue  # of another stream, or had before
                if done.hop > self._next:
                    damage = damage or LostError(f"{link.url}: hop {done.hop} was answered before hop {self._next}")
                    continue
                asked, stage = self._request(self._next, first), stages.get(found.sequence)
                if done.flags != asked.flags:
                    continue  # not asked by us
                if not asked.flags & HopFlag.DUMP or done.integrity or (stage is not None and stage.whole):
                    return self._reply(done, stage)
                damage = damage or LostError(f"{link.url}: stage data of hop {done.hop} were lost on the line")
            elif found.type == Error.TYPE:
                damage = self._refused(link.parse(Error, found), pending.get(found.sequence)) or damage
            elif link.started:
                raise RestartedError(f"{link.url}: the board has started again before it answered hop {self._next}")

    def _collect(self, frame: Frame, stages: dict[int, "_Stage"]) -> None:
        piece = self._link.parse(StageData, frame)
        stage = stages.setdefault(frame.sequence, _Stage(piece.total))
        if piece.hop == self._next and piece.offset == len(stage.data):
            stage.data += piece.data  # after a gap it stays short, and is not taken for whole

    def _reply(self, done: HopDone, stage: "_Stage | None") -> HopReply:
        try:
            digests, ticks = done.digests(), done.stage_ticks()
        except ValueError as error:
            raise BoardError(f"{self._link.url}: the board sent {error}; flash this checkout's firmware") from error
        samples = np.frombuffer(done.samples, dtype="<i2").astype(np.int16)
        stage_bytes = bytes(stage.data) if stage is not None and done.flags & HopFlag.DUMP else None
        return HopReply(done.hop, done.ticks, samples, digests, ticks, stage_bytes, Integrity(done.integrity))

    def _refused(self, error: Error, hop: int | None) -> TransportError | None:
        """The transport error behind a refusal; None where it is about nothing that we still wait for."""
        if error.code == ErrorCode.BAD_FRAME:
            return self._link.damaged_there(error)
        if hop is None or hop < self._next:
            return None
        if error.code == ErrorCode.OUT_OF_ORDER:
            self._lost |= hop == self._next  # done, but not kept: its dump was lost
            return LostError(f"{self._link.url}: the board waits for hop {error.detail}, hop {hop} came to it")
        if error.code == ErrorCode.NOT_READY:
            raise RestartedError(f"{self._link.url}: the board has no such stream (it has started again)")
        raise RefusedError(self._link.url, error)


def _firmware(board: HelloReply) -> tuple[int, bytes, int]:
    return board.build_id, board.model_sha256, board.dictionary_crc32


def wire_samples(samples: npt.NDArray[np.int16], count: int) -> bytes:
    """int16 (count,) samples as they stand on the wire. Raises ValueError for anything else."""
    if samples.dtype != np.int16 or samples.shape != (count,):
        raise ValueError(f"samples of {samples.dtype} {samples.shape}; expected int16 ({count},)")
    return samples.astype("<i2").tobytes()
