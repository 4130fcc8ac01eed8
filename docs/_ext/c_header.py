# SPDX-License-Identifier: Apache-2.0
"""Let hawkmoth read `blsh.h`, whose comments are plain prose.

Hawkmoth reads comments that begin with two stars. The header has none, because it is for people, and this module gives
hawkmoth a copy where the comments of declarations have them. The prose becomes reStructuredText on the way.
"""

import re
import subprocess
from pathlib import Path
from typing import Any

from docstrings import literal

ROOT = Path(__file__).resolve().parent.parent.parent
CORE = ROOT / "firmware" / "core"
_BEFORE = re.compile(r"^( *)/\* (?!----)((?:(?!\*/).)*) \*/\n(?= *\w|#define)", re.MULTILINE | re.DOTALL)
_BEHIND = re.compile(r"^( +)(\w[^;{}\n]*;) +(/\* .* \*/)$", re.MULTILINE)


def setup(app: Any) -> dict[str, bool]:
    """Make the copies when the settings are read, and turn prose when hawkmoth hands it on."""
    app.connect("config-inited", lambda app, config: copy_headers(Path(app.doctreedir).parent / "c-headers", config))
    app.connect("hawkmoth-process-docstring", _turn)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def copy_headers(folder: Path, config: Any) -> None:
    """Write the headers with comments for hawkmoth into `folder`, and tell it to look there."""
    folder.mkdir(parents=True, exist_ok=True)
    for header in CORE.glob("*.h"):
        text = with_stars(header.read_text(encoding="utf-8"))
        file = folder / header.name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    config.hawkmoth_root = str(folder)
    # stdint.h and stddef.h of the gcc that is there anyway; clang itself need not be installed
    include = subprocess.run(["gcc", "-print-file-name=include"], capture_output=True, text=True, check=True).stdout
    config.hawkmoth_clang = ["-ffreestanding", "-nostdinc", f"-isystem{include.strip()}"]


def page() -> tuple[str, str]:
    """Return the name and the text of the page of the C interface."""
    source = (CORE / "blsh.h").read_text(encoding="utf-8")
    head = source.split("/*", 1)[1].split("*/", 1)[0]
    title, rest = re.sub(r"^ \* ?", "", head, flags=re.MULTILINE).strip().split("\n", 1)
    rows = re.findall(r'^ *X\((BLSH_ERR\w+|BLSH_OK), (-?\d+), "(.*)"\)', source, re.MULTILINE)
    stages = re.findall(r'^ *X\((BLSH_STAGE_\w+), "(\w+)"\) */\* (.*?) \*/', source, re.MULTILINE)
    return "c-api", "\n\n".join(
        [
            f"# C interface\n\n{title}",
            rest.strip("\n").replace("\n    |", "\n|"),
            "## Functions and types\n\n```{eval-rst}\n.. c:autodoc:: blsh.h\n```",
            "## Results\n\n" + table(("name", "value", "means"), [(f"`{a}`", b, c) for a, b, c in rows]),
            "## Stages\n\n" + table(("name", "stage", "values"), [(f"`{a}`", b, f"`{c}`") for a, b, c in stages]),
            "## What a model is\n\n```{eval-rst}\n.. c:autodoc:: blsh_format.h\n```",
        ]
    ) + "\n"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def with_stars(source: str) -> str:
    """Return C with a second star at each comment of a declaration; one behind a member moves before it."""
    moved = _BEHIND.sub(r"\1\3\n\1\2", source)
    return _BEFORE.sub(lambda found: _starred(found[1], found[2]), moved)


def _starred(indent: str, text: str) -> str:
    lines = [re.sub(r"^ *\* ?", "", line) for line in text.splitlines()]
    return "".join(f"{indent}{line}\n" for line in ["/**", *(f" * {line}".rstrip() for line in lines), " */"])


def _turn(_app: Any, lines: list[str], _transform: Any, _options: Any) -> None:
    lines[:] = restructured(lines)


def restructured(lines: list[str]) -> list[str]:
    """Return the prose of a comment as reStructuredText.

    A line `name   text` describes a parameter, `Returns ...` the result, and lines indented by four are code.
    """
    made: list[str] = []
    code = False
    for raw in lines:
        indent = len(raw) - len(raw.lstrip())
        line = raw if indent >= 4 else literal(raw)
        if indent == 4 and made and not made[-1].strip() and not code:
            made += ["::", ""]
            code = True
        elif line.strip() and indent < 4:
            code = False
        found = re.match(r"([a-z]\w*) {2,}(\S.*)$", line)
        if found and not code:
            made.append(f":param {found[1]}: {found[2]}")
        elif line.startswith("Returns ") and any(each.startswith(":param") for each in made):
            made.append(f":returns: {line.removeprefix('Returns ')}")
        elif made and made[-1].strip() and made[-1].startswith((":", "    ")) and line.strip() and not code:
            made.append("    " + line.strip())  # goes on with the field
        else:
            made.append(line)
    return made
