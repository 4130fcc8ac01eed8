# SPDX-License-Identifier: Apache-2.0
"""The files of a firmware project: the sources of an image, their digest, and copies of a project to build in."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from blsh_codegen.project import project_root
from blsh_codegen.source_snapshot import Snapshot

GENERATED: Final = "generated"
"""The folder of `firmware/` that `blsh generate` writes."""

_SOURCE_FOLDERS: Final = ("core", "hal", "app", "boards", "platform")
_TABLE, _ENVIRONMENTS = "boards.toml", "platformio.ini"
_LEFT_OUT: Final = "__pycache__"


def project_sources(root: Path) -> Snapshot:
    """Read the sources of the firmware of the project `root`, without the generated C, as it stands now."""
    return Snapshot.of(root, [root / _ENVIRONMENTS, *_files_of(root, _SOURCE_FOLDERS)])


def firmware_digest(root: Path | None = None) -> str:
    """Return the digest of the firmware's sources, the bench's programs and the boards, 64 hexadecimal digits.

    Figures that were measured with another digest are not of this firmware.
    """
    root = root or project_root()
    benched = Snapshot.of(root, [root / _TABLE, *_files_of(root, ("bench",))])
    return (project_sources(root) | benched).sha256


def copy_project(source: Path, target: Path, generated: bool = False) -> Path:
    """Copy the firmware project `source` to the folder `target`, and return that.

    Nothing that was built is copied, and the generated C only with `generated`. Of what `target` holds, the generated
    C and the builds stay; all other folders in its `firmware/` are replaced.
    """
    for old in (target / "firmware").glob("*"):
        if old.is_dir() and old.name != GENERATED:
            shutil.rmtree(old)
    folders = [path.name for path in (source / "firmware").iterdir() if generated or path.name != GENERATED]
    beside = [path for path in (source / "firmware").iterdir() if path.is_file()]
    files = [source / _TABLE, source / _ENVIRONMENTS, *beside, *_files_of(source, folders)]
    Snapshot.of(source, files).write(target)
    return target


def _files_of(root: Path, folders: Iterable[str]) -> list[Path]:
    paths = [path for folder in folders for path in (root / "firmware" / folder).rglob("*") if path.is_file()]
    return [path for path in paths if _LEFT_OUT not in path.parts]
