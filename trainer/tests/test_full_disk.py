# SPDX-License-Identifier: Apache-2.0
"""A full disk is told with the path that the user gave, the space that is left, and the remedy."""

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.files import UnwritableError, full_temporary, replacing, written_for
from blsh_trainer.replacing_folder import replacing_folder


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(autouse=True)
def small_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=4096))


EXPECTED = (
    "cannot write {place}: No space left on device; free some space or choose another place "
    "(4,096 bytes are free there)"
)


def test_a_file_within_a_new_folder_is_told_as_the_folder(tmp_path: Path) -> None:
    with (
        pytest.raises(UnwritableError) as refused,
        replacing_folder(tmp_path / "corpus") as building,
        replacing(building / "speech" / "0.flac"),
    ):
        raise full()
    assert str(refused.value) == EXPECTED.format(place=tmp_path / "corpus")
    assert list(tmp_path.iterdir()) == []


def test_a_file_elsewhere_keeps_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(UnwritableError) as refused, replacing_folder(tmp_path / "corpus"):
        raise UnwritableError(tmp_path / "other", full())
    assert str(refused.value) == EXPECTED.format(place=tmp_path / "other")
    with pytest.raises(BlshError, match="bad input"), written_for(tmp_path, tmp_path):
        raise BlshError("bad input")


def test_other_faults_and_devices_tell_no_free_space(tmp_path: Path) -> None:
    denied = PermissionError(errno.EACCES, "Permission denied")
    assert str(UnwritableError(tmp_path, denied)).endswith("Permission denied; choose a writable folder")
    assert "bytes are free" not in str(UnwritableError("/dev/full", full()))


def test_the_folder_for_temporary_files_is_told_with_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert str(full_temporary("build microbit", full())) == (
        f"cannot build microbit: the folder for temporary files, {tmp_path}: No space left on device "
        "(4,096 bytes are free there); free some space there, or set TMPDIR to a roomy folder"
    )


def test_the_space_that_is_told_is_free_without_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def left(place: Path) -> SimpleNamespace:
        return SimpleNamespace(free=4096 if not list(Path(place).iterdir()) else 0)

    monkeypatch.setattr(shutil, "disk_usage", left)
    with pytest.raises(UnwritableError) as refused, replacing(tmp_path / "a.wav"):
        raise full()
    assert str(refused.value) == EXPECTED.format(place=tmp_path / "a.wav")
