# SPDX-License-Identifier: Apache-2.0
"""Write the reference pages: each command from its `--help`, boards from boards.toml, each room from its docstrings.

The pages are MyST. They lie in `docs/reference/generated`, which git ignores, and are named `.txt`, so that nothing
takes them for pages that somebody wrote.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import c_header
import typer

from blsh_tools.cli import app

ROOT = Path(__file__).resolve().parent.parent.parent
GENERATED = ROOT / "docs" / "reference" / "generated"
PACKAGES = {"blsh_trainer": "trainer", "blsh_codegen": "codegen", "blsh_hil": "hil_tests"}
"""Packages with a Python reference, and the folder of each. The others serve commands and tests alone."""

LEFT_OUT = ("baselines", "experiments", "report")
"""Rooms that repeat the paper's experiments or write a report: no program of a user calls them."""

IN_HEXADECIMAL = (".origin", ".base", ".counter", ".size", ".sector")
"""The ends of the keys of boards.toml whose numbers are addresses, or extents beside addresses."""


def setup(app: Any) -> dict[str, bool]:
    """Have the pages written before Sphinx looks for its sources."""
    app.connect("config-inited", lambda _app, _config: write_pages(GENERATED))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(folder: Path) -> None:
    """Write all pages into `folder`; leave a page alone whose text is the same, and remove one that is no longer."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"{name}.txt": text for name, text in all_pages()}
    for old in folder.glob("*.txt"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def all_pages() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each page."""
    for panel, known in panels().items():
        parts = [command_part(f"blsh {name}", command) for name, command in known.items()]
        yield f"options-{panel.lower().replace(' ', '-')}", f"# {panel}\n\n" + "\n".join(parts)
    yield c_header.page()
    yield "board-facts", boards_page((ROOT / "boards.toml").read_text(encoding="utf-8"))
    for package, folder in PACKAGES.items():
        root = ROOT / folder / package
        yield f"python-{package}", room_page(package, root, root.glob("*.py"))
        for room in rooms(root):
            yield f"python-{package}-{room.name}", room_page(f"{package}.{room.name}", root, room.rglob("*.py"))


# ---- commands -------------------------------------------------------------------------------------------------------


def panels() -> dict[str, dict[str, Any]]:
    """Return every command of `blsh` by its name, by its panel of `blsh --help`."""
    found: dict[str, dict[str, Any]] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        found.setdefault(command.rich_help_panel, {})[name] = command
    return found


def command_part(title: str, command: Any, level: int = 2) -> str:
    """Return what `--help` says of a command: its text, its arguments, and its options by their groups."""
    context = command.make_context(title, [], resilient_parsing=True)
    usage = " ".join([title, *command.collect_usage_pieces(context)])
    parts = [f"{'#' * level} `{title}`", f"```text\n{usage}\n```", prose(command.help or "")]
    if command.epilog:
        parts.append(prose(command.epilog))
    groups: dict[str, list[str]] = {}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None or getattr(parameter, "hidden", False):
            continue
        usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
        panel = getattr(parameter, "rich_help_panel", None) or usual
        groups.setdefault(panel, []).append(f"`{record[0].strip()}`\n: {prose(record[1])}")
    for panel, rows in groups.items():
        parts.append(f"**{panel}**\n\n" + "\n\n".join(rows))
    for name, inner in getattr(command, "commands", {}).items():
        parts.append(command_part(f"{title} {name}", inner, level + 1).rstrip())
    return "\n\n".join(parts) + "\n"


def prose(text: str) -> str:
    """Return a help text as Markdown: a `<`, `*` or `[` outside of code stands for itself, `--x` stays two hyphens."""
    lines = []
    for line in text.strip().replace("\b", "").splitlines():
        pieces = re.split(r"(`[^`]*`)", line)
        pieces[::2] = [re.sub(r"(?<![\w`-])(--?[a-z][\w-]*)", r"`\1`", escaped(piece)) for piece in pieces[::2]]
        lines.append("".join(pieces))
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Return text with what Markdown would take for a mark made literal; a `*` that begins a line stays a list."""
    return re.sub(r"(?<!^)([*<\[\]_|])", r"\\\1", text)


# ---- boards ---------------------------------------------------------------------------------------------------------


def boards_page(source: str) -> str:
    """Return the page of boards.toml: what its keys mean, by its head, and each board with all its facts."""
    parts = [
        "# Board facts",
        "All that `boards.toml` says of each board. How to flash, bring up and add one: [boards](../../boards.md).",
    ]
    for name, facts in tomllib.loads(source).items():
        rows = "\n".join(
            f"| `{key}` | {cell(key, value)} |" for key, value in flat(facts) if key not in ("title", "note")
        )
        parts += [f"## `{name}`", f"{facts['title']}: {facts['note']}", f"| key | value |\n| --- | --- |\n{rows}"]
    parts.append("## What the keys mean")
    parts.append("\n\n".join(f"`{key}`\n: {prose(text)}" for key, text in key_meanings(source).items()))
    return "\n\n".join(parts) + "\n"


def key_meanings(source: str) -> dict[str, str]:
    """Return what the comment at the head of boards.toml says of each key."""
    meanings: dict[str, str] = {}
    key = ""
    for line in source.split("\n[", 1)[0].splitlines():
        if found := re.match(r"# ([a-z]\w*(?:, [a-z]\w*)*) {2,}(\S.*)$", line):
            key = found[1]
            meanings[key] = found[2]
        elif key and re.match(r"# {10,}\S", line):
            meanings[key] += " " + line[1:].strip()
        else:
            key = ""
    return meanings


def flat(facts: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each fact by its dotted name."""
    for key, value in facts.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{key}.")
        elif key == "upload":
            yield from ((f"upload: {way['method']}", way["command"]) for way in value)
        else:
            yield above + key, value


def cell(key: str, value: Any) -> str:
    """Return a fact as a cell of a table: an address or a size in hexadecimal, other numbers with thousands apart."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.endswith("_pin"):
        return f"{value}, `{value:#x}`"
    if isinstance(value, int):
        return f"`{value:#x}`" if key.endswith(IN_HEXADECIMAL) else f"{value:,}".replace(",", " ")
    if isinstance(value, list):
        return ", ".join(cell(key, each) for each in value)
    return f"`{value}`"


# ---- Python ---------------------------------------------------------------------------------------------------------


def rooms(root: Path) -> list[Path]:
    """Return the folders of the rooms of a package that the reference shows."""
    return sorted(each.parent for each in root.glob("*/__init__.py") if each.parent.name not in LEFT_OUT)


def room_page(name: str, root: Path, files: Any) -> str:
    """Return the page of a room: every module in it, which autodoc fills."""
    parts = [f"# `{name}`"]
    for file in sorted(files):
        module = ".".join(file.relative_to(root.parent).with_suffix("").parts)
        if module.endswith(".__init__"):
            module = module.removesuffix(".__init__")
            parts.append(f"```{{eval-rst}}\n.. automodule:: {module}\n   :no-members:\n```")
        else:
            parts.append(f"## `{module}`\n\n```{{eval-rst}}\n.. automodule:: {module}\n```")
    return "\n\n".join(parts) + "\n"
