# SPDX-License-Identifier: Apache-2.0
"""Pack and unpack messages: dataclasses whose annotations say how each field stands on the wire.

All numbers are little-endian. Every field lies at a multiple of its size, so that the C structs need no packing.
"""

import struct
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, ClassVar, Self, get_type_hints


@dataclass(frozen=True)
class Wire:
    """A field on the wire. code: the struct code of an element. c_type: its C type. count: of elements."""

    code: str
    c_type: str
    count: int = 1


@dataclass(frozen=True)
class Tail:
    """A field that takes the rest of a payload, at most `limit` bytes."""

    limit: int


U8 = Annotated[int, Wire("B", "uint8_t")]
U16 = Annotated[int, Wire("H", "uint16_t")]
U32 = Annotated[int, Wire("I", "uint32_t")]
I32 = Annotated[int, Wire("i", "int32_t")]


@dataclass(frozen=True)
class FieldLayout:
    """One field of a message. offset: its place in the payload. kind: the type of its Python value.

    kind is int, str, bytes or tuple.
    """

    name: str
    wire: Wire
    offset: int
    kind: type

    @property
    def element_bytes(self) -> int:
        """The size of one element in bytes."""
        return struct.calcsize(f"<{self.wire.code}")

    @property
    def format(self) -> str:
        """The struct format that packs the field. Bytes and text are padded with zeros."""
        if self.kind in (str, bytes):
            return f"{self.element_bytes * self.wire.count}s"
        return self.wire.code if self.kind is int else f"{self.wire.count}{self.wire.code}"


@dataclass(frozen=True)
class Layout:
    """The fields of a message. bytes: their size. tail: the name of a last field without a fixed size, if any."""

    fields: tuple[FieldLayout, ...]
    bytes: int
    tail: str | None
    tail_limit: int

    @property
    def max_bytes(self) -> int:
        """The size of the longest payload."""
        return self.bytes + self.tail_limit


class Message:
    """A message. Subclasses are dataclasses. TYPE: the byte that announces the message on the wire."""

    TYPE: ClassVar[int]
    BY_TYPE: ClassVar[dict[int, type["Message"]]] = {}

    def __init_subclass__(cls, code: int) -> None:
        assert code not in Message.BY_TYPE, f"message type {code:#x} is taken"
        cls.TYPE = code
        Message.BY_TYPE[code] = cls

    @classmethod
    def name(cls) -> str:
        """Return the name in C and in texts for people: HELLO_REPLY for HelloReply."""
        return "".join(f"_{c}" if c.isupper() else c.upper() for c in cls.__name__)[1:]

    @classmethod
    def layout(cls) -> Layout:
        """Return where each field stands."""
        return _layout(cls)  # type: ignore[arg-type]  # mypy: a class is not hashable

    def pack(self) -> bytes:
        """Return the payload."""
        layout = self.layout()
        packed = b""
        for each in layout.fields:
            value: Any = getattr(self, each.name)
            values = value if each.kind is tuple else (value.encode("ascii") if each.kind is str else value,)
            packed += struct.pack(f"<{each.format}", *values)
        tail: bytes = getattr(self, layout.tail) if layout.tail else b""
        assert len(tail) <= layout.tail_limit, f"{self.name()}: tail of {len(tail)} bytes"
        return packed + tail

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        """Return the message that `payload` holds. Raises ValueError for a wrong length."""
        layout = cls.layout()
        if not layout.bytes <= len(payload) <= layout.max_bytes:
            raise ValueError(f"{cls.name()} of {len(payload)} bytes, expected {layout.bytes} to {layout.max_bytes}")
        values: dict[str, Any] = {}
        for each in layout.fields:
            found = struct.unpack_from(f"<{each.format}", payload, each.offset)
            values[each.name] = found if each.kind is tuple else found[0]
            if each.kind is str:
                values[each.name] = found[0].split(b"\0")[0].decode("ascii", "replace")
        if layout.tail:
            values[layout.tail] = payload[layout.bytes :]
        return cls(**values)


@cache
def _layout(message: type[Message]) -> Layout:
    placed: list[FieldLayout] = []
    offset, alignment, tail = 0, 1, Tail(0)
    tail_name = None
    hints = get_type_hints(message, include_extras=True)
    for each in fields(message):  # type: ignore[arg-type]  # subclasses are dataclasses
        wire = hints[each.name].__metadata__[0]
        assert tail_name is None, f"{message.__name__}.{each.name} comes after the tail"
        if isinstance(wire, Tail):
            tail, tail_name = wire, each.name
            continue
        origin = hints[each.name].__origin__
        layout = FieldLayout(each.name, wire, offset, getattr(origin, "__origin__", origin))
        assert offset % layout.element_bytes == 0, f"{message.__name__}.{each.name} is not aligned"
        placed.append(layout)
        alignment = max(alignment, layout.element_bytes)
        offset += layout.element_bytes * wire.count
    assert offset % alignment == 0, f"{message.__name__} needs padding at its end"
    return Layout(tuple(placed), offset, tail_name, tail.limit)
