"""The protocol between host and board, declared once: message types, layouts, limits and error codes.

A message is a dataclass whose annotations say how each field stands on the wire (message.py); the C header
(protocol_header.py) and the tables of SPEC.md (protocol_docs.py) are derived from them. Requests have types below
0x80, what the board sends has types from 0x80 up: an end that hears its own kind knows that the line is looped back.

Any change of a layout or of a meaning raises VERSION.
"""

import struct
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Annotated, Final, Self

from blsh_codegen.spec.constants import HOP
from blsh_codegen.spec.stages import STAGES
from blsh_hil.wire.message import I32, U8, U16, U32, Message, Tail, Wire

VERSION: Final = 2
MAX_PAYLOAD: Final = 1024
HEADER: Final = struct.Struct("<BBHH")  # version, type, sequence, length of the payload
CRC: Final = struct.Struct("<I")  # CRC-32/ISO-HDLC of header and payload
OVERHEAD: Final = HEADER.size + CRC.size
ERROR_TEXT_MAX: Final = 64
LOG_TEXT_MAX: Final = 200
COUNT_LOOP_MAX: Final = 10_000_000  # iterations; a second or two on the slowest core
STAGE_COUNT: Final = len(STAGES)
PIECE_BYTES: Final = 256  # of a model image, in one PUSH_DATA
KEPT_REPLIES: Final = 2  # of the last hops, to be sent again: so many HOP requests may be unanswered
FIRST_REPLY: Final = 0x80


