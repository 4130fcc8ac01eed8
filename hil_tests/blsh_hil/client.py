"""The host's side of the protocol: a board that can be asked, with one distinct error for each way to fail."""

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self, TypeVar

import numpy as np
import numpy.typing as npt

from blsh_codegen.fixed import HOP
from blsh_hil.board_errors import (
    BoardError,
    ConnectionClosedError,
    DamagedError,
    EchoError,
    FaultError,
    GarbageError,
    MismatchError,
    NoAnswerError,
    ProtocolVersionError,
    RefusedError,
)
from blsh_hil.framing import BadFrame, Decoder, Frame, encode
from blsh_hil.port import Port
from blsh_hil.protocol import (
    FIRST_REPLY,
    VERSION,
    CountLoop,
    CountLoopDone,
    Done,
    Error,
    ErrorCode,
    Fault,
    FrameError,
    Hello,
    HelloReply,
    Hop,
    HopDone,
    HopFlag,
    Log,
    Message,
    Reset,
    ResetStream,
    StageData,
)

BAUD: Final = 115_200
_SHOWN_BYTES: Final = 24

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Timeouts:
    """Seconds. hello: in all, for a board to answer its first request; hello_retry: between two of them.

    reply: for each later answer. write: for the port to take a request.
    """

    hello: float = 8.0
    hello_retry: float = 0.5
    reply: float = 20.0
    write: float = 10.0


@dataclass(frozen=True)
class HopReply:
    """What a board made of one hop.

    hop: its number since reset_stream. ticks: of the whole hop, without what the flags cost.
    samples: int16 (256,). digests, stage_ticks: eight, if asked for.
    stage_bytes: of the stage to dump.
    """

    hop: int
    ticks: int
    samples: npt.NDArray[np.int16]
    digests: tuple[int, ...] | None
    stage_ticks: tuple[int, ...] | None
    stage_bytes: bytes | None


