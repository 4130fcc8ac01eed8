# SPDX-License-Identifier: Apache-2.0
"""The line that repeats a command, for the pages that it writes."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

Value = Path | str | float | bool | list[str] | None
"""The value of an option: None leaves it out, True is a flag, several strings repeat it."""


def repeatable(name: str, options: Mapping[str, Value], *arguments: Path | str) -> str:
    """Return the line that runs the command `name` with `arguments` and `options`.

    Paths are relative to the working folder, so that others can run the line.
    """
    words = ["blsh", name, *map(_word, arguments)]
    for option, value in options.items():
        if value is True:
            words.append(option)
        elif value is not None:
            for each in value if isinstance(value, list) else [value]:
                words += [option, _word(each)]
    return shlex.join(words)


def _word(value: Path | str | float) -> str:
    return os.path.relpath(value) if isinstance(value, Path) else str(value)
