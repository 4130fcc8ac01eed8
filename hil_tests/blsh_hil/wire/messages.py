"""The messages between host and board: one dataclass each, whose annotations say how its fields stand on the wire.

layout.py packs and unpacks them.
"""

import struct
from dataclasses import dataclass, field
from typing import Annotated, Final

from blsh_codegen.spec.constants import HOP
from blsh_hil.wire.codes import HopFlag
from blsh_hil.wire.layout import I32, U8, U16, U32, Message, Tail, Wire
from blsh_hil.wire.protocol import ERROR_TEXT_MAX, FIRST_REPLY, LOG_TEXT_MAX, MAX_PAYLOAD, PIECE_BYTES, STAGE_COUNT

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
