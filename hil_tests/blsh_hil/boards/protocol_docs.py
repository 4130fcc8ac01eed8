"""Write the tables of docs/SPEC.md that say what protocol.py declares: `python -m blsh_hil.boards.protocol_docs`."""

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from blsh_codegen.project import project_root
from blsh_hil.ending import exit_code
from blsh_hil.wire import protocol
from blsh_hil.wire.message import Message
from blsh_hil.wire.protocol import (
    HOP_FLAG_TEXT,
    INTEGRITY_TEXT,
    ErrorCode,
    FrameError,
    HopFlag,
    ImageFault,
    Integrity,
)
from blsh_trainer.files import write_text_if_changed

BEGIN: Final = "<!-- generated from protocol.py: python -m blsh_hil.boards.protocol_docs -->"
END: Final = "<!-- end of generated text -->"
_LINE: Final = 120


def spec_path() -> Path:
    """Return the path of docs/SPEC.md in the checkout."""
    return project_root() / "docs" / "SPEC.md"


def render() -> str:
    """Return the generated part of SPEC.md, markers included."""
    errors = [(f"{error.value}", f"`{error.name}`", error.text, error.detail) for error in ErrorCode]
    parts = [
        BEGIN,
        f"**Messages.** Protocol version {protocol.VERSION}; payloads of at most {protocol.MAX_PAYLOAD} bytes, of "
        f"requests {protocol.MAX_REQUEST_PAYLOAD}. Offsets count from the\nbeginning of the payload.",
        *(_message(message) for message in protocol.MESSAGES),
        "HOP.flags:",
        _table(("value", "flag", "asks for"), [(f"{f.value}", f"`{f.name}`", HOP_FLAG_TEXT[f]) for f in HopFlag]),
        "HELLO_REPLY.integrity, CHECKED.integrity and HOP_DONE.integrity:",
        _table(("value", "flag", "meaning"), [(f"{f.value}", f"`{f.name}`", INTEGRITY_TEXT[f]) for f in Integrity]),
        "ERROR.code, and what ERROR.detail then is:",
        _table(("value", "name", "meaning", "detail"), errors),
        "Why a model image is refused (ERROR.detail of IMAGE_REFUSED):",
        _table(("value", "name", "meaning"), [(f"{e.value}", f"`{e.name}`", e.text) for e in ImageFault]),
        "Why a decoder drops a frame (also ERROR.detail of BAD_FRAME, as 32 bits):",
        _table(("value", "name", "meaning"), [(f"{e.value}", f"`{e.name}`", e.text) for e in FrameError]),
        END,
    ]
    return "\n\n".join(parts)


def rewritten(text: str) -> str:
    """Return `text` of SPEC.md with its generated part renewed."""
    before, rest = text.split(BEGIN)
    return before + render() + rest.split(END)[1]


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
    return "\n\n".join([told, _table(("offset", "field", "type"), fields)] if fields else [told])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Rewrite the generated part of docs/SPEC.md."""
    path = spec_path()
    print(f"wrote {write_text_if_changed(path, rewritten(path.read_text(encoding='utf-8')))}")


if __name__ == "__main__":
    sys.exit(exit_code(main))
