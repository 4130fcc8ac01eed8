# SPDX-License-Identifier: Apache-2.0
"""Run one table of cases through both codecs: framing.py, and firmware/app/frame.c compiled for this machine."""

import ctypes
import subprocess
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blsh_codegen.emit.c_code import C_WARNINGS
from blsh_codegen.project import project_root
from blsh_hil.wire import protocol_header
from blsh_hil.wire.codes import FrameError
from blsh_hil.wire.framing import BadFrame, Decoder, Frame, cobs_decode, cobs_encode, encode
from blsh_hil.wire.protocol import MAX_PAYLOAD, VERSION

Found = Frame | FrameError
Decode = Callable[[Iterable[bytes]], list[Found]]

SHIM = """
#include <string.h>
#include "frame.h"
typedef struct { int32_t result; uint8_t type; uint16_t sequence; uint16_t length; uint8_t payload[BLSH_MAX_PAYLOAD]; }
    event_t;
size_t decode(const uint8_t *bytes, size_t count, event_t *events, int restart, uint32_t *bad_frames);
size_t decode(const uint8_t *bytes, size_t count, event_t *events, int restart, uint32_t *bad_frames) {
    static uint8_t buffer[BLSH_FRAME_OVERHEAD + BLSH_MAX_PAYLOAD];
    static blsh_decoder_t decoder;
    size_t found = 0;
    if (restart) blsh_decoder_init(&decoder, buffer, sizeof buffer);
    for (size_t i = 0; i < count; i++) {
        blsh_frame_t frame = {0};
        const int result = blsh_decoder_feed(&decoder, bytes[i], &frame);
        if (result == BLSH_FRAME_NONE) continue;
        event_t *event = &events[found++];
        event->result = result;
        event->type = frame.type, event->sequence = frame.sequence, event->length = frame.length;
        if (frame.length) memcpy(event->payload, frame.payload, frame.length);
    }
    *bad_frames = decoder.bad_frames;
    return found;
}
typedef struct { uint8_t *bytes; size_t count; } sink_t;
static void append(void *context, const uint8_t *bytes, size_t count) {
    sink_t *sink = context;
    memcpy(sink->bytes + sink->count, bytes, count);
    sink->count += count;
}
size_t encode(uint8_t type, uint16_t sequence, const uint8_t *payload, uint16_t length, uint16_t piece, uint8_t *out);
size_t encode(uint8_t type, uint16_t sequence, const uint8_t *payload, uint16_t length, uint16_t piece, uint8_t *out) {
    sink_t sink = {out, 0};
    blsh_encoder_t encoder = {.write = append, .context = &sink};
    blsh_frame_begin(&encoder, type, sequence, length);
    for (size_t i = 0; i < length; i += piece) {
        size_t left = (size_t)length - i;
        blsh_frame_put(&encoder, payload + i, left < piece ? left : piece);
    }
    blsh_frame_end(&encoder);
    return sink.count;
}
"""


class Event(ctypes.Structure):
    _fields_ = (
        ("result", ctypes.c_int32),
        ("type", ctypes.c_uint8),
        ("sequence", ctypes.c_uint16),
        ("length", ctypes.c_uint16),
        ("payload", ctypes.c_uint8 * MAX_PAYLOAD),
    )


