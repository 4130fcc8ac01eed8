# SPDX-License-Identifier: Apache-2.0
"""Turn docstrings, which are plain English with backticks, into reStructuredText for autodoc."""

import re
from typing import Any

from pygments.lexers.special import TextLexer

_NAMED = re.compile(r"(\w+): (.*)$")


def setup(app: Any) -> dict[str, bool]:
    """Turn each docstring as autodoc reads it; let the fence `csv`, which GitHub knows, pass as text."""
    app.connect("autodoc-process-docstring", lambda _app, _kind, _name, _it, _options, lines: turn(lines))
    app.connect("autodoc-skip-member", lambda _app, _kind, _name, it, _skip, _options: is_bare_field(it) or None)
    app.add_lexer("csv", TextLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def is_bare_field(it: object) -> bool:
    """Return whether `it` is a field of a named tuple, of which Python itself says nothing but its number."""
    return type(it).__name__ == "_tuplegetter"


def turn(lines: list[str]) -> None:
    """Turn the lines of a docstring in place: a paragraph of `name: text` lines becomes a list, `|x|` stays `|x|`."""
    text = "\n".join(lines).strip()
    made = [_paragraph(part) for part in re.split(r"\n\s*\n", text)]
    lines[:] = [*"\n\n".join(made).splitlines(), ""]


def _paragraph(text: str) -> str:
    rows = text.splitlines()
    named = [_NAMED.match(row) for row in rows]
    if (
        len(rows) > 1
        and named[0]
        and all(found or row.startswith("    ") for found, row in zip(named, rows, strict=True))
    ):
        items = [
            f"* ``{found[1]}``: {literal(found[2])}" if found else f"  {literal(row.strip())}"
            for found, row in zip(named, rows, strict=True)
        ]
        return "\n".join(items)
    return text if text.startswith("    ") else "\n".join(map(literal, rows))


def literal(line: str) -> str:
    """Return a line in which a bar, a star or an underscore that ends a word stands for itself, outside backticks."""
    pieces = re.split(r"(`[^`]*`)", line)
    pieces[::2] = [re.sub(r"(\||\*(?! )|_(?!\w))", r"\\\1", piece) for piece in pieces[::2]]
    return "".join(pieces)
