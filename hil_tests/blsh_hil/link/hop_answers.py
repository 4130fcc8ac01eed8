# SPDX-License-Identifier: Apache-2.0
"""Read the answer to one hop from all that a board sends: answers that came late, stage data, refusals, damage."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from blsh_hil.link.board_errors import BoardError, LostError, RefusedError, RestartedError, TransportError
from blsh_hil.link.frame_link import Link
from blsh_hil.link.hops import HopReply
from blsh_hil.link.stream_state import StreamState
from blsh_hil.wire.codes import ErrorCode, HopFlag, Integrity
from blsh_hil.wire.framing import BadFrame, Frame
from blsh_hil.wire.messages import Error, HopDone, StageData


@dataclass
class _Stage:
    """The bytes of a stage, as far as they have come."""

    total: int
    data: bytearray = field(default_factory=bytearray)

    @property
    def whole(self) -> bool:
        return len(self.data) == self.total


class AnswerReader:
    """Waits for the answer to hop `stream.next`. One object serves one wait.

    flags: the flags that the hop was sent with. hop_of: gives the hop that a request's sequence number stands for, None
    for an unknown request. quiet_s: after damage, the error is raised only once the line was silent for that long.
    """

    def __init__(
        self, link: Link, stream: StreamState, flags: int, hop_of: Callable[[int], int | None], quiet_s: float
    ) -> None:
        self._link = link
        self._stream = stream
        self._flags = flags
        self._hop_of = hop_of
        self._quiet_s = quiet_s
        self._damage: TransportError | None = None  # the error to raise once the line is quiet
        self._stages: dict[int, _Stage] = {}  # stage data by sequence number, because a repeated request has its own

    def read(self, until: float, due: float, send_ahead: Callable[[], float]) -> HopReply:
        """Return the answer. Raises TransportError where it does not come by `until`, RefusedError after a refusal.

        When `due` has come, send_ahead() sends the hops that are new, and returns the moment of its next call.
        """
        seconds = round(until - time.monotonic(), 1)
        self._link.forget()
        while True:
            wait_until = due if self._damage is None else time.monotonic() + self._quiet_s
            found = self._link.next(min(until, wait_until))
            if found is None and self._damage is None and due < until:
                due = send_ahead()
            elif found is None:
                raise self._damage or self._link.silence(f"HOP {self._stream.next}", seconds)
            elif (reply := self._taken(found)) is not None:
                return reply

    def _taken(self, found: Frame | BadFrame) -> HopReply | None:
        """Take in one frame; return the reply if the frame completes it."""
        link, number = self._link, self._stream.next
        if isinstance(found, BadFrame):
            self._note_damage(link.damaged_here(found))
        elif found.type == StageData.TYPE:
            self._collect(found)
        elif found.type == HopDone.TYPE:
            return self._answer(found)
        elif found.type == Error.TYPE:
            self._damage = self._refusal(link.parse(Error, found), self._hop_of(found.sequence)) or self._damage
        elif link.started:
            raise RestartedError(f"{link.url}: the board has started again before it answered hop {number}")
        return None

    def _note_damage(self, error: TransportError) -> None:
        self._damage = self._damage or error

    def _answer(self, frame: Frame) -> HopReply | None:
        """Return the reply in a HOP_DONE; None if it answers another request, or if something is missing."""
        url, number = self._link.url, self._stream.next
        done = self._link.parse(HopDone, frame)
        if done.stream != self._stream.name or done.hop < number:
            return None  # the reply belongs to another stream, or has come before
        if done.hop > number:
            self._note_damage(LostError(f"{url}: hop {done.hop} was answered before hop {number}"))
            return None
        if done.flags != self._flags:
            return None  # the frame answers a request that we did not send
        stage = self._stages.get(frame.sequence)
        if not self._flags & HopFlag.DUMP or done.integrity or (stage is not None and stage.whole):
            return self._reply(done, stage)
        self._note_damage(LostError(f"{url}: stage data of hop {done.hop} were lost on the line"))
        return None

    def _collect(self, frame: Frame) -> None:
        piece = self._link.parse(StageData, frame)
        stage = self._stages.setdefault(frame.sequence, _Stage(piece.total))
        if piece.hop == self._stream.next and piece.offset == len(stage.data):
            stage.data += piece.data  # after a gap the stage stays short, and never counts as whole

    def _reply(self, done: HopDone, stage: _Stage | None) -> HopReply:
        try:
            digests, ticks = done.digests(), done.stage_ticks()
        except ValueError as error:
            raise BoardError(f"{self._link.url}: the board sent {error}; flash this checkout's firmware") from error
        asked = self._stream.replay[done.hop].samples
        if len(done.samples) != len(asked):
            raise BoardError(
                f"{self._link.url}: the board answered a hop of {len(asked) // 2} samples by "
                f"{len(done.samples) / 2:g}; flash this checkout's firmware"
            )
        samples = np.frombuffer(done.samples, dtype="<i2").astype(np.int16)
        stage_bytes = bytes(stage.data) if stage is not None and done.flags & HopFlag.DUMP else None
        told = (Integrity(done.integrity), done.activity, done.reduction_db)
        return HopReply(done.hop, done.ticks, samples, digests, ticks, stage_bytes, *told)

    def _refusal(self, error: Error, hop: int | None) -> TransportError | None:
        """Return the transport error behind an ERROR; None if the error is about no hop that we still wait for.

        Raises RefusedError for a refusal that no repeat can change.
        """
        link, stream = self._link, self._stream
        if error.code == ErrorCode.BAD_FRAME:
            return link.damaged_there(error)
        if hop is None or hop < stream.next:
            return None
        if error.code == ErrorCode.OUT_OF_ORDER:
            stream.lost |= hop == stream.next  # the hop was done, but its reply is not kept: its dump was lost
            return LostError(f"{link.url}: the board waits for hop {error.detail}, hop {hop} came to it")
        if error.code == ErrorCode.NOT_READY:
            raise RestartedError(f"{link.url}: the board has no such stream (it has started again)")
        raise RefusedError(link.url, error)
