# SPDX-License-Identifier: Apache-2.0
"""The examples with real sound, as an exported library carries them: complete programs that build from its folder."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from blsh_codegen.project import project_data
from blsh_trainer.errors import BlshError
from blsh_trainer.suggestions import unknown

RATE_HZ: Final = 16_000
"""The rate of the converters of all examples."""

_COMMON: Final = "audio"
_BUILT: Final = {"build", "managed_components", "__pycache__"}
_VARIABLE: Final = re.compile(r"^(BOARD|CLOCK) := (\S+)$", re.MULTILINE)
_LINK_OUT: Final = re.compile(r"\[[^\]]+\]\((?:\.\./)+docs/([\w-]+\.md)[^)]*\)")
_COMMANDS: Final = "```sh\n"
_OF_A_CHECKOUT: Final = (  # what a page says of a checkout, and what it says in an export, read in the example's folder
    (re.compile(r"^ *<!--.*-->\n", re.MULTILINE), ""),
    (re.compile(r"^(?:blsh export|cd examples/).*\n", re.MULTILINE), ""),
    (re.compile(r"make -C examples/\S+"), "make"),
    (re.compile(r"^BLSH=~/lib/blsh | BLSH=~/lib/blsh\b", re.MULTILINE), ""),
    (re.compile(r"(?<=[ `])examples/[\w-]+/out"), "out"),
    (re.compile(r"(`hil_tests/[\w/]+\.py`)"), r"\1 of blsh-mcu"),
)


def sound_examples() -> list[str]:
    """Return the names of the examples, ascending. BlshError where the project has none."""
    folder = _folder()
    names = sorted(each.name for each in folder.iterdir() if (each / "README.md").is_file())
    if not names:
        raise BlshError(f"{folder} holds no examples; install the package again, or name a whole checkout")
    return names


def sound_example_files(names: Sequence[str]) -> dict[str, bytes]:
    """Return the files of examples and what they share, by path in an export; none for no names.

    Beside examples/ that is the little of firmware/ which their Makefiles name. Raises BlshError for an unknown name.
    """
    if not names:
        return {}
    known = sound_examples()
    for name in names:
        if name not in known:
            raise BlshError(f"--example {name} {unknown(name, known)}")
    root = _folder().parent
    files = {file for name in [*names, _COMMON] for file in _sources(root / "examples" / name)}
    for name in names:
        files |= _of_firmware(root, root / "examples" / name / "Makefile")
    return {file.relative_to(root).as_posix(): _content(file) for file in sorted(files)}


def _folder() -> Path:
    folder = project_data() / "examples"
    if not folder.is_dir():
        raise BlshError(f"{folder.parent} has no examples/; install the package again, or name a whole checkout")
    return folder


def _sources(folder: Path) -> set[Path]:
    """Return the files of an example, without what was built in it."""
    return {
        file
        for file in folder.rglob("*")
        if file.is_file() and not any(_is_built(part) for part in file.relative_to(folder).parts[:-1])
    }


def _is_built(folder: str) -> bool:
    return folder in _BUILT or folder == "out" or folder.startswith("out-")


def _of_firmware(root: Path, makefile: Path) -> set[Path]:
    """Return the files of firmware/ that a Makefile of the examples builds with."""
    named = dict(_VARIABLE.findall(makefile.read_text(encoding="utf-8"))) if makefile.is_file() else {}
    if not named:
        return set()
    firmware = root / "firmware"
    return {
        firmware / "hal" / named["CLOCK"],
        *(firmware / "hal" / header for header in ("dwt.h", "hal.h", "hal_port.h")),
        firmware / "boards" / "cortexm.ld",
        firmware / "boards" / named["BOARD"] / "board.h",
    }


def _content(file: Path) -> bytes:
    """Return a file; a page names the documents that an export lacks without a link, and its commands as called there.

    In a checkout the commands name an export and run from the checkout's folder; in an export they need neither.
    """
    content = file.read_bytes()
    if file.suffix != ".md":
        return content
    text = _LINK_OUT.sub(r"docs/\1 of blsh-mcu", content.decode())
    for there, here in _OF_A_CHECKOUT:
        text = there.sub(here, text)
    return text.replace(_COMMANDS, f"In this folder, which builds with the library around it:\n{_COMMANDS}", 1).encode()
