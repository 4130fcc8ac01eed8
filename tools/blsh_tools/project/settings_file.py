# SPDX-License-Identifier: Apache-2.0
"""Read blsh.toml, and change values in it. Each fault is told with file, line, key, value and what was expected."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from blsh_tools.project.keys import KEYS
from blsh_tools.project.values import UnexpectedError
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing, require_file
from blsh_trainer.own_files import read_own
from blsh_trainer.suggestions import did_you_mean

SETTINGS_NAME: Final = "blsh.toml"

_TABLE: Final = re.compile(r"\s*\[\s*([\w-]+)\s*\]")


class SettingsFile:
    """The values of a blsh.toml by table and key, each checked to be of its kind.

    BlshError for a file that is missing or cannot be read, that is no TOML, and for a table, a key or a value that is
    not expected.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = read_text(path)
        try:
            given = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise BlshError(f"{path} is no TOML: {error}; correct that line") from error
        self.values = {table: self._read_table(table, content) for table, content in given.items()}

    def get(self, table: str, key: str, default: Any = None) -> Any:
        """Return the value of a key; `default` where it is not in the file."""
        return self.values.get(table, {}).get(key, default)

    def fault(self, table: str, key: str, words: str) -> BlshError:
        """Return the error that says `words` of a key, with its place in the file."""
        line = _line_of(self.text, table, key)
        at = "" if line is None else f", line {line}"
        return BlshError(f"{self.path}{at}: {table}.{key}{words}")

    def _read_table(self, table: str, content: Any) -> dict[str, Any]:
        line = _line_of(self.text, table)
        at = self.path if line is None else f"{self.path}, line {line}"
        if table not in KEYS:
            raise BlshError(
                f"{at}: {table} is unknown{did_you_mean(table, KEYS)}; there are the tables {', '.join(KEYS)}"
            )
        if not isinstance(content, dict):
            raise BlshError(f"{at}: {table} = {content!r}; expected a table, [{table}] on a line of its own")
        return {key: self._read(table, key, value) for key, value in content.items()}

    def _read(self, table: str, key: str, value: Any) -> Any:
        known = KEYS[table]
        if key not in known:
            raise self.fault(table, key, f" is unknown{did_you_mean(key, known)}; [{table}] has {', '.join(known)}")
        try:
            return known[key].read(value)
        except UnexpectedError as error:
            more = f": {error}" if str(error) else ""
            raise self.fault(table, key, f" = {_shown(value)}; expected {known[key].expected}{more}") from error


def read_text(path: Path) -> str:
    """Return the text of a blsh.toml. BlshError for a file that is missing, cannot be read or is not in UTF-8."""
    require_file(path, f"there is no {path}; `blsh init {path.parent}` writes one")
    try:
        return read_own(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BlshError(f"cannot read {path}: {error}; it must be a text in UTF-8") from error


def change_values(path: Path, table: str, values: Mapping[str, int | str]) -> None:
    """Set `values` of a table in a blsh.toml; comments, order and all other lines stay as they are.

    BlshError for a file that cannot be read, is no TOML or cannot be written; it is then as before.
    """
    try:
        document = tomlkit.parse(read_text(path))
        content = document.setdefault(table, tomlkit.table())
        for key, value in values.items():
            content[key] = value
    except TOMLKitError as error:
        raise BlshError(f"{path} is no TOML: {error}; correct it, or write a new one: blsh init") from error
    with replacing(path) as temporary:
        temporary.write_bytes(tomlkit.dumps(document).encode())


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 60 else f"{text[:57]}..."


def _line_of(text: str, table: str, key: str | None = None) -> int | None:
    """Return the line of a table's head, or of a key in it, from 1; None where it is written in another way."""
    within = None
    head = re.compile(rf"\s*{re.escape(table)}\s*[.=]")
    entry = None if key is None else re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
    for number, line in enumerate(text.splitlines(), 1):
        if found := _TABLE.match(line):
            within = found[1]
            if entry is None and within == table:
                return number
        elif (within is None and head.match(line)) if entry is None else (within == table and entry.match(line)):
            return number
    return None