class BoardClient:
    """A board behind an open port. Use as a context manager; everything that goes wrong is a BoardError.

    After an error in mid-stream, call hello() and reset_stream() to go on: late answers are told apart by
    their sequence numbers.
    """

    def __init__(self, port: Port, timeouts: Timeouts | None = None, logger: logging.Logger | None = None) -> None:
        self.url = port.url
        self.timeouts = timeouts or Timeouts()
        self.identity: HelloReply | None = None  # of the last hello()
        self.logs: deque[str] = deque(maxlen=100)  # the last LOG lines
        self._logger = logger or logging.getLogger(__name__)
        self._port = port
        self._decoder = Decoder()
        self._arrived: deque[Frame | BadFrame] = deque()
        self._sequence = secrets.randbits(16)  # so that answers to an earlier session are not taken for ours
        self._framed = False  # a valid frame has come
        self._heard = bytearray()  # since the last request: the beginning, and how much
        self._heard_bytes = 0
        self._damage: FrameError | None = None  # of the last bad frame since the last request

    @classmethod
    def open(
        cls,
        url: str,
        timeouts: Timeouts | None = None,
        *,
        baud: int = BAUD,
        logger: logging.Logger | None = None,
    ) -> Self:
        """The board at `url`: a device, a pty, or socket://host:port. Raises PortError."""
        chosen = timeouts or Timeouts()
        return cls(Port(url, baud=baud, write_timeout=chosen.write), chosen, logger)

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- requests ---------------------------------------------------------------------------------------

    def hello(self) -> HelloReply:
        """Ask the board who it is, again and again until it answers: while it boots, bytes may be lost."""
        nonce = secrets.randbits(32)
        deadline = time.monotonic() + self.timeouts.hello
        sequences = set()
        self._forget()
        while time.monotonic() < deadline:
            sequences.add(self._send(Hello(nonce), keep_heard=True))
            retry = min(deadline, time.monotonic() + self.timeouts.hello_retry)
            while (frame := self._next_frame(retry)) is not None:
                if frame.type == Error.TYPE and frame.sequence in sequences:
                    raise RefusedError(self.url, self._parse(Error, frame))
                if frame.type == HelloReply.TYPE and frame.sequence in sequences:
                    return self._identified(self._parse(HelloReply, frame), nonce)
        raise self._silence("HELLO", self.timeouts.hello)

    def require(
        self,
        *,
        model_sha256: str | None = None,
        dictionary_crc32: int | None = None,
        build_id: int | None = None,
    ) -> HelloReply:
        """hello(), and MismatchError unless the board's model is sound and is the one named (None: any)."""
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
        return board

    def reset_stream(self) -> None:
        """Start a stream: the next hop is number 0 and has silence before it."""
        self._request(ResetStream(), Done)

    def hop(
        self,
        samples: npt.NDArray[np.int16],
        *,
        digests: bool = False,
        ticks: bool = False,
        dump_stage: int | None = None,
        masked: bool = False,
    ) -> HopReply:
        """Denoise 256 samples. dump_stage: also fetch the bytes of that stage. masked: with interrupts off."""
        flags = (
            HopFlag.DIGESTS * digests
            | HopFlag.STAGE_TICKS * ticks
            | HopFlag.DUMP * (dump_stage is not None)
            | HopFlag.MASKED_IRQ * masked
        )
        return self._await_hop(self._send(Hop(flags, dump_stage or 0, _wire_samples(samples, HOP))))

    def stream(
        self, samples: npt.NDArray[np.int16], progress: Callable[[int, int], None] | None = None
    ) -> npt.NDArray[np.int16]:
        """Denoise int16 (n,) samples; returns as many, which lag by the core's 768 samples.

        Continues the stream: call reset_stream() first for a new one. The last hop is filled up with zeros.
        Requests are sent ahead as far as the board allows. progress: called with hops done and hops in all.
        """
        board = self.identity or self.hello()
        hops = -(-len(samples) // HOP)
        padded = np.zeros(hops * HOP, dtype=np.int16)
        padded[: len(samples)] = np.frombuffer(_wire_samples(samples, len(samples)), dtype="<i2")
        output = np.empty((hops, HOP), dtype=np.int16)
        waiting: deque[int] = deque()
        sent, first = 0, None
        for done in range(hops):
            while sent < hops and len(waiting) < board.hops_in_flight:
                waiting.append(self._send(Hop(0, 0, padded[sent * HOP : (sent + 1) * HOP].astype("<i2").tobytes())))
                sent += 1
            reply = self._await_hop(waiting.popleft())
            first = reply.hop if first is None else first
            if reply.hop != first + done:
                raise BoardError(f"{self.url}: expected hop {first + done}, the board did hop {reply.hop}")
            output[done] = reply.samples
            if progress is not None:
                progress(done + 1, hops)
        return output.reshape(-1)[: len(samples)]

    def count_loop(self, iterations: int) -> CountLoopDone:
        """Ticks and instructions of a loop, to learn ticks per instruction: compare two numbers of iterations."""
        return self._request(CountLoop(iterations), CountLoopDone)

    def reset(self) -> None:
        """Start the board again; call hello() next."""
        self._request(Reset(), Done)
        self.identity = None

    # ---- answers ----------------------------------------------------------------------------------------

    def _request(self, request: Message, reply: type[M]) -> M:
        frame = self._await(self._send(request), request.name())
        return self._parse(reply, frame)

    def _await_hop(self, sequence: int) -> HopReply:
        stage: bytearray | None = None
        while (frame := self._await(sequence, "HOP")).type == StageData.TYPE:
            piece = self._parse(StageData, frame)
            stage = bytearray() if stage is None else stage
            if piece.offset != len(stage):
                raise DamagedError(
                    f"{self.url}: expected stage {piece.stage} to go on at byte {len(stage)} of {piece.total}, "
                    f"the board sent byte {piece.offset}"
                )
            stage += piece.data
        done = self._parse(HopDone, frame)
        try:
            digests, stage_ticks = done.digests(), done.stage_ticks()
        except ValueError as error:
            raise DamagedError(f"{self.url}: {error}") from error
        samples = np.frombuffer(done.samples, dtype="<i2").astype(np.int16)
        return HopReply(done.hop, done.ticks, samples, digests, stage_ticks, None if stage is None else bytes(stage))

    def _await(self, sequence: int, request: str) -> Frame:
        """The next frame in answer to request number `sequence`."""
        deadline = time.monotonic() + self.timeouts.reply
        try:
            while (frame := self._next_frame(deadline)) is not None:
                if frame.type == Error.TYPE:
                    error = self._parse(Error, frame)
                    if error.code == ErrorCode.BAD_FRAME:
                        raise self._damaged_there(error)
                    if frame.sequence == sequence:
                        raise RefusedError(self.url, error)
                elif frame.sequence == sequence and frame.type != Log.TYPE:
                    return frame
        except ConnectionClosedError as error:
            raise ConnectionClosedError(f"{error} (while waiting for the answer to {request})") from error
        raise self._silence(request, self.timeouts.reply)

    def _next_frame(self, deadline: float) -> Frame | None:
        """The next frame that is not for us alone to handle: LOG, FAULT, echo and another version are."""
        while True:
            while self._arrived:
                found = self._arrived.popleft()
                if isinstance(found, BadFrame):
                    self._note_damage(found)
                elif self._for_caller(found):
                    return found
            if time.monotonic() >= deadline:  # a port that never stops talking does not answer either
                return None
            data = self._port.read(deadline)
            if not data:
                return None
            self._heard += data[: _SHOWN_BYTES - len(self._heard)] if len(self._heard) < _SHOWN_BYTES else b""
            self._heard_bytes += len(data)
            self._arrived.extend(self._decoder.feed(data))

    def _for_caller(self, frame: Frame) -> bool:
        self._framed = True
        if frame.type < FIRST_REPLY:
            raise EchoError(
                f"{self.url}: our own requests come back; the port is looped (RX tied to TX, or a terminal that "
                "echoes) and no board is behind it"
            )
        if frame.type == Fault.TYPE:
            raise FaultError(self.url, self._parse(Fault, frame))
        if frame.type == Log.TYPE:
            text = self._parse(Log, frame).text.decode("ascii", "replace")
            self.logs.append(text)
            self._logger.info("%s: %s", self.url, text)
            return False
        return True

    def _parse(self, message: type[M], frame: Frame) -> M:
        if frame.type != message.TYPE:
            known = Message.BY_TYPE.get(frame.type)
            name = known.name() if known else f"type {frame.type:#04x}"
            raise BoardError(f"{self.url}: expected {message.name()}, the board sent {name}")
        try:
            return message.unpack(frame.payload)
        except ValueError as error:
            raise BoardError(f"{self.url}: the board sent {error}; flash this checkout's firmware") from error

    # ---- bookkeeping ------------------------------------------------------------------------------------

    def _send(self, message: Message, keep_heard: bool = False) -> int:
        self._sequence = (self._sequence + 1) & 0xFFFF
        if not keep_heard:
            self._forget()
        self._port.write(encode(message.TYPE, self._sequence, message.pack()))
        return self._sequence

    def _forget(self) -> None:
        self._heard.clear()
        self._heard_bytes = 0
        self._damage = None

    def _identified(self, reply: HelloReply, nonce: int) -> HelloReply:
        if reply.host_nonce != nonce:
            raise BoardError(f"{self.url}: expected our nonce {nonce:08x} back, the board sent {reply.host_nonce:08x}")
        if reply.protocol_version != VERSION:
            raise self._other_version(reply.protocol_version)
        self.identity = reply
        return reply

    def _note_damage(self, bad: BadFrame) -> None:
        if bad.error is FrameError.VERSION:
            raise self._other_version(bad.version)
        self._damage = bad.error
        self._logger.debug("%s: frame dropped: %s", self.url, bad.error.text)

    def _other_version(self, version: int | None) -> ProtocolVersionError:
        return ProtocolVersionError(
            f"{self.url}: the board speaks protocol version {version}, this checkout {VERSION}; "
            "build and flash its firmware: `blsh build`, then `blsh flash`"
        )

    def _damaged_there(self, error: Error) -> DamagedError:
        text = error.text.decode("ascii", "replace")
        return DamagedError(
            f"{self.url}: the board received a damaged frame: {text}; bytes were lost on the line, "
            "check the cable and the rate"
        )

    def _refuse_mismatch(self, what: str, found: str, wanted: str) -> None:
        raise MismatchError(
            f"{self.url}: {what} of the board: {found}; expected: {wanted}. Put the right firmware on it: "
            "`blsh build`, then `blsh flash`"
        )

    def _silence(self, request: str, seconds: float) -> BoardError:
        """Why there was no answer within `seconds`."""
        if not self._heard_bytes:
            return NoAnswerError(
                f"{self.url}: no answer to {request} within {seconds:g} s, nothing was received at all; "
                "is the board powered, is its firmware flashed (`blsh flash`), is this the right port?"
            )
        if not self._framed:
            return GarbageError(
                f"{self.url}: {self._heard_bytes} bytes within {seconds:g} s but no valid frame, beginning with "
                f"{self._heard.hex(' ')}; another rate than {self._port.baud} baud, or not a blsh-mcu board"
            )
        if self._damage is not None:
            return DamagedError(
                f"{self.url}: no answer to {request} within {seconds:g} s, and a frame was damaged on the way: "
                f"{self._damage.text}; check the cable and the rate"
            )
        return NoAnswerError(
            f"{self.url}: no answer to {request} within {seconds:g} s, though the board sent other frames; "
            "reset the board and try again"
        )


def _wire_samples(samples: npt.NDArray[np.int16], count: int) -> bytes:
    if samples.dtype != np.int16 or samples.shape != (count,):
        raise ValueError(f"samples of {samples.dtype} {samples.shape}; expected int16 ({count},)")
    return samples.astype("<i2").tobytes()
