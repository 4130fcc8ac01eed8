"""Flashing by a USB drive: a folder stands for the drive, and a thread for the probe behind it."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blsh_hil import mass_storage
from blsh_hil.mass_storage import copy_image, find_drive
from blsh_trainer.errors import BlshError

LABEL = "NODE_F446RE"


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mounted drive."""
    monkeypatch.setenv("BLSH_DRIVES", str(tmp_path / "media"))
    monkeypatch.setattr(mass_storage, "_RETURN_S", 1.0)
    folder = tmp_path / "media" / LABEL
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "firmware.bin"
    path.write_bytes(bytes(range(256)) * 64)
    return path


def when_copied(drive: Path, act: Callable[[], object]) -> threading.Thread:
    """The probe: once the image is on the drive, it does something."""

    def watch() -> None:
        deadline = time.monotonic() + 20
        while not (drive / "firmware.bin").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_image_lands_on_the_drive(drive: Path, image: Path) -> None:
    (drive / "FAIL.TXT").write_text("of yesterday")
    assert find_drive(LABEL) == drive
    copy_image(image, drive)
    assert (drive / "firmware.bin").read_bytes() == image.read_bytes()


def test_probe_that_complains_is_heard(drive: Path, image: Path) -> None:
    probe = when_copied(drive, lambda: (drive / "FAIL.TXT").write_text("The application file\r\nis too large\r\n"))
    with pytest.raises(BlshError, match=r"the probe refuses firmware.bin: The application file is too large"):
        copy_image(image, drive)
    probe.join()


def test_drive_that_comes_back_is_waited_for(drive: Path, image: Path) -> None:
    """As they do once the part was programmed."""

    def remount() -> None:
        drive.rename(drive.with_name("away"))
        time.sleep(1.5)
        drive.with_name("away").rename(drive)

    probe = when_copied(drive, remount)
    copy_image(image, drive)
    probe.join()


def test_drive_that_is_unplugged_is_missed(drive: Path, image: Path) -> None:
    probe = when_copied(drive, lambda: drive.rename(drive.with_name("away")))
    with pytest.raises(BlshError, match=r"went away and did not come back .*was the board unplugged\?"):
        copy_image(image, drive)
    probe.join()


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
        command = [sys.executable, "-m", "blsh_hil.mass_storage", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    assert run(LABEL, image) == (0, f"copying firmware.bin to {drive}\n")
    code, said = run(LABEL, image.with_name("none.bin"))
    assert code == 2 and said.startswith("error: ") and "does not exist; build it first: blsh build" in said
    assert run(LABEL)[0] == 2
