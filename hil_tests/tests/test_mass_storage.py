# SPDX-License-Identifier: Apache-2.0
"""Flash by a USB drive: a folder stands for the drive, and a function for what the probe does with it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from blsh_hil.boards import mass_storage
from blsh_hil.boards.mass_storage import copy_image, find_drive
from blsh_trainer.errors import BlshError

LABEL = "NODE_F446RE"


class Clock:
    """A clock that moves when it is slept through. The first sleep comes when the image is on the drive."""

    def __init__(self) -> None:
        self.now = 0.0
        self._plans: list[tuple[float, Callable[[], object]]] = []

    def at(self, moment: float, act: Callable[[], object]) -> None:
        self._plans.append((moment, act))

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        due = [act for moment, act in self._plans if moment <= self.now]
        self._plans = [(moment, act) for moment, act in self._plans if moment > self.now]
        for act in due:
            act()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(mass_storage, "time", stopped)
    return stopped


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that stands for a mounted drive."""
    monkeypatch.setenv("BLSH_DRIVES", str(tmp_path / "media"))
    folder = tmp_path / "media" / LABEL
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "firmware.bin"
    path.write_bytes(bytes(range(256)) * 64)
    return path


def test_image_lands_on_the_drive(drive: Path, image: Path, clock: Clock) -> None:
    (drive / "FAIL.TXT").write_text("of yesterday")
    assert find_drive(LABEL) == drive
    copy_image(image, drive)
    assert (drive / "firmware.bin").read_bytes() == image.read_bytes()


def test_probe_that_complains_is_heard(drive: Path, image: Path, clock: Clock) -> None:
    clock.at(0.5, lambda: (drive / "FAIL.TXT").write_text("The application file\r\nis too large\r\n"))
    with pytest.raises(BlshError, match=r"the probe refuses firmware.bin: The application file is too large"):
        copy_image(image, drive)


def test_drive_that_comes_back_is_waited_for(drive: Path, image: Path, clock: Clock) -> None:
    """Let the drive go away and come back, as drives do once the part was programmed."""
    clock.at(0.5, lambda: drive.rename(drive.with_name("away")))
    clock.at(15, lambda: drive.with_name("away").rename(drive))
    copy_image(image, drive)
    assert clock.now >= 15
    assert (drive / "firmware.bin").read_bytes() == image.read_bytes()


def test_drive_that_is_unplugged_is_missed(drive: Path, image: Path, clock: Clock) -> None:
    clock.at(0.5, lambda: drive.rename(drive.with_name("away")))
    with pytest.raises(BlshError, match=r"went away and did not come back within 15 s; was the board unplugged\?"):
        copy_image(image, drive)


def test_drive_that_takes_nothing_is_an_error(drive: Path, image: Path) -> None:
    (drive / "firmware.bin").mkdir()
    with pytest.raises(BlshError, match=r"cannot copy .*firmware.bin to .*was the board unplugged\?"):
        copy_image(image, drive)


def test_no_drive_or_two_are_refused(drive: Path) -> None:
    with pytest.raises(BlshError, match=r"no drive MICROBIT in .*; plug the board in"):
        find_drive("MICROBIT")
    drive.with_name(f"{LABEL}1").mkdir()
    with pytest.raises(BlshError, match=r"2 drives NODE_F446RE: .*; leave one plugged in"):
        find_drive(LABEL)


def test_as_a_command(drive: Path, image: Path) -> None:
    def run(*arguments: object) -> tuple[int, str]:
        command = [sys.executable, "-m", "blsh_hil.boards.mass_storage", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    assert run(LABEL, image) == (0, f"copying firmware.bin to {drive}\n")
    code, said = run(LABEL, image.with_name("none.bin"))
    assert code == 2 and said.startswith("error: ") and "does not exist; build it first: blsh build" in said
    assert run(LABEL)[0] == 2
