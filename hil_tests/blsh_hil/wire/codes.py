# SPDX-License-Identifier: Apache-2.0
"""The numbers of the protocol that have a meaning: error codes, flags, states and causes, each with a line of English.

IntFlag members cannot carry a text of their own, so the texts of flags stand in tables beside them.
"""

from enum import IntEnum, IntFlag
from typing import Final, Self


class Coded(IntEnum):
    """An enumeration whose members are written as value, text, and what ERROR.detail is beside that code, if anything.

    text: a line of English.
    """

    text: str
    detail: str

    def __new__(cls, value: int, text: str, detail: str = "") -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.text, member.detail = text, detail
        return member


class FrameError(Coded):
    """The reason why a decoder dropped a frame."""

    COBS = -1, "the byte stuffing is broken"
    SHORT = -2, "shorter than a header and a CRC"
    LONG = -3, "longer than the receiver takes"
    LENGTH = -4, "the length field disagrees with the frame"
    CRC = -5, "the CRC is wrong"
    VERSION = -6, "another protocol version"


class ErrorCode(Coded):
    """The reason why a board refused a request: ERROR.code."""

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
    """The reason why a board refuses images: ERROR.detail of IMAGE_REFUSED, beside the negative errors of the core."""

    MAGIC_WRONG = 1, "it does not begin like a model image"
    FORMAT_UNKNOWN = 2, "its image format is unknown to the firmware"
    SIZE = 3, "it does not fit the slot, or a piece of it lies outside"
    SHAPE = 4, "its tables do not fill it, or its name does not end"
    DIGEST = 5, "its SHA-256 is not that of its content: it was damaged or is not complete"
    SELF_TEST = 6, "the board's self-test with it gives other values than the reference"
    FLASH = 7, "the flash does not hold what was written to it"
    NOT_BEGUN = 8, "no transfer was begun, or no model is on trial: the board may have started again"


class SlotState(IntEnum):
    """The state of a model slot: BLSH_SLOT_... in C."""

    EMPTY = 0
    UNPROVEN = 1  # a transfer was begun, or is complete and on trial
    PROVEN = 2
    DAMAGED = 3


class HopFlag(IntFlag):
    """The requests of a HOP beside its output. HOP_FLAG_TEXT has the texts."""

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
    """The reasons why a board passes audio through unprocessed. INTEGRITY_TEXT has the texts."""

    MODEL = 1
    DICTIONARY = 2
    STACK = 4


INTEGRITY_TEXT: Final = {
    Integrity.MODEL: "the model was refused: `model_status` says why",
    Integrity.DICTIONARY: "the dictionary's CRC is not the generated one",
    Integrity.STACK: "the stack overflowed: its guard words were overwritten",
}


class FaultReason(IntEnum):
    """The reason of a FAULT: FAULT.reason."""

    FAULT = 0  # bad address, bad instruction, division by zero
    WATCHDOG = 1  # a request took too long


class FeatureKind(IntEnum):
    """The features of a model: BLSH_FEATURES_... of the core."""

    STFT = 0
    MEL = 1
    TRACKED = 2
    MEMORY = 3


class ResetCause(IntEnum):
    """The reason of a board's start: HAL_RESET_... in C."""

    POWER_ON = 0
    SOFTWARE = 1
    FAULT = 2
    WATCHDOG = 3
    CLOCK = 4  # the crystal failed
