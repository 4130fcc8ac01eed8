# SPDX-License-Identifier: Apache-2.0
"""Check that the generated header compiles, lays messages out as Python packs them, and never changes by itself."""

import dataclasses
import struct
import subprocess
from pathlib import Path

import pytest

from blsh_codegen.emit.c_code import C_WARNINGS
from blsh_hil.wire import protocol, protocol_header
from blsh_hil.wire.codes import ErrorCode, FeatureKind, FrameError, HopFlag
from blsh_hil.wire.layout import Message
from blsh_hil.wire.messages import MAX_REQUEST_PAYLOAD, MESSAGES, REQUESTS, HelloReply, Hop, HopDone
from blsh_trainer.signals.features import FEATURE_KINDS


def filled(message: type[Message]) -> Message:
    """Return a message in which every byte differs from its neighbours."""
    values: dict[str, object] = {}
    for number, field in enumerate(message.layout().fields):
        size = field.element_bytes * field.wire.count
        data = bytes((number * 37 + place) % 250 + 1 for place in range(size))
        if field.kind is int:
            values[field.name] = int.from_bytes(data, "little", signed=field.wire.c_type == "int32_t")
        elif field.kind is tuple:
            values[field.name] = tuple(
                int.from_bytes(data[i : i + field.element_bytes], "little") for i in range(0, size, field.element_bytes)
            )
        else:
            values[field.name] = f"{field.name}"[: size - 1] if field.kind is str else data
    if message.layout().tail:
        values[message.layout().tail or ""] = b"tail"
    return message(**values)


def test_features_have_the_numbers_of_the_models() -> None:
    numbers = {kind.name.lower(): kind.value for kind in FeatureKind}
    assert numbers == {kind.name: kind.number for kind in FEATURE_KINDS.values()}


def test_rendering_is_deterministic_and_writing_keeps_the_time(tmp_path: Path) -> None:
    path = protocol_header.write(tmp_path)
    before = path.stat().st_mtime_ns
    assert protocol_header.write(tmp_path).stat().st_mtime_ns == before
    assert path.read_text() == protocol_header.render() == protocol_header.render()
    assert "\r" not in path.read_text()


@pytest.mark.parametrize("compiler", [["gcc"], ["arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb"]])
def test_header_compiles_twice_over_as_c11(tmp_path: Path, compiler: list[str]) -> None:
    """Compile the header: its own assertions compare every offset and size with those of Python."""
    protocol_header.write(tmp_path)
    source = tmp_path / "use.c"
    source.write_text('#include "blsh_protocol.h"\n#include "blsh_protocol.h"\n')
    subprocess.run([*compiler, "-std=c11", "-pedantic", *C_WARNINGS, "-fsyntax-only", source], check=True)


@pytest.mark.parametrize("message", [m for m in MESSAGES if m.layout().fields], ids=lambda m: m.__name__)
def test_c_reads_what_python_packs(tmp_path: Path, message: type[Message]) -> None:
    """Have a C program print every field of a packed message, and compare with what Python unpacks."""
    protocol_header.write(tmp_path)
    sample = filled(message)
    packed = sample.pack()
    prints = [
        f'for (unsigned i = 0; i < sizeof m.{field.name}; i++) printf("%02x", ((unsigned char *)&m.{field.name})[i]);'
        'printf("\\n");'
        for field in message.layout().fields
    ]
    data = ", ".join(map(str, packed))
    (tmp_path / "show.c").write_text(
        '#include <stdio.h>\n#include <string.h>\n#include "blsh_protocol.h"\nint main(void) {\n'
        f"static const unsigned char packed[] = {{{data}}};\nblsh_msg_{message.name().lower()}_t m;\n"
        f"memcpy(&m, packed, sizeof m);\n{''.join(prints)}\nreturn 0;\n}}\n"
    )
    subprocess.run(["gcc", "-std=c11", tmp_path / "show.c", "-o", tmp_path / "show"], check=True)
    shown = subprocess.run([tmp_path / "show"], check=True, capture_output=True, text=True).stdout.split()
    for field, line in zip(message.layout().fields, shown, strict=True):
        value = getattr(sample, field.name)
        if field.kind is int:
            signed = field.wire.c_type == "int32_t"
            assert int.from_bytes(bytes.fromhex(line), "little", signed=signed) == value
        elif field.kind is str:
            assert bytes.fromhex(line).rstrip(b"\0").decode() == value
        elif field.kind is bytes:
            assert bytes.fromhex(line) == value
    assert message.unpack(packed) == sample


def test_codes_and_flags_stand_in_the_header() -> None:
    text = protocol_header.render()
    for frame_error in FrameError:
        assert f'X(BLSH_FRAME_ERR_{frame_error.name}, {frame_error.value}, "{frame_error.text}")' in text
    for code in ErrorCode:
        assert f'X(BLSH_WIRE_ERR_{code.name}, {code.value}, "{code.text}")' in text
        assert len(code.text) <= protocol.ERROR_TEXT_MAX
    for flag in HopFlag:
        assert f"#define BLSH_HOP_{flag.name} {flag.value}u\n" in text


def test_every_payload_fits_and_every_frame_may_be_answered() -> None:
    assert max(message.layout().max_bytes for message in MESSAGES) <= protocol.MAX_PAYLOAD
    assert {message.TYPE < protocol.FIRST_REPLY for message in REQUESTS} == {True}
    assert Hop.layout().bytes + 2 * protocol.MAX_HOP == MAX_REQUEST_PAYLOAD


def test_names_fill_their_fields_or_end_at_the_first_zero() -> None:
    sample = filled(HelloReply)
    assert isinstance(sample, HelloReply)
    full = dataclasses.replace(sample, board="b" * 16, core="")
    assert HelloReply.unpack(full.pack()) == full


def test_payload_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="HELLO_REPLY of 3 bytes, expected 192 to 192"):
        HelloReply.unpack(b"abc")
    with pytest.raises(ValueError, match="HOP_DONE of 593 bytes, expected 16 to 592"):
        HopDone.unpack(bytes(593))


def test_hop_done_is_split_into_samples_and_the_extras_that_its_flags_name() -> None:
    both = int(HopFlag.DIGESTS | HopFlag.STAGE_TICKS)
    digests, ticks = struct.pack("<8I", *range(8)), struct.pack("<8I", *range(10, 18))
    done = HopDone(0, 0, both, 0, 0, 0, 0, bytes(2), b"\1\2\3\4" + digests + ticks)
    assert (done.samples, done.digests(), done.stage_ticks()) == (b"\1\2\3\4", tuple(range(8)), tuple(range(10, 18)))
    for flag, extra in ((HopFlag.DIGESTS, digests), (HopFlag.STAGE_TICKS, ticks), (0, b"")):
        one = HopDone(0, 0, int(flag), 0, 0, 0, 0, bytes(2), bytes(6) + extra)
        found = (one.samples, one.digests() is None, one.stage_ticks() is None)
        assert found == (bytes(6), extra != digests, extra != ticks)
    short = HopDone(0, 0, both, 0, 0, 0, 0, bytes(2), bytes(63))
    with pytest.raises(ValueError, match="HOP_DONE with flags 0x3 and 63 bytes of values"):
        short.digests()
