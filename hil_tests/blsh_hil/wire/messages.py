# SPDX-License-Identifier: Apache-2.0
"""The messages between host and board: one dataclass each, whose annotations say how its fields stand on the wire.

layout.py packs and unpacks them.
"""

import struct
from dataclasses import dataclass, field
from typing import Annotated, Final

from blsh_codegen.emit.model_image import HEAD
from blsh_hil.wire.codes import HopFlag
from blsh_hil.wire.layout import I32, U8, U16, U32, Message, Tail, Wire
from blsh_hil.wire.protocol import (
    ATTENUATION_OF_MODEL,
    ERROR_TEXT_MAX,
    FIRST_REPLY,
    LOG_TEXT_MAX,
    MAX_HOP,
    MAX_PAYLOAD,
    PIECE_BYTES,
    STAGE_COUNT,
)
from blsh_trainer.signals.geometry import Geometry

# ---- field types --------------------------------------------------------------------------------------------

Registers = Annotated[tuple[int, ...], Wire("I", "uint32_t", 8)]
Sha256 = Annotated[bytes, Wire("B", "uint8_t", 32)]
Spare = Annotated[bytes, Wire("B", "uint8_t", 1)]
Spare2 = Annotated[bytes, Wire("B", "uint8_t", 2)]
Spare3 = Annotated[bytes, Wire("B", "uint8_t", 3)]
Slots8 = Annotated[tuple[int, ...], Wire("B", "uint8_t", 2)]
Slots32 = Annotated[tuple[int, ...], Wire("I", "uint32_t", 2)]
SlotDigests = Annotated[bytes, Wire("B", "uint8_t", 64)]
ImageHead = Annotated[bytes, Wire("B", "uint8_t", HEAD.size)]
Piece = Annotated[bytes, Wire("B", "uint8_t", PIECE_BYTES)]
Text16 = Annotated[str, Wire("s", "char", 16)]
Text32 = Annotated[str, Wire("s", "char", 32)]

_BLOCK: Final = struct.Struct(f"<{STAGE_COUNT}I")
"""A word for each stage."""


# ---- requests -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hello(Message, code=0x01):
    """Ask for the board's identity. Answered by HELLO_REPLY, even when the model was refused."""

    host_nonce: U32


@dataclass(frozen=True)
class ResetStream(Message, code=0x02):
    """Start a stream at hop 0. Answered by DONE."""

    stream: U16  # the stream's name, chosen by the host


@dataclass(frozen=True)
class Hop(Message, code=0x03):
    """Denoise a hop of the stream. Answered by STAGE_DATA if flagged, then HOP_DONE."""

    hop: U16  # the hop's number since RESET_STREAM, from 0, modulo 2^16
    stream: U16
    flags: U8
    stage: U8  # the stage that HopFlag.DUMP asks for
    attenuation: U8 = ATTENUATION_OF_MODEL  # the limit in this hop: 0 to 60 dB, 255 for off, 254 for the model's own
    reserved: Spare3 = bytes(3)
    samples: Annotated[bytes, Tail(2 * MAX_HOP)] = b""  # int16, as many as HELLO_REPLY.hop says


@dataclass(frozen=True)
class CountLoop(Message, code=0x04):
    """Run a loop of exactly known length between two readings of the counter. Answered by COUNT_LOOP_DONE."""

    iterations: U32  # 1 to COUNT_LOOP_MAX


@dataclass(frozen=True)
class Reset(Message, code=0x05):
    """Start again. Answered by DONE before that."""


@dataclass(frozen=True)
class Slots(Message, code=0x20):
    """Ask for the slots' state. Answered by SLOTS_REPLY. Firmware without slots does not know 0x20 to 0x25."""


@dataclass(frozen=True)
class PushBegin(Message, code=0x21):
    """Begin the transfer of a model image, or go on with one. The stream ends. Answered by PUSH_READY."""

    head: ImageHead  # the image's first bytes


@dataclass(frozen=True)
class PushData(Message, code=0x22):
    """Write a piece of the image. Bytes beyond the image's end are ignored. May be repeated. Answered by DONE."""

    offset: U32
    data: Piece


@dataclass(frozen=True)
class ModelTry(Message, code=0x23):
    """Check the image, run the self-test with it, and go over to it until a reset. Answered by DONE."""


@dataclass(frozen=True)
class ModelProve(Message, code=0x24):
    """Keep the model on trial, if its image is this one: from now on the board starts with it. Answered by DONE."""

    image: Sha256  # the SHA-256 in the image's head


@dataclass(frozen=True)
class ModelFactory(Message, code=0x25):
    """Erase both slots and go back to the compiled-in model. The stream ends. Answered by DONE."""


@dataclass(frozen=True)
class Check(Message, code=0x0F):
    """Compute the dictionary's CRC anew and look at the stack's guard words. Answered by CHECKED."""


