# SPDX-License-Identifier: Apache-2.0
"""Tables in Markdown, and the part of a document that is written by a program."""

from collections.abc import Sequence
from typing import Final

_WRITER: Final = "blsh boards --write"
END: Final = "<!-- end of written text -->"


def begin(writer: str = _WRITER) -> str:
    """Return the line before the part of a document that the command `writer` writes."""
    return f"<!-- written by: {writer} -->"


BEGIN: Final = begin()


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with a row of heads and one row for each of `rows`."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def with_written_part(text: str, paragraphs: Sequence[str], writer: str = _WRITER) -> str:
    """Return a document's `text` in which `paragraphs` stand between begin(writer) and END."""
    before, rest = text.split(begin(writer))
    return before + "\n\n".join([begin(writer), *paragraphs, END]) + rest.split(END, 1)[1]
