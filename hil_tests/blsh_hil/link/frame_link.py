# SPDX-License-Identifier: Apache-2.0
"""Send and receive frames over a port: log lines and damage are dealt with here, answers are handed on."""

import logging
import secrets
import time
from collections import deque
from typing import Final, TypeVar

from blsh_hil.link.board_errors import (
    BoardError,
    ConnectionClosedError,
    DamagedError,
    EchoError,
    FaultError,
    GarbageError,
    NoAnswerError,
    PortError,
    ProtocolVersionError,
)
from blsh_hil.link.port import Port
from blsh_hil.wire.codes import FrameError
from blsh_hil.wire.framing import BadFrame, Decoder, Frame, encode
from blsh_hil.wire.layout import Message
from blsh_hil.wire.messages import Error, Fault, HelloReply, Log
from blsh_hil.wire.protocol import FIRST_REPLY, VERSION

_SHOWN_BYTES: Final = 24
_PRINTABLE: Final = frozenset(range(0x20, 0x7F)) | {0x09, 0x0A, 0x0D}

M = TypeVar("M", bound=Message)


class Link:
    """Sends and receives frames. LOG lines go to `logger` and `logs`. FAULTs, echoes and wrong versions are errors."""

    def __init__(self, port: Port, logger: logging.Logger) -> None:
        self.url = port.url
        self.logger = logger
        self.logs: deque[str] = deque(maxlen=100)  # the last LOG lines
        self.started = False  # the board has started, or may be another one: its HELLO must be asked for
        self.closed = False  # the other end has gone; call reopen() first
        self._port = port
        self._sequence = secrets.randbits(16)  # random, so that no answer to an earlier session passes for ours
        self._decoder = Decoder()
        self._arrived: deque[Frame | BadFrame] = deque()
        self._framed = False  # whether a valid frame has ever come
        self._heard = bytearray()  # the first bytes since forget(); below, their number and the time of the first
        self._heard_bytes = 0
        self._heard_at: float | None = None
        self._damage: FrameError | None = None  # the fault of the last bad frame since forget()

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    def reopen(self, deadline: float) -> None:
        """Connect again, and forget bytes on their way. Raises PortError at `deadline`, for a refused socket at once.

        Another board may answer from now on, so `started` is set.
        """
        try:
            self._port.reopen(deadline)
        except PortError as error:
            raise PortError(f"{self.url}: the connection was closed and cannot be opened again: {error}") from error
        self.started = True
        self._decoder = Decoder()
        self._arrived.clear()
        self.closed = False

    def send(self, message: Message, deadline: float) -> int:
        """Send a request; return its sequence number, 1 to 65,535."""
        self._sequence = self._sequence % 0xFFFF + 1
        try:
            self._port.write(encode(message.TYPE, self._sequence, message.pack()), deadline)
        except ConnectionClosedError:
            self.closed = True
            raise
        return self._sequence

    def next(self, deadline: float) -> Frame | BadFrame | None:
        """Return the next frame that is an answer or was damaged; None at `deadline`, whatever comes meanwhile.

        Raises ConnectionClosedError when the other end has gone, so that no caller waits in vain.
        """
        while True:
            while self._arrived:
                found = self._arrived.popleft()
                if isinstance(found, BadFrame):
                    self._note_damage(found)
                    while self._arrived and isinstance(self._arrived[0], BadFrame):  # one error for a whole burst
                        if self._arrived[0].error is FrameError.VERSION:
                            break
                        self._arrived.popleft()
                    return found
                if self._for_caller(found):
                    return found
            if time.monotonic() >= deadline:  # checked here too: a port that never stops talking does not answer either
                return None
            try:
                data = self._port.read(deadline)
            except ConnectionClosedError:
                self.closed = True
                raise
            if not data:
                return None
            self._note_bytes(data)
            self._arrived.extend(self._decoder.feed(data))

    def parse(self, message: type[M], frame: Frame) -> M:
        """Return `frame` as a `message`. Raises BoardError if it is another message, or has another layout."""
        if frame.type != message.TYPE:
            known = Message.BY_TYPE.get(frame.type)
            name = known.name() if known else f"type {frame.type:#04x}"
            raise BoardError(f"{self.url}: expected {message.name()}, the board sent {name}")
        try:
            return message.unpack(frame.payload)
        except ValueError as error:
            raise BoardError(f"{self.url}: the board sent {error}; flash this checkout's firmware") from error

    # ---- what was heard ---------------------------------------------------------------------------------

    def forget(self) -> None:
        """Forget the bytes heard: silence() reports those that come from now on."""
        self._heard.clear()
        self._heard_bytes = 0
        self._heard_at = None
        self._damage = None

    @property
    def babble_since(self) -> float | None:
        """The time of the first bytes, if no frame ever came: then another device than a board is talking."""
        return None if self._framed else self._heard_at

    def silence(self, request: str, seconds: float) -> BoardError:
        """Return the error that says why there was no answer to `request` within `seconds`."""
        if not self._heard_bytes:
            return NoAnswerError(
                f"{self.url}: no answer to {request} within {seconds:g} s, nothing was received at all; "
                "is the board powered, is its firmware flashed (`blsh flash`), is this the right port?"
            )
        if not self._framed:
            return GarbageError(self._babble())
        if self._damage is not None:
            return DamagedError(
                f"{self.url}: no answer to {request} within {seconds:g} s, and a frame was damaged on the way: "
                f"{self._damage.text}; check the cable and the rate"
            )
        return NoAnswerError(
            f"{self.url}: no answer to {request} within {seconds:g} s, though the board sent other frames; "
            "reset the board and try again"
        )

    def damaged_here(self, bad: BadFrame) -> DamagedError:
        """Return the error for a frame that arrived damaged."""
        return DamagedError(f"{self.url}: a frame was damaged on its way from the board: {bad.error.text}")

    def damaged_there(self, error: Error) -> DamagedError:
        """Return the error for the board's complaint about a damaged frame."""
        text = error.text.decode("ascii", "replace")
        return DamagedError(
            f"{self.url}: the board received a damaged frame: {text}; bytes were lost on the line, "
            "check the cable and the rate"
        )

    def other_version(self, version: int | None) -> ProtocolVersionError:
        """Return the error for a board that speaks another protocol version."""
        newer = "take the checkout that its firmware was built from, or " if version and version > VERSION else ""
        return ProtocolVersionError(
            f"{self.url}: the board speaks protocol version {version}, this checkout {VERSION}; "
            f"{newer}build and flash this one's firmware: `blsh build`, then `blsh flash`"
        )

    def _babble(self) -> str:
        begin = f"{self.url}: {self._heard_bytes} bytes but no valid frame, beginning with"
        if all(byte in _PRINTABLE for byte in self._heard):
            return (
                f"{begin} the text {self._heard.decode('ascii')!r}; this is another device, not a blsh-mcu board: "
                "choose another port (`blsh boards`)"
            )
        return f"{begin} {self._heard.hex(' ')}; another rate than {self._port.baud} baud, or not a blsh-mcu board"

    def _note_bytes(self, data: bytes) -> None:
        if self._heard_at is None:
            self._heard_at = time.monotonic()
        self._heard += data[: max(0, _SHOWN_BYTES - len(self._heard))]
        self._heard_bytes += len(data)

    def _note_damage(self, bad: BadFrame) -> None:
        if bad.error is FrameError.VERSION:
            raise self.other_version(bad.version)
        self._damage = bad.error
        self.logger.debug("%s: frame dropped: %s", self.url, bad.error.text)

    def _for_caller(self, frame: Frame) -> bool:
        self._framed = True
        if frame.type < FIRST_REPLY:
            raise EchoError(
                f"{self.url}: our own requests come back; the port is looped (RX tied to TX, or a terminal that "
                "echoes) and no board is behind it"
            )
        if frame.type == Fault.TYPE:
            raise FaultError(self.url, self.parse(Fault, frame))
        if frame.type == Log.TYPE:
            text = self.parse(Log, frame).text.decode("ascii", "replace")
            self.logs.append(text)
            self.logger.info("%s: %s", self.url, text)
            return False
        if (
            frame.type == HelloReply.TYPE and frame.sequence == 0
        ):  # the board announces itself: our own numbers begin at 1
            self.started = True
        return True
