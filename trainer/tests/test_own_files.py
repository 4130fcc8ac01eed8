# SPDX-License-Identifier: Apache-2.0
"""Files that are read whole again: what lies in the place of one is not waited for, and fills no memory."""

import os
from pathlib import Path

import pytest

from blsh_trainer.own_files import MOST_BYTES, read_own


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"ours")
    assert read_own(tmp_path / "file") == b"ours"


def test_a_pipe_a_folder_a_device_and_30_gb_are_not(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 30 << 30)
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match="it is no regular file"):
            read_own(path)
    with pytest.raises(OSError, match="its 32,212,254,720 bytes are more than we ever write"):
        read_own(tmp_path / "large")
    assert MOST_BYTES < 30 << 30
    with pytest.raises(FileNotFoundError):
        read_own(tmp_path / "none")