class Coded(IntEnum):
    """An enumeration of which every member has a line of English, `text`."""

    text: str

    def __new__(cls, value: int, text: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member


class FrameError(Coded):
    """Why a decoder dropped a frame."""

    COBS = -1, "the byte stuffing is broken"
    SHORT = -2, "shorter than a header and a CRC"
    LONG = -3, "longer than the receiver takes"
    LENGTH = -4, "the length field disagrees with the frame"
    CRC = -5, "the CRC is wrong"
    VERSION = -6, "another protocol version"


class ErrorCode(IntEnum):
    """Why a board refused a request: ERROR.code. Each has a line of English, `text`, and says what ERROR.detail is."""

    text: str
    detail: str

    def __new__(cls, value: int, text: str, detail: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        member.detail = detail
        return member

    UNKNOWN_TYPE = 1, "unknown request type", "the type"
    BAD_LENGTH = 2, "wrong length for this request", "the length received"
    BAD_STAGE = 3, "no such stage", "the stage"
    BAD_FLAGS = 4, "unknown flag", "the flags"
    BAD_VALUE = 5, "value out of range", "the value"
    NOT_READY = 6, "no such stream: RESET_STREAM comes first", "the stream"  # also after a restart in mid-stream
    BAD_FRAME = 9, "damaged frame received", "why, as 32 bits; `request_type` is 0"
    OUT_OF_ORDER = 10, "not the next hop, and its reply is not kept", "the number of the next hop"
    IMAGE_REFUSED = 32, "model image refused", "an ImageFault, or the core's error as 32 bits"


class ImageFault(Coded):
    """Why a board refuses a model image: ERROR.detail of IMAGE_REFUSED, beside the negative errors of the core."""

    MAGIC_WRONG = 1, "it does not begin like a model image"
    FORMAT_UNKNOWN = 2, "its image format is unknown to the firmware"
    SIZE = 3, "it does not fit the slot, or a piece of it lies outside"
    SHAPE = 4, "its tables do not fill it, or its name does not end"
    DIGEST = 5, "its SHA-256 is not that of its content: it was damaged or is not complete"
    SELF_TEST = 6, "the board's self-test with it gives other values than the reference"
    FLASH = 7, "the flash does not hold what was written to it"
    NOT_BEGUN = 8, "no transfer was begun, or no model is on trial: the board may have started again"


class SlotState(IntEnum):
    """What a model slot holds: BLSH_SLOT_..."""

    EMPTY = 0
    UNPROVEN = 1  # a transfer that was begun, or is complete and on trial
    PROVEN = 2
    DAMAGED = 3


class HopFlag(IntFlag):
    """What a HOP request asks for beside the output: HOP_FLAG_TEXT."""

    DIGESTS = 1
    STAGE_TICKS = 2
    DUMP = 4
    MASKED_IRQ = 8


HOP_FLAG_TEXT: Final = {
    HopFlag.DIGESTS: "CRC-32 of each stage, in `extras`",
    HopFlag.STAGE_TICKS: "ticks of each stage, in `extras`",
    HopFlag.DUMP: "the bytes of stage `stage`, in STAGE_DATA; without this flag `stage` is ignored",
    HopFlag.MASKED_IRQ: "interrupts masked while the hop runs, for exact counts; then never send ahead",
}


class Integrity(IntFlag):
    """What is wrong with a board, whose audio then passes through unprocessed: INTEGRITY_TEXT."""

    MODEL = 1
    DICTIONARY = 2
    STACK = 4


INTEGRITY_TEXT: Final = {
    Integrity.MODEL: "the model was refused: `model_status` says why",
    Integrity.DICTIONARY: "the dictionary's CRC is not the generated one",
    Integrity.STACK: "the stack overflowed: its guard words were overwritten",
}


class FaultReason(IntEnum):
    """FAULT.reason."""

    FAULT = 0  # bad address, bad instruction, division by zero
    WATCHDOG = 1  # a request took too long


class FeatureKind(IntEnum):
    """BLSH_FEATURES_... of the core."""

    STFT = 0
    MEL = 1
    TRACKED = 2


class ResetCause(IntEnum):
    """HAL_RESET_... of the board."""

    POWER_ON = 0
    SOFTWARE = 1
    FAULT = 2
    WATCHDOG = 3
    CLOCK = 4  # the crystal failed


# ---- field types --------------------------------------------------------------------------------------------

Registers = Annotated[tuple[int, ...], Wire("I", "uint32_t", 8)]
Samples = Annotated[bytes, Wire("h", "int16_t", HOP)]
Sha256 = Annotated[bytes, Wire("B", "uint8_t", 32)]
Spare = Annotated[bytes, Wire("B", "uint8_t", 1)]
Spare3 = Annotated[bytes, Wire("B", "uint8_t", 3)]
Slots8 = Annotated[tuple[int, ...], Wire("B", "uint8_t", 2)]
Slots32 = Annotated[tuple[int, ...], Wire("I", "uint32_t", 2)]
SlotDigests = Annotated[bytes, Wire("B", "uint8_t", 64)]
ImageHead = Annotated[bytes, Wire("B", "uint8_t", 136)]
Piece = Annotated[bytes, Wire("B", "uint8_t", PIECE_BYTES)]
Text16 = Annotated[str, Wire("s", "char", 16)]
Text32 = Annotated[str, Wire("s", "char", 32)]


# ---- requests -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hello(Message, code=0x01):
    """Who are you? Answered by HELLO_REPLY, even when the model was refused."""

    host_nonce: U32


@dataclass(frozen=True)
class ResetStream(Message, code=0x02):
    """Start a stream at hop 0. Answered by DONE."""

    stream: U16  # its name, chosen by the host


@dataclass(frozen=True)
class Hop(Message, code=0x03):
    """Denoise samples of the stream. Answered by STAGE_DATA if flagged, then HOP_DONE."""

    hop: U16  # since RESET_STREAM, from 0, modulo 2^16
    stream: U16
    flags: U8
    stage: U8  # of HopFlag.DUMP
    samples: Samples


@dataclass(frozen=True)
class CountLoop(Message, code=0x04):
    """Run a loop of exactly known length between two readings of the counter. Answered by COUNT_LOOP_DONE."""

    iterations: U32  # 1 to COUNT_LOOP_MAX


@dataclass(frozen=True)
class Reset(Message, code=0x05):
    """Answered by DONE; then the board starts again."""


@dataclass(frozen=True)
class Slots(Message, code=0x20):
    """What do the model slots hold? Answered by SLOTS_REPLY; firmware without slots knows none of these six."""


@dataclass(frozen=True)
class PushBegin(Message, code=0x21):
    """Begin the transfer of a model image, or go on with it; the stream ends. Answered by PUSH_READY."""

    head: ImageHead  # the image's first bytes


@dataclass(frozen=True)
class PushData(Message, code=0x22):
    """A piece of the image; what lies beyond its end is ignored. May be repeated. Answered by DONE."""

    offset: U32
    data: Piece


@dataclass(frozen=True)
class ModelTry(Message, code=0x23):
    """Check the image, run the self-test with it, and go over to it until a reset. Answered by DONE."""


@dataclass(frozen=True)
class ModelProve(Message, code=0x24):
    """Keep the model that is on trial, if it is this one: from now on the board starts with it. Answered by DONE."""

    image: Sha256  # as its head has it


@dataclass(frozen=True)
class ModelFactory(Message, code=0x25):
    """Erase both slots and go back to the model that is compiled in; the stream ends. Answered by DONE."""


@dataclass(frozen=True)
class Check(Message, code=0x0F):
    """Compute the dictionary's CRC anew and look at the stack's guard words. Answered by CHECKED."""


# ---- what the board sends -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class HelloReply(Message, code=0x81):
    """Everything that must fit before a test means anything."""

    host_nonce: U32  # echoed
    boot_nonce: U32  # differs from start to start
    build_id: U32  # 0: not given to the compiler
    protocol_version: U16
    version_major: U16
    version_minor: U16
    version_patch: U16
    model_sha256: Sha256
    model_status: I32  # blsh_init's result: 0, or why the model was refused
    dictionary_crc32: U32  # as generated
    dictionary_crc32_now: U32  # as last computed: at start or by CHECK
    runtime_format: U32
    entries: U32
    feature_kind: U16
    features: U16
    bits: U16
    neighbours: U16
    core_hz: U32  # 0: unknown
    tick_hz: U32
    max_payload: U16  # longest request payload that the board takes
    hops_in_flight: U16  # HOP requests that may be unanswered at any time
    receive_ring: U32  # bytes received that the board can hold while it is busy
    reset_cause: U32
    overruns: U32  # bytes lost in reception
    bad_frames: U32  # frames dropped
    stack_bytes_used: U32  # the most so far
    integrity: U32  # Integrity: 0 if all is well
    board: Text16
    core: Text16
    model: Text32

    @property
    def version(self) -> str:
        """Of the firmware."""
        return f"{self.version_major}.{self.version_minor}.{self.version_patch}"


@dataclass(frozen=True)
class Done(Message, code=0x82):
    """A request without a result was carried out."""


@dataclass(frozen=True)
class HopDone(Message, code=0x83):
    """The output of a hop."""

    hop: U32  # since RESET_STREAM, from 0
    ticks: U32  # of the whole hop, without the probe
    flags: U8  # of the request
    integrity: U8  # Integrity: if not 0, the samples are not denoised
    stream: U16
    samples: Samples
    extras: Annotated[bytes, Tail(2 * 4 * STAGE_COUNT)] = b""  # u32[8] digests, u32[8] ticks: those flagged

    def digests(self) -> tuple[int, ...] | None:
        """CRC-32 of each stage's bytes, if asked for."""
        return self._words(0) if self.flags & HopFlag.DIGESTS else None

    def stage_ticks(self) -> tuple[int, ...] | None:
        """Ticks that each stage took, if asked for."""
        return self._words(1 if self.flags & HopFlag.DIGESTS else 0) if self.flags & HopFlag.STAGE_TICKS else None

    def _words(self, block: int) -> tuple[int, ...]:
        words = struct.Struct(f"<{STAGE_COUNT}I")
        if len(self.extras) < (block + 1) * words.size:
            raise ValueError(f"HOP_DONE with flags {self.flags:#x} ends after {len(self.extras)} extra bytes")
        return words.unpack_from(self.extras, block * words.size)


@dataclass(frozen=True)
class CountLoopDone(Message, code=0x84):
    """Two instructions an iteration; 0 instructions where they are not known (host)."""

    ticks: U32
    instructions: U32


@dataclass(frozen=True)
class StageData(Message, code=0x85):
    """A piece of a stage's values, as the probe sees them."""

    hop: U32
    stage: U8
    reserved: Spare3
    offset: U32
    total: U32
    data: Annotated[bytes, Tail(MAX_PAYLOAD - 16)] = b""


@dataclass(frozen=True)
class SlotsReply(Message, code=0xA0):
    """The slots, and what a model may measure: the state in RAM was made for so much."""

    room: U32  # bytes that an image may have; 0: no storage
    sequence: Slots32  # the proven slot with the larger one is what the board starts with
    max_bits: U16
    max_neighbours: U16
    max_smoothed: U16  # bands of a mask with smoothing
    running: U8  # slot of the model that runs, 255: the one that is compiled in
    reserved: Spare
    state: Slots8
    reserved2: Slots8
    images: SlotDigests  # SHA-256 as each image's head has it


@dataclass(frozen=True)
class PushReady(Message, code=0xA1):
    """The free slot takes the image from this byte on; all before it is there."""

    offset: U32


@dataclass(frozen=True)
class Checked(Message, code=0x8F):
    """What CHECK found."""

    integrity: U32
    dictionary_crc32_now: U32


@dataclass(frozen=True)
class Error(Message, code=0x90):
    """A request was refused."""

    request_type: U8
    reserved: Spare
    code: U16
    detail: U32
    text: Annotated[bytes, Tail(ERROR_TEXT_MAX)] = field(default=b"")


@dataclass(frozen=True)
class Log(Message, code=0x91):
    """A line for people, at any time, with sequence 0."""

    text: Annotated[bytes, Tail(LOG_TEXT_MAX)] = b""


@dataclass(frozen=True)
class Fault(Message, code=0x92):
    """The processor took a fault; the board starts again after sending this."""

    registers: Registers  # r0 r1 r2 r3 r12 lr pc xpsr
    cfsr: U32
    bfar: U32
    reason: U32  # FaultReason


MESSAGES: Final = tuple(message for _, message in sorted(Message.BY_TYPE.items()))
REQUESTS: Final = tuple(message for message in MESSAGES if message.TYPE < FIRST_REPLY)
MAX_REQUEST_PAYLOAD: Final = max(message.layout().max_bytes for message in REQUESTS)
assert all(message.layout().max_bytes <= MAX_PAYLOAD for message in MESSAGES)
