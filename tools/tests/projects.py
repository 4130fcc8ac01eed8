# SPDX-License-Identifier: Apache-2.0
"""Copy firmware projects that are built."""

import shutil
from pathlib import Path

from blsh_firmware.build.project_files import copy_project

BOARD = "mps2-an386"
"""The board that projects are built for unless a test says otherwise."""


def copy_built(source: Path, target: Path) -> Path:
    """Copy the project `source` with its image, and return its folder."""
    copy_project(source, target, generated=True)
    folder = Path(".pio") / "build" / BOARD
    (target / folder).mkdir(parents=True)
    for name in ("firmware.elf", "firmware.bin", "blsh_build.json"):
        shutil.copy(source / folder / name, target / folder / name)
    return target
