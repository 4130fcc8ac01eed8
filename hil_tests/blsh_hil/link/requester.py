# SPDX-License-Identifier: Apache-2.0
"""Ask a board, and ask again after transport errors, within bounds: for requests that may be carried out twice."""

import secrets
import time
from typing import Final, TypeVar

from blsh_hil.link.board_errors import BoardError, ConnectionClosedError, RefusedError, RestartedError, TransportError
from blsh_hil.link.frame_link import Link
from blsh_hil.link.retry import HELLO_AGAIN_S, Deadline, LinkCounts, Retries, Timeouts
from blsh_hil.wire.codes import ErrorCode
from blsh_hil.wire.framing import BadFrame, Frame
from blsh_hil.wire.layout import Message
from blsh_hil.wire.messages import Error, Hello, HelloReply
from blsh_hil.wire.protocol import VERSION

BABBLE_S: Final = 1.4
"""If bytes come for this long and no frame is among them, the device is no board. With half a second until the first
byte, the error comes within two seconds.
"""

M = TypeVar("M", bound=Message)


class Requester:
    """Asks the board at the other end of `link`, and asks again where need be."""

    def __init__(self, link: Link, timeouts: Timeouts, retries: Retries) -> None:
        self.link = link
        self.timeouts = timeouts
        self.retries = retries
        self.counts = LinkCounts()
        self.identity: HelloReply | None = None  # the answer to the last hello()

    def hello(self) -> HelloReply:
        """Ask for the board's identity until it answers; while it boots, bytes may be lost."""
        link = self.link
        nonce = secrets.randbelow(0xFFFFFFFF) + 1  # a board that announces itself sends 0
        deadline = Deadline(self.timeouts.boot)
        sequences: set[int] = set()
        cuts = 0
        link.forget()
        while not deadline.passed:
            try:
                reply = self._hello_once(nonce, sequences, deadline)
            except ConnectionClosedError as error:
                if cuts == self.retries.limit:
                    raise
                cuts += 1
                self.note_repeat(error, "HELLO")
                link.reopen(deadline.at)
                continue
            if reply is not None:
                return self._identified(reply, nonce)
            if link.babble_since is not None and time.monotonic() >= link.babble_since + BABBLE_S:
                break
        raise link.silence("HELLO", deadline.seconds)

    def _hello_once(self, nonce: int, sequences: set[int], deadline: Deadline) -> HelloReply | None:
        """Send one HELLO; return the answer to it or to an earlier one (`sequences`), None if there is none soon."""
        link = self.link
        sequences.add(link.send(Hello(nonce), deadline.at))
        again = min(deadline.at, time.monotonic() + min(HELLO_AGAIN_S, deadline.seconds / 4))
        while (found := link.next(self._patience(again))) is not None:
            if isinstance(found, BadFrame) or found.sequence not in sequences:
                continue
            if found.type == Error.TYPE:
                raise RefusedError(link.url, link.parse(Error, found))
            if found.type == HelloReply.TYPE:
                return link.parse(HelloReply, found)
        return None

    def ask(self, request: Message, reply: type[M]) -> M:
        """Return the `reply` to a request that does no harm when it is carried out twice. Raises BoardError."""
        self.counts.requests += 1
        deadline = Deadline(self.timeouts.request)
        sequences: set[int] = set()
        for repeats_left in range(self.retries.limit, -1, -1):
            try:
                if self.restore():
                    deadline = Deadline(self.timeouts.request)
                self.link.forget()
                sequences.add(self.link.send(request, deadline.at))
                return self.link.parse(reply, self._answer(sequences, request, deadline, repeats_left))
            except TransportError as error:
                if repeats_left == 0 or deadline.passed:
                    raise
                self.note_repeat(error, request.name())
        raise AssertionError("unreachable: the last try returns or raises")

    def restore(self) -> bool:
        """Connect again if the board has gone, and do hello() if it has started again; return whether it had."""
        if self.link.closed:
            self.link.reopen(Deadline(self.timeouts.boot).at)
        if not self.link.started or self.identity is None:
            return False
        self.hello()
        return True

    def note_repeat(self, error: TransportError, request: str) -> None:
        """Count and log that `request` is asked again because of `error`."""
        setattr(self.counts, error.counted_as, getattr(self.counts, error.counted_as) + 1)
        self.link.logger.warning("%s: %s is asked again: %s", self.link.url, request, error)

    def _patience(self, again: float) -> float:
        since = self.link.babble_since
        return again if since is None else min(again, since + BABBLE_S)

    def _answer(self, sequences: set[int], request: Message, deadline: Deadline, repeats_left: int) -> Frame:
        """Return the first frame that answers any of `sequences`. After damage, raise once the line has been quiet."""
        link = self.link
        until, damage = deadline.share(repeats_left + 1), None
        while True:
            found = link.next(until if damage is None else min(until, time.monotonic() + self.retries.quiet_s))
            if found is None:
                raise damage or link.silence(request.name(), deadline.seconds)
            if isinstance(found, BadFrame):
                damage = damage or link.damaged_here(found)
            elif found.type == Error.TYPE:
                error = link.parse(Error, found)
                if error.code == ErrorCode.BAD_FRAME:
                    damage = damage or link.damaged_there(error)
                elif found.sequence in sequences:
                    raise RefusedError(link.url, error)
            elif found.sequence in sequences:
                return found
            elif link.started and self.identity is not None:
                raise RestartedError(f"{link.url}: the board has started again before it answered {request.name()}")

    def _identified(self, reply: HelloReply, nonce: int) -> HelloReply:
        link = self.link
        if reply.host_nonce != nonce:
            raise BoardError(f"{link.url}: expected our nonce {nonce:08x} back, the board sent {reply.host_nonce:08x}")
        if reply.protocol_version != VERSION:
            raise link.other_version(reply.protocol_version)
        if self.identity is not None and self.identity.boot_nonce != reply.boot_nonce:
            self.counts.restarts += 1
        link.started = False
        self.identity = reply
        return reply