class CCodec:
    """frame.c behind the interface of framing.py."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.decode.restype = ctypes.c_size_t
        self._library.encode.restype = ctypes.c_size_t
        self.bad_frames = 0

    def decode(self, pieces: Iterable[bytes]) -> list[Found]:
        found: list[Found] = []
        restart, bad = 1, ctypes.c_uint32(0)
        for piece in pieces:
            events = (Event * piece.count(0))()  # each delimiter ends at most one frame
            size = ctypes.c_size_t(len(piece))
            count = self._library.decode(piece, size, events, restart, ctypes.byref(bad))
            found += [self._found(event) for event in events[:count]]
            restart = 0
        self.bad_frames = bad.value
        return found

    def encode(self, type: int, sequence: int, payload: bytes, piece: int = 1 << 15) -> bytes:
        out = ctypes.create_string_buffer(MAX_PAYLOAD * 2)
        count = self._library.encode(type, sequence, payload, len(payload), piece, out)
        return out.raw[:count]

    @staticmethod
    def _found(event: Event) -> Found:
        if event.result != 1:
            return FrameError(event.result)
        return Frame(event.type, event.sequence, bytes(event.payload[: event.length]))


def decode_in_python(pieces: Iterable[bytes]) -> list[Found]:
    decoder = Decoder()
    found = [item for piece in pieces for item in decoder.feed(piece)]
    assert decoder.bad_frames == sum(isinstance(item, BadFrame) for item in found)
    return [item.error if isinstance(item, BadFrame) else item for item in found]


@pytest.fixture(scope="session")
def c_codec(tmp_path_factory: pytest.TempPathFactory) -> CCodec:
    folder = tmp_path_factory.mktemp("codec")
    firmware = project_root() / "firmware"
    protocol_header.write(folder)
    (folder / "shim.c").write_text(SHIM)
    sources = [folder / "shim.c", firmware / "app" / "frame.c", firmware / "core" / "blsh_crc32.c"]
    includes = [f"-I{path}" for path in (folder, firmware / "app", firmware / "core")]
    library = folder / "codec.so"
    subprocess.run(
        ["gcc", "-std=c11", "-O1", *C_WARNINGS, "-shared", "-fPIC", *includes, *sources, "-o", library], check=True
    )
    return CCodec(library)


@pytest.fixture(params=["python", "c"])
def decode(request: pytest.FixtureRequest, c_codec: CCodec) -> Decode:
    return decode_in_python if request.param == "python" else c_codec.decode


# ---- the table ----------------------------------------------------------------------------------------------


def stuffed(body: bytes, crc: int | None = None) -> bytes:
    """Return a frame around any body, with the right CRC unless another one is given."""
    value = zlib.crc32(body) if crc is None else crc
    return b"\0" + cobs_encode(body + value.to_bytes(4, "little")) + b"\0"


HEAD = bytes([1, 0x91, 0x34, 0x12])  # version 1, LOG, sequence 0x1234
GOOD = encode(0x91, 0x1234, b"hello")
GOOD_FRAME = Frame(0x91, 0x1234, b"hello")
EMPTY = encode(0x02, 7)
EMPTY_FRAME = Frame(0x02, 7, b"")
LONGEST = bytes(i % 255 + 1 for i in range(MAX_PAYLOAD))  # no zero: every COBS block is full
FLIPPED = GOOD[:9] + bytes([GOOD[9] ^ 0x10]) + GOOD[10:]


@dataclass(frozen=True)
class Case:
    name: str
    line: bytes
    found: list[Found]


CASES = [
    Case("nothing", b"", []),
    Case("delimiters only", b"\0\0\0\0", []),
    Case("a frame", GOOD, [GOOD_FRAME]),
    Case("a frame without payload", EMPTY, [EMPTY_FRAME]),
    Case("a frame without first delimiter", GOOD[1:], [GOOD_FRAME]),
    Case("a payload of zeros", encode(0x91, 0, bytes(100)), [Frame(0x91, 0, bytes(100))]),
    Case("the longest payload", encode(0x85, 1, LONGEST), [Frame(0x85, 1, LONGEST)]),
    Case("the longest payload, zeros", encode(0x85, 1, bytes(MAX_PAYLOAD)), [Frame(0x85, 1, bytes(MAX_PAYLOAD))]),
    Case("sequence and type at their ends", encode(0xFF, 0xFFFF, b"x"), [Frame(0xFF, 0xFFFF, b"x")]),
    Case("two frames", GOOD + EMPTY, [GOOD_FRAME, EMPTY_FRAME]),
    Case("two frames that share a delimiter", GOOD[:-1] + EMPTY, [GOOD_FRAME, EMPTY_FRAME]),
    Case("a partial frame", GOOD[:-1], []),
    Case("block runs into the delimiter", b"\0\x05abc\0", [FrameError.COBS]),
    Case("a frame cut short", GOOD[:-4] + GOOD, [FrameError.COBS, GOOD_FRAME]),
    Case("noise between frames", GOOD + b"\x01noise" + EMPTY, [GOOD_FRAME, FrameError.COBS, EMPTY_FRAME]),
    Case("one stray byte", b"\x01" + GOOD, [FrameError.SHORT, GOOD_FRAME]),
    Case("shorter than header and CRC", stuffed(b"\x01\x91\x00\x00\x00"), [FrameError.SHORT]),
    Case("longer than the longest", stuffed(HEAD + b"\x01\x04" + bytes(1025)), [FrameError.LONG]),
    Case("endless noise", b"\0" + b"\x42" * 5000 + GOOD, [FrameError.LONG, GOOD_FRAME]),
    Case("endless noise of bad blocks", b"\0" + b"\xff" * 5001 + GOOD, [FrameError.LONG, GOOD_FRAME]),
    Case("length field too large", stuffed(HEAD + b"\x06\x00hello"), [FrameError.LENGTH]),
    Case("length field too small", stuffed(HEAD + b"\x04\x00hello"), [FrameError.LENGTH]),
    Case("length field absurd", stuffed(HEAD + b"\xff\xffhello"), [FrameError.LENGTH]),
    Case("wrong CRC", stuffed(HEAD + b"\x05\x00hello", crc=0xDEADBEEF), [FrameError.CRC]),
    Case("a flipped bit", FLIPPED + GOOD, [FrameError.CRC, GOOD_FRAME]),
    Case("another version", encode(0x91, 1, b"x", version=VERSION + 1) + GOOD, [FrameError.VERSION, GOOD_FRAME]),
    Case(
        "another version with a wrong CRC is just damaged",
        stuffed(bytes([VERSION + 1, 0x91, 0, 0, 0, 0]), crc=0x11223344),
        [FrameError.CRC],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_line_decodes_as_the_table_says(case: Case, decode: Decode) -> None:
    assert decode([case.line]) == case.found


@pytest.mark.parametrize("case", [case for case in CASES if len(case.line) < 60], ids=lambda case: case.name)
def test_splitting_at_any_byte_changes_nothing(case: Case, decode: Decode) -> None:
    for place in range(len(case.line)):
        assert decode([case.line[:place], case.line[place:]]) == case.found


def test_one_byte_at_a_time_changes_nothing(decode: Decode) -> None:
    for case in CASES:
        assert decode([bytes([byte]) for byte in case.line]) == case.found


def test_every_failure_has_a_case() -> None:
    assert {item for case in CASES for item in case.found if isinstance(item, FrameError)} == set(FrameError)


def test_after_any_line_the_next_frame_arrives(decode: Decode) -> None:
    for case in CASES:
        assert decode([case.line, b"\0", GOOD])[-1] == GOOD_FRAME


def test_c_counts_bad_frames(c_codec: CCodec) -> None:
    for case in CASES:
        c_codec.decode([case.line or b"\0"])
        assert c_codec.bad_frames == sum(isinstance(item, FrameError) for item in case.found)


def test_other_version_is_named() -> None:
    assert list(Decoder().feed(encode(0x91, 1, b"", version=9))) == [BadFrame(FrameError.VERSION, 9)]


def test_payload_beyond_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="1025 bytes, the limit is 1024"):
        encode(0x91, 0, bytes(1025))


# ---- properties ---------------------------------------------------------------------------------------------

NOISY = st.lists(st.one_of(st.binary(max_size=40), st.just(GOOD), st.just(b"\0"))).map(b"".join)
# Long runs without a zero reach the COBS blocks of 254, where the two codecs could differ.
PAYLOAD = st.one_of(
    st.binary(max_size=MAX_PAYLOAD),
    st.lists(st.sampled_from([b"\0", b"a" * 253, b"b" * 254, b"c" * 255, b"d" * 247]), max_size=4).map(b"".join),
)


@given(data=PAYLOAD)
def test_cobs_returns_what_went_in_without_zeros_between(data: bytes) -> None:
    encoded = cobs_encode(data)
    assert 0 not in encoded
    assert len(encoded) <= len(data) + len(data) // 254 + 1
    assert cobs_decode(encoded, len(data)) == data


@given(
    type=st.integers(0, 255), sequence=st.integers(0, 65535), payload=PAYLOAD, piece=st.sampled_from([1, 7, 254, 2000])
)
def test_both_encoders_write_the_same_and_both_decoders_read_it(
    type: int, sequence: int, payload: bytes, piece: int, c_codec: CCodec
) -> None:
    line = encode(type, sequence, payload)
    assert c_codec.encode(type, sequence, payload, piece) == line
    assert decode_in_python([line]) == c_codec.decode([line]) == [Frame(type, sequence, payload)]


@given(line=NOISY, cut=st.integers(0, 400))
def test_both_decoders_agree_on_noise(line: bytes, cut: int, c_codec: CCodec) -> None:
    pieces = [line[:cut], line[cut:]]
    assert decode_in_python(pieces) == c_codec.decode(pieces)
