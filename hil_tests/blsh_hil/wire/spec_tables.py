# SPDX-License-Identifier: Apache-2.0
"""Render the part of docs/SPEC.md that repeats the protocol's modules."""

import textwrap
from typing import Final

from blsh_hil.wire import protocol
from blsh_hil.wire.codes import HOP_FLAG_TEXT, INTEGRITY_TEXT, ErrorCode, FrameError, HopFlag, ImageFault, Integrity
from blsh_hil.wire.layout import Message
from blsh_hil.wire.markdown import table, with_written_part
from blsh_hil.wire.messages import MAX_REQUEST_PAYLOAD, MESSAGES

DOCUMENT: Final = "docs/SPEC.md"
_LINE: Final = 120


def rewritten(text: str) -> str:
    """Return `text` of SPEC.md with its written part renewed."""
    errors = [(f"{error.value}", f"`{error.name}`", error.text, error.detail) for error in ErrorCode]
    parts = [
        f"**Messages.** Protocol version {protocol.VERSION}; payloads of at most {protocol.MAX_PAYLOAD} bytes, of "
        f"requests {MAX_REQUEST_PAYLOAD}. Offsets count from the\nbeginning of the payload.",
        *(_message(message) for message in MESSAGES),
        "HOP.flags:",
        table(("value", "flag", "asks for"), [(f"{f.value}", f"`{f.name}`", HOP_FLAG_TEXT[f]) for f in HopFlag]),
        "HELLO_REPLY.integrity, CHECKED.integrity and HOP_DONE.integrity:",
        table(("value", "flag", "meaning"), [(f"{f.value}", f"`{f.name}`", INTEGRITY_TEXT[f]) for f in Integrity]),
        "ERROR.code, and what ERROR.detail then is:",
        table(("value", "name", "meaning", "detail"), errors),
        "Why a model image is refused (ERROR.detail of IMAGE_REFUSED):",
        table(("value", "name", "meaning"), [(f"{e.value}", f"`{e.name}`", e.text) for e in ImageFault]),
        "Why a decoder drops a frame (also ERROR.detail of BAD_FRAME, as 32 bits):",
        table(("value", "name", "meaning"), [(f"{e.value}", f"`{e.name}`", e.text) for e in FrameError]),
    ]
    return with_written_part(text, parts)


def _message(message: type[Message]) -> str:
    """Return a message's type, name and meaning, and the table of its fields if it has any."""
    layout = message.layout()
    fields = [
        (f"{each.offset}", f"`{each.name}`", each.wire.c_type + (f"[{each.wire.count}]" if each.wire.count > 1 else ""))
        for each in layout.fields
    ]
    if layout.tail:
        fields.append((f"{layout.bytes}", f"`{layout.tail}`", f"up to {layout.tail_limit} bytes"))
    meaning = " ".join((message.__doc__ or "").split())
    ending = "" if fields else " No payload."
    told = textwrap.fill(
        f"`0x{message.TYPE:02x}` **{message.name()}**: {meaning}{ending}", _LINE, break_on_hyphens=False
    )
    return "\n\n".join([told, table(("offset", "field", "type"), fields)] if fields else [told])