# ---- what the board sends -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class HelloReply(Message, code=0x81):
    """The identity of the board: the facts that must match before a test means anything."""

    host_nonce: U32  # echoed
    boot_nonce: U32  # another number after each start
    build_id: U32  # 0 if the compiler was not given one
    protocol_version: U16
    version_major: U16
    version_minor: U16
    version_patch: U16
    model_sha256: Sha256
    model_status: I32  # blsh_init's result: 0, or why the model was refused
    dictionary_crc32: U32  # the generated one
    dictionary_crc32_now: U32  # the CRC as last computed, at the start or by CHECK
    runtime_format: U32
    entries: U32
    feature_kind: U16
    features: U16
    bits: U16
    neighbours: U16
    rate_hz: U16  # the geometry of the model: samples a second, and three numbers of samples
    window: U16  # N
    hop: U16  # H, the samples of a HOP
    synthesis: U16  # M
    attenuation: U32  # the model's own limit: 0 to 60 dB, or 255 for off
    core_hz: U32  # 0 if unknown
    tick_hz: U32
    max_payload: U16  # the longest request payload that the board takes
    hops_in_flight: U16  # the number of HOP requests that may be unanswered at any time
    receive_ring: U32  # the number of received bytes that the board can hold while it is busy
    reset_cause: U32
    overruns: U32  # the number of bytes lost in reception
    bad_frames: U32  # the number of frames dropped
    stack_bytes_used: U32  # the largest use since the start
    integrity: U32  # flags of Integrity; 0 if all is well
    board: Text16
    core: Text16
    model: Text32

    @property
    def geometry(self) -> Geometry:
        """The geometry of the model. Raises BlshError for numbers that no model has."""
        return Geometry(self.rate_hz, self.window, self.hop, self.synthesis)

    @property
    def version(self) -> str:
        """The version of the firmware."""
        return f"{self.version_major}.{self.version_minor}.{self.version_patch}"


@dataclass(frozen=True)
class Done(Message, code=0x82):
    """A request without a result was carried out."""


@dataclass(frozen=True)
class HopDone(Message, code=0x83):
    """The output of a hop."""

    hop: U32  # since RESET_STREAM, from 0
    ticks: U32  # ticks of the whole hop, without the probe
    flags: U8  # the request's flags
    integrity: U8  # flags of Integrity; if not 0, the samples are not denoised
    stream: U16
    activity: U8  # speech in the hop, 0 to 255; 0 if the samples are not denoised, as the next
    reduction_db: U8  # by how many dB the samples are quieter than their input
    reserved: Spare2
    values: Annotated[bytes, Tail(2 * MAX_HOP + 2 * _BLOCK.size)] = b""  # int16 samples, then u32[8] blocks as flagged

    @property
    def samples(self) -> bytes:
        """The samples, int16: all values but the extras that the flags name."""
        return self.values[: max(0, len(self.values) - self._blocks() * _BLOCK.size)]

    def digests(self) -> tuple[int, ...] | None:
        """Return the CRC-32 of each stage's bytes; None if the request did not ask for them."""
        return self._words(self._blocks()) if self.flags & HopFlag.DIGESTS else None

    def stage_ticks(self) -> tuple[int, ...] | None:
        """Return the ticks that each stage took; None if the request did not ask for them."""
        return self._words(1) if self.flags & HopFlag.STAGE_TICKS else None

    def _blocks(self) -> int:
        return bool(self.flags & HopFlag.DIGESTS) + bool(self.flags & HopFlag.STAGE_TICKS)

    def _words(self, from_the_end: int) -> tuple[int, ...]:
        at = len(self.values) - from_the_end * _BLOCK.size
        if at < 0:
            raise ValueError(f"HOP_DONE with flags {self.flags:#x} and {len(self.values)} bytes of values")
        return _BLOCK.unpack_from(self.values, at)


@dataclass(frozen=True)
class CountLoopDone(Message, code=0x84):
    """The length of the loop: two instructions for each iteration, or 0 where the number is not known (host)."""

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
    """The content of the slots, and the largest model that the state in RAM has room for."""

    room: U32  # the largest size of an image in bytes; 0 without storage
    sequence: Slots32  # the board starts with the proven slot that has the larger number
    max_bits: U16
    max_neighbours: U16
    max_smoothed: U16  # the most bands of a smoothed mask
    running: U8  # the slot of the model that runs; 255 for the compiled-in model
    kinds: U8  # the sum of the kinds of models that the firmware is compiled for
    state: Slots8
    windows: U8  # the sum of the windows that the firmware is compiled for: 1 for 256 samples, 2 for 512, 4 for 1024
    reserved: Spare
    max_history: U16  # the most samples of a frame besides its hop, N - H
    max_overlap: U16  # the most samples that output lags, M - H
    images: SlotDigests  # the SHA-256 in the head of each image


@dataclass(frozen=True)
class PushReady(Message, code=0xA1):
    """The free slot holds all bytes of the image before `offset`; send the rest."""

    offset: U32


@dataclass(frozen=True)
class Checked(Message, code=0x8F):
    """The findings of CHECK."""

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
    """A line for people. It may come at any time, and has sequence number 0."""

    text: Annotated[bytes, Tail(LOG_TEXT_MAX)] = b""


@dataclass(frozen=True)
class Fault(Message, code=0x92):
    """The processor took a fault, or the watchdog ended a request. Then the board starts again."""

    registers: Registers  # r0 r1 r2 r3 r12 lr pc xpsr
    cfsr: U32
    bfar: U32
    reason: U32  # FaultReason


MESSAGES: Final = tuple(message for _, message in sorted(Message.BY_TYPE.items()))
REQUESTS: Final = tuple(message for message in MESSAGES if message.TYPE < FIRST_REPLY)
MAX_REQUEST_PAYLOAD: Final = max(message.layout().max_bytes for message in REQUESTS)
assert all(message.layout().max_bytes <= MAX_PAYLOAD for message in MESSAGES)
