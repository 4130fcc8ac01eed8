# SPDX-License-Identifier: Apache-2.0
"""Find the project's own files: boards.toml and firmware/, in a checkout or in the copy that the package carries.

A project is a folder with boards.toml, platformio.ini and firmware/. `project_data` finds one to read from.
`project_root` finds one to generate and build in, and makes it where there is none.
"""

import os
import sys
from functools import cache
from pathlib import Path
from typing import Final

from blsh_codegen.source_snapshot import Snapshot
from blsh_trainer.errors import BlshError
from blsh_trainer.replacing_folder import replacing_folder

VARIABLE: Final = "BLSH_PROJECT"
MADE_FOLDER: Final = Path("blsh-project")
"""The project that an installed package makes, in the folder that the user works in."""

_CARRIED: Final = Path(__file__).with_name("project_data")
_STAMP: Final = ".made-from"


def project_root() -> Path:
    """Return the project to generate and build in.

    It is $BLSH_PROJECT, else the checkout that this package runs from, else ./blsh-project. The last one is made if it
    is missing, from the files that an installed package carries. BlshError if the variable names no project, or
    ./blsh-project was made by another version.
    """
    return _existing() or _made(_free_place())


def project_place() -> Path:
    """Return the folder of `project_root`, or where that would be made; make nothing. BlshError as there."""
    return _existing() or _free_place()


def project_data() -> Path:
    """Return a project to read from: that of `project_root` where it exists, else the package's own files."""
    return _existing() or _carried()


def core_folder() -> Path:
    """Return the folder of the C core's sources."""
    return project_data() / "firmware" / "core"


def core_sources() -> list[Path]:
    """Return the core's headers and C files, those in arch/ included, ascending."""
    return sorted(core_folder().rglob("*.[ch]"))


def stand_ins() -> Path:
    """Return the folder of a host's stand-ins for <arm_acle.h> and <arm_mve.h>."""
    return core_folder().parent / "host" / "arm"


def _existing() -> Path | None:
    """Return the project that $BLSH_PROJECT names, that holds this package, or that was made; None without any."""
    named = os.environ.get(VARIABLE)
    if named:
        root = Path(named).resolve()
        if not _is_project(root):
            raise BlshError(f"{VARIABLE} is {named}, which holds no boards.toml and firmware/; correct or unset it")
        return root
    checkout = next((folder for folder in Path(__file__).resolve().parents if _is_project(folder)), None)
    place = MADE_FOLDER.resolve()
    return checkout or (_of_this_version(place) if _is_project(place) else None)


def _free_place() -> Path:
    place = MADE_FOLDER.resolve()
    if place.exists():
        raise BlshError(f"{place} is no project (no boards.toml and firmware/ in it); move it away or set {VARIABLE}")
    return place


def _made(place: Path) -> Path:
    """Make a project at `place` from the files that the package carries, and return `place`."""
    carried = _carried_files()
    with replacing_folder(place) as building:
        carried.write(building)
        (building / _STAMP).write_text(carried.sha256, encoding="ascii")
    print(f"Made {place}: the firmware's sources, which blsh generates and builds in.", file=sys.stderr)
    return place


def _is_project(folder: Path) -> bool:
    return (folder / "boards.toml").is_file() and (folder / "firmware").is_dir()


def _carried() -> Path:
    if not _is_project(_CARRIED):
        raise BlshError(
            f"{_CARRIED.parent} is in no checkout of blsh-mcu and carries no firmware; "
            "install the package again, or clone the project and run `make setup` there"
        )
    return _CARRIED


@cache
def _carried_files() -> Snapshot:
    """Return the files that the package carries, read once: every look-up of a project asks for them."""
    carried = _carried()
    files = (path for path in carried.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return Snapshot.of(carried, files)


def _of_this_version(place: Path) -> Path:
    """Return `place`; BlshError unless its stamp says that this version of the package made it."""
    try:
        made_from = (place / _STAMP).read_text(encoding="ascii")
    except (OSError, ValueError):
        made_from = ""
    if made_from != _carried_files().sha256:
        raise BlshError(
            f"{place} was made by another version of blsh-mcu; move it away for a new one, or set {VARIABLE}={place} "
            "to go on with it"
        )
    return place
