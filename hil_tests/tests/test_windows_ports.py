# SPDX-License-Identifier: Apache-2.0
"""Ports as Windows names them: COM3 is a port like /dev/ttyACM0."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import serial

from blsh_hil.boards.fake import FakeBoard, good_board
from blsh_hil.link import child_process
from blsh_hil.link.board_errors import BusyError, PortError
from blsh_hil.link.board_lock import Lock, port_key
from blsh_hil.link.client import BoardClient
from blsh_hil.link.port import check_url, is_line
from blsh_trainer.errors import BlshError


@pytest.fixture
def com3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeBoard]:
    """Return a board behind the only port of this machine, COM3, whose lock no other test's process sees."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    board = FakeBoard(good_board)
    usual = serial.serial_for_url

    def on_windows(url: str, **options: Any) -> Any:
        if url.upper() not in ("COM3", r"\\.\COM3"):
            raise serial.SerialException(f"could not open port {url!r}: FileNotFoundError(2, 'not found', None, 2)")
        assert options.pop("exclusive") is True, "Windows knows no shared ports"
        return usual(board.url, **options)

    monkeypatch.setattr(serial, "serial_for_url", on_windows)
    with closing(board):
        yield board


@pytest.mark.parametrize("name", ["COM3", "com3", r"\\.\COM3"])
@pytest.mark.usefixtures("com3")
def test_a_board_answers_on_com3(name: str) -> None:
    with BoardClient.open(name) as client:
        assert client.hello().protocol_version
        with pytest.raises(BusyError, match=r"COM3 is in use by .*this very program"), Lock(port_key("COM3") or ""):
            pass


@pytest.mark.usefixtures("com3")
def test_a_missing_port_is_told() -> None:
    with pytest.raises(PortError, match=r"cannot open COM12: .*; expected /dev/tty..., COM3, a pty"):
        BoardClient.open("COM12")


def test_a_file_of_that_name_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "COM3").touch()
    check_url("COM3")
    with pytest.raises(PortError, match="it is a file"):
        (tmp_path / "COMMON").touch()
        check_url("COMMON")


def test_one_port_has_one_lock() -> None:
    assert {port_key(name) for name in ("COM3", "com3", r"\\.\COM3", r"\\?\COM3")} == {"port COM3"}
    assert port_key("COM30") != port_key("COM3")


def test_lines_are_told_from_other_ports() -> None:
    assert all(map(is_line, ("/dev/ttyACM0", "/dev/cu.usbmodem14101", "/dev/tty.usbserial-1", "COM3", r"\\.\COM12")))
    assert not any(map(is_line, ("/dev/pts/3", "socket://127.0.0.1:1", "COMMON", "loop://")))


def test_boards_that_are_processes_say_where_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process.sys, "platform", "win32")
    with pytest.raises(BlshError, match=r"^the board host runs on Linux and macOS; on Windows use WSL, .*--port COM3$"):
        child_process.require_posix("the board host")
    monkeypatch.setattr(child_process.sys, "platform", "darwin")
    child_process.require_posix("the board host")
    assert child_process.die_with_parent() is None, "macOS has no prctl"
