"""The line that repeats a command, for the pages that it writes."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path


def repeatable(name: str, options: Mapping[str, Path | str | Sequence[str] | None]) -> str:
    """Return the line that runs the command `name` with `options`; None leaves an option out, a list repeats it.

    Paths are relative to the working folder, so that others can run the line.
    """
    words = ["blsh", name]
    for option, value in options.items():
        for each in [value] if isinstance(value, str | Path) else value or ():
            words += [option, os.path.relpath(each) if isinstance(each, Path) else each]
    return shlex.join(words)
