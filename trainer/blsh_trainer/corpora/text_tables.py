# SPDX-License-Identifier: Apache-2.0
"""Read tables of text as people and spreadsheets write them; errors name the text that is ambiguous."""

import codecs
import csv
import re
from pathlib import Path

from blsh_trainer.errors import BlshError

Row = tuple[int, dict[str, str]]
"""A line's number, counted from 1, and its cells by the names of their columns."""

_SEPARATORS = (",", ";", "\t", "|")
_MARKS = (  # byte order marks, the longer first: that of UTF-16 begins that of UTF-32
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATOR_LINE = re.compile(r"sep=.?", re.IGNORECASE)  # a line that Excel puts first


def read_table(file: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()) -> list[Row]:
    """Return the rows below the head: the cells of `columns`, and those of `optional` columns that the table has.

    The cells have no spaces around them. A cell that its row lacks is empty.

    The table may be in UTF-8, in UTF-16, or in UTF-32 with a byte order mark, with line ends of any system. Commas,
    semicolons, tabs or bars separate the cells, which may be in quotes. The head may be in capitals, in any order and
    with more columns; above it may stand lines that begin with #. Empty lines are skipped. BlshError for another table,
    naming what was found.
    """
    lines = _decoded(file).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    above = next((at for at, line in enumerate(lines) if not _is_above_the_head(line, columns)), 0)
    lines[: above + 1] = [*[""] * above, lines[above].lstrip("# ")]
    separator = _separator(file, lines[above], columns)
    rows = _rows(file, lines, separator)
    names = [name.lower() for name in rows[0][1]] if rows else []
    missing = [column for column in columns if column not in names]
    if missing:
        raise BlshError(f"{file} lacks the columns {', '.join(missing)}; add them to its first line")
    places = {column: names.index(column) for column in (*columns, *optional) if column in names}
    twice = [column for column in columns if names.count(column) > 1]
    if twice:
        raise BlshError(f"{file} has the column {twice[0]} twice; keep one of them")
    return [
        (line, {column: cells[at] if at < len(cells) else "" for column, at in places.items()})
        for line, cells in rows[1:]
    ]


def _decoded(file: Path) -> str:
    data = file.read_bytes()
    unmarked = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be" if data[:1] == b"\0" else "utf-8"
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), unmarked)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        found = f"line {line} holds the byte 0x{data[error.start]:02x}, as in Latin-1 or Windows-1252"
        if encoding != "utf-8":
            found = f"it begins as {encoding.upper()} and goes on as something else"
        raise BlshError(f"{file} is not a CSV table in UTF-8 ({found}); write it anew, as UTF-8") from error


def _is_above_the_head(line: str, columns: tuple[str, ...]) -> bool:
    """Return whether a line is empty, names the separator for Excel, or is a comment and not the head."""
    text = line.strip()
    is_comment = text.startswith("#") and not all(column in text.lower() for column in columns)
    return not text or is_comment or _SEPARATOR_LINE.fullmatch(text) is not None


def _separator(file: Path, head: str, columns: tuple[str, ...]) -> str:
    """Return the separator with which most columns are found. BlshError when another one separates the columns."""
    text = head.lower()
    found = {each: len(set(columns) & {_cell(part) for part in text.split(each)}) for each in _SEPARATORS}
    best = max(_SEPARATORS, key=lambda each: found[each])
    if found[best] < len(columns) and all(column in text for column in columns):
        between = re.search(rf"{columns[0]}(\W+)", text)
        what = f"by {between[1]!r}" if between else "by nothing that is known"
        raise BlshError(f"{file} separates its columns {what}; expected commas, semicolons, tabs or bars")
    return best


def _cell(text: str) -> str:
    return text.strip().strip('"').strip()


def _rows(file: Path, lines: list[str], separator: str) -> list[tuple[int, list[str]]]:
    """Return the number and the cells of each line that has any."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    rows, before = [], 0
    try:
        for cells in reader:
            if reader.line_num > before + 1:
                raise BlshError(f"{file} line {before + 1}: a quotation mark is not closed; close it or take it away")
            before = reader.line_num
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise BlshError(f"{file} is not a CSV table in UTF-8 ({error}); write it anew") from error
    return rows
