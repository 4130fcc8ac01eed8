"""Firmware projects of the tests' own: copies of the checkout's, generated and built or not."""

import shutil
from pathlib import Path

BOARD = "mps2-an386"
"""The board that projects are built for unless a test says otherwise."""


def copy_project(source: Path, target: Path, generated: bool = False) -> Path:
    """A firmware project like `source`; without what was generated and built, unless `generated`."""
    left_out = ("__pycache__",) if generated else ("__pycache__", "generated")
    target.mkdir(exist_ok=True)
    shutil.copytree(source / "firmware", target / "firmware", ignore=shutil.ignore_patterns(*left_out))
    for name in ("boards.toml", "platformio.ini"):
        shutil.copy(source / name, target / name)
    return target


def copy_built(source: Path, target: Path) -> Path:
    """A project like `source`, its image included."""
    copy_project(source, target, generated=True)
    folder = Path(".pio") / "build" / BOARD
    (target / folder).mkdir(parents=True)
    for name in ("firmware.elf", "firmware.bin", "blsh_build.json"):
        shutil.copy(source / folder / name, target / folder / name)
    return target
