# SPDX-License-Identifier: Apache-2.0
"""The protocol between host and board: its version, its frame header and its limits.

The protocol is declared once, in three modules: this one, codes.py (error codes and flags) and messages.py. The C
header (protocol_header.py) and the tables of docs/SPEC.md (spec_tables.py) are written from the three. Requests have
types below FIRST_REPLY, the board's messages have types from there up: an end that hears its own kind knows that the
line is looped back.

Any change of a layout or of a meaning raises VERSION.
"""

import struct
from typing import Final

from blsh_codegen.spec.stages import STAGES
from blsh_trainer.signals.geometry import LARGEST_HOP

VERSION: Final = 4
MAX_PAYLOAD: Final = 1024
MAX_HOP: Final = LARGEST_HOP
"""The most samples of a HOP. A board takes as many as a hop of its model has."""

HEADER: Final = struct.Struct("<BBHH")
"""Version, type, sequence number, length of the payload."""

CRC: Final = struct.Struct("<I")
"""CRC-32/ISO-HDLC of header and payload."""

OVERHEAD: Final = HEADER.size + CRC.size
ERROR_TEXT_MAX: Final = 64
LOG_TEXT_MAX: Final = 200
COUNT_LOOP_MAX: Final = 10_000_000
"""The most iterations of COUNT_LOOP: they take a second or two on the slowest core."""

STAGE_COUNT: Final = len(STAGES)
PIECE_BYTES: Final = 256
"""The bytes of a model image in one PUSH_DATA."""

KEPT_REPLIES: Final = 2
"""The number of hops whose replies the board keeps, to send them again. As many HOP requests may be unanswered."""

ATTENUATION_OF_MODEL: Final = 254
"""HOP.attenuation for the model's own limit, beside 0 to 60 dB and ATTENUATION_OFF."""

FIRST_REPLY: Final = 0x80
