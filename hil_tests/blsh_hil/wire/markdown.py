# SPDX-License-Identifier: Apache-2.0
"""Tables in Markdown, and the part of a document that is written by a program."""

from collections.abc import Sequence
from typing import Final

BEGIN: Final = "<!-- written by: blsh boards --write -->"
END: Final = "<!-- end of written text -->"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with a row of heads and one row for each of `rows`."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def with_written_part(text: str, paragraphs: Sequence[str]) -> str:
    """Return a document's `text` in which `paragraphs` stand between BEGIN and END."""
    before, rest = text.split(BEGIN)
    return before + "\n\n".join([BEGIN, *paragraphs, END]) + rest.split(END)[1]
