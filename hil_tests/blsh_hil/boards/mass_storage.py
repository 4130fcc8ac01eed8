# SPDX-License-Identifier: Apache-2.0
"""Flash a board whose probe appears as a USB drive: copy the image there, and check that the probe took it.

python -m blsh_hil.boards.mass_storage NODE_F446RE firmware.bin
"""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Final

from blsh_hil.ending import exit_code
from blsh_trainer.errors import BlshError

FOLDERS: Final = ("/media/{user}", "/run/media/{user}", "/media", "/Volumes")
"""The folders in which systems mount drives by their labels."""

_REPORT: Final = "FAIL.TXT"
"""The file that ST-LINK and DAPLink leave on the drive when they could not use a file."""

_SETTLE_S: Final = 1.0
_RETURN_S: Final = 15.0


def find_drive(label: str) -> Path:
    """Return the folder of the mounted drive called `label`. Raises BlshError if there is none, or more than one."""
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or ""
    named = os.environ.get("BLSH_DRIVES")
    folders = [Path(named)] if named else list(dict.fromkeys(Path(folder.format(user=user)) for folder in FOLDERS))
    found = {path.resolve() for folder in folders for path in (folder / label, folder / f"{label}1") if path.is_dir()}
    if len(found) == 1:
        return found.pop()
    places = ", ".join(map(str, folders))
    if not found:
        raise BlshError(
            f"no drive {label} in {places}; plug the board in and let it be mounted (BLSH_DRIVES names another folder)"
        )
    raise BlshError(f"{len(found)} drives {label}: {', '.join(sorted(map(str, found)))}; leave one plugged in")


def copy_image(image: Path, drive: Path) -> None:
    """Copy `image`, wait until it has been written, and check that the probe does not complain.

    Raises BlshError if the probe complains, or if the drive goes away and does not come back.
    """
    (drive / _REPORT).unlink(missing_ok=True)
    target = drive / image.name
    try:
        shutil.copyfile(image, target)
        _write_through(target)
    except OSError as error:
        raise BlshError(
            f"cannot copy {image} to {drive}: {error.strerror or error}; was the board unplugged?"
        ) from error
    time.sleep(_SETTLE_S)  # the probe programs the part, and then shows a new drive
    deadline = time.monotonic() + _RETURN_S
    while not drive.is_dir():
        if time.monotonic() > deadline:
            raise BlshError(f"{drive} went away and did not come back within {_RETURN_S:g} s; was the board unplugged?")
        time.sleep(0.1)
    report = drive / _REPORT
    if report.is_file():
        said = " ".join(report.read_text(errors="replace").split())
        raise BlshError(f"the probe refuses {image.name}: {said}; build it for this board")


def _write_through(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def main() -> None:
    """Copy the image (second argument) to the drive with a label (first argument)."""
    if len(sys.argv) != 3:
        raise BlshError(
            f"{len(sys.argv) - 1} arguments; expected two: python -m blsh_hil.boards.mass_storage LABEL IMAGE"
        )
    label, image = sys.argv[1], Path(sys.argv[2])
    if not image.is_file():
        raise BlshError(f"{image} does not exist; build it first: blsh build")
    drive = find_drive(label)
    print(f"copying {image.name} to {drive}")
    copy_image(image, drive)


if __name__ == "__main__":
    sys.exit(exit_code(main))
