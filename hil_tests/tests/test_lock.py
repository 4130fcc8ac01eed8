# SPDX-License-Identifier: Apache-2.0
"""Check that a board has one program: the second learns who holds it, and a killed holder locks no one out."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
import tty
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from blsh_codegen.project import project_root
from blsh_hil.boards import attached as attached_module
from blsh_hil.boards.attached import attached, ports_of
from blsh_hil.boards.table import load_boards
from blsh_hil.link.board_errors import BusyError, PortError
from blsh_hil.link.board_lock import (
    EMULATOR,
    SCRIPTS,
    STARTED_AS,
    Lock,
    entries,
    openers,
    port_key,
    running_command,
    runtime_folder,
    sweep,
)
from blsh_hil.link.port import Port
from blsh_trainer.errors import BlshError

from .other_program import HELD, other_program

pytestmark = pytest.mark.heavy

HOLD = f"""
import sys
from blsh_hil.link.board_lock import Lock
with Lock(sys.argv[1], board="a-board", url="socket://somewhere"):
    {HELD}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a folder of locks of its own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "blsh"


def another_holder(key: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return other_program(HOLD, key)


def open_port(url: str) -> Port:
    return Port(url, baud=115200)


@contextmanager
def terminal() -> Iterator[str]:
    """Yield the name of a pseudo-terminal whose other end stays open."""
    other, user = os.openpty()
    tty.setraw(user)
    try:
        yield os.ttyname(user)
    finally:
        os.close(other)
        os.close(user)


def test_a_lock_held_by_another_process_names_it() -> None:
    with another_holder("probe 1") as process:
        expected = rf"probe 1 is in use by `python -c probe 1` \(pid {process.pid}, since 20.*`blsh boards` lists all"
        with pytest.raises(BusyError, match=expected), Lock("probe 1"):
            pass
        with Lock("probe 2"):  # another one is free
            pass


@pytest.mark.parametrize(
    ("module", "script", "expected"),
    [
        (None, "/somewhere/.venv/bin/blsh", "blsh denoise --port COM3"),
        ("blsh_tools.cli", "/somewhere/blsh_tools/cli.py", "blsh denoise --port COM3"),
        ("pytest.__main__", "/somewhere/pytest/__main__.py", "python -m pytest denoise --port COM3"),
        (None, "tools/mine.py", "mine.py denoise --port COM3"),
        ("__main__", "a-folder", "a-folder denoise --port COM3"),
        (None, "-c", "python -c denoise --port COM3"),
    ],
)
def test_a_holder_is_named_as_its_user_started_it(
    module: str | None, script: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = ModuleType("__main__")
    main.__spec__ = None if module is None else ModuleSpec(module, None)
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", [script, "denoise", "--port", "COM3"])
    assert running_command() == expected
    monkeypatch.setenv(STARTED_AS, "blsh hil --port COM3")
    assert running_command() == "blsh hil --port COM3"


def test_the_scripts_are_those_of_the_package() -> None:
    scripts = tomllib.loads((project_root() / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert {name: f"{module}:main" for module, name in SCRIPTS.items()} == scripts


def test_a_lock_given_back_is_free_and_leaves_nothing(folder: Path) -> None:
    for _ in range(3):
        with Lock("probe 1"):
            assert [entry.stale for entry in entries()] == [False]
    assert list(folder.iterdir()) == []


def test_a_lock_of_a_killed_process_is_stale_and_taken_over() -> None:
    with another_holder("probe 1") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        (left,) = entries()
        assert left.stale
        assert (left.holder.pid, left.holder.board) == (process.pid, "a-board")
        with Lock("probe 1"):
            (ours,) = entries()
            assert not ours.stale
            assert ours.holder.pid == os.getpid()
    assert entries() == []


def test_only_stale_locks_of_what_cannot_come_again_are_swept() -> None:
    for key in (f"{EMULATOR}1", "port /dev/ttyACM0", "port socket://127.0.0.1:1"):
        with another_holder(key):
            pass
    with another_holder(f"{EMULATOR}2"):
        sweep()
        assert {(entry.holder.key, entry.stale) for entry in entries()} == {
            ("port /dev/ttyACM0", True),
            (f"{EMULATOR}2", False),
        }


def test_of_many_that_want_a_lock_at_once_one_has_it_at_a_time() -> None:
    inside, most, lost = 0, 0, 0

    def take() -> None:
        nonlocal inside, most, lost
        for _ in range(20):
            try:
                with Lock("probe 1"):
                    inside += 1
                    most = max(most, inside)
                    time.sleep(0.001)
                    inside -= 1
            except BusyError:
                lost += 1

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert lost < 80
    assert entries() == []


def test_looking_at_a_lock_keeps_nobody_from_taking_it() -> None:
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            entries()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(200):
            with Lock("probe 1"):
                pass
    finally:
        stop.set()
        thread.join()


def test_damaged_lock_file_is_no_obstacle(folder: Path) -> None:
    runtime_folder()
    (folder / "probe_1.lock").write_text("{")
    assert entries() == []
    with Lock("probe 1"):
        assert len(entries()) == 1


def test_folder_of_somebody_else_is_refused(folder: Path) -> None:
    folder.symlink_to("/usr")
    with pytest.raises(BlshError, match="is not a folder of yours; remove it"):
        runtime_folder()


def test_locks_that_cannot_be_written_say_where_they_may_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime_folder()
    (folder / "probe_1.lock").mkdir()
    with pytest.raises(BlshError, match=r"cannot lock probe 1: .*: Is a directory; make it writable, or set XDG_RUNT"):
        Lock("probe 1").__enter__()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(BlshError, match=r"cannot make .*/blsh, .*: Read-only file system; set XDG_RUNTIME_DIR to a fo"):
        runtime_folder()


def test_every_name_of_a_port_is_one_lock(tmp_path: Path) -> None:
    link = tmp_path / "by-id"
    link.symlink_to("/dev/null")
    assert port_key(str(link)) == port_key("/dev/null") == "port /dev/null"
    assert port_key("socket://localhost:7000") == port_key("socket://127.0.0.1:7000/") == "port socket://127.0.0.1:7000"
    assert port_key("loop://") is None


def test_second_program_is_kept_from_a_port() -> None:
    with terminal() as url:
        key = port_key(url)
        assert key is not None
        with another_holder(key) as process:
            with pytest.raises(BusyError, match=rf"^{url} is in use by .*pid {process.pid}"):
                open_port(url)
            process.kill()
            process.wait()
            open_port(url).close()


def test_second_opening_in_one_program_is_refused_too() -> None:
    with terminal() as url, open_port(url):
        with pytest.raises(BusyError, match="this very program"):
            open_port(url)
        assert [entry.holder.url for entry in entries()] == [url]
    assert entries() == []


def test_port_that_does_not_open_is_not_kept() -> None:
    with pytest.raises(PortError):
        open_port("/dev/no-such-port")
    assert entries() == []


@pytest.mark.parametrize(
    ("arguments", "name"),
    [pytest.param(["cat", "-"], "cat -", id="by its command"), pytest.param([""], "cat", id="by its program")],
)
def test_program_that_does_not_ask_us_is_named_too(arguments: list[str], name: str) -> None:
    with (
        terminal() as url,
        Path(url).open("rb") as stream,
        subprocess.Popen(
            arguments, executable="cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"begun\n")  # before the kernel has set its arguments, it is not yet what it will be
        process.stdin.flush()
        assert process.stdout.readline() == b"begun\n"
        assert (process.pid, name) in openers(Path(url))


FOREIGN = f"""
import sys, serial
port = serial.Serial(sys.argv[1], exclusive=True)
{HELD}
"""


def test_port_that_another_kind_of_program_keeps_is_refused_with_its_name() -> None:
    with terminal() as url, other_program(FOREIGN, url) as process:
        with pytest.raises(PortError, match=rf"cannot open {url}: .*lock.*\(pid {process.pid}\) has it open; "):
            open_port(url)
        assert entries() == []


# ---- the list -----------------------------------------------------------------------------------------------


class FakePort:
    """A port as pyserial lists it."""

    def __init__(self, device: str, usb: tuple[int, int] | None, serial_number: str | None) -> None:
        self.device, self.serial_number = device, serial_number
        self.vid, self.pid = usb or (None, None)
        self.product, self.description = None, "n/a"


@pytest.fixture
def usb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend that four devices are attached: two ST-LINKs, one of them with a port, a mouse, and a plain port."""
    devices: dict[str, tuple[str, ...]] = {
        "1-1": ("0483", "374b", "066A", "STM32 STLink"),
        "1-2": ("0483", "3748", "55FF", "STM32 STLink"),
        "1-3": ("046d", "c077", "", "Mouse"),
    }
    root = tmp_path / "devices"
    for name, values in devices.items():
        (root / name).mkdir(parents=True)
        for file, value in zip(("idVendor", "idProduct", "serial", "product"), values, strict=True):
            (root / name / file).write_text(value + "\n")
    ports: list[Any] = [FakePort("/dev/ttyACM0", (0x0483, 0x374B), "066A"), FakePort("/dev/ttyS0", None, None)]
    monkeypatch.setattr(attached_module, "comports", lambda: ports)
    return root


def test_ports_and_probes_are_listed_with_the_boards_they_may_be(usb: Path) -> None:
    port, plain, probe = attached(load_boards(), usb)
    assert (port.kind, port.port, port.usb, port.serial) == ("port", "/dev/ttyACM0", "0483:374b", "066A")
    assert {"nucleo_f446re", "nucleo_f411re"} <= set(port.boards)
    assert (plain.port, plain.boards, plain.held_by) == ("/dev/ttyS0", (), "")
    assert (probe.kind, probe.boards, probe.serial) == ("probe", ("disco_f407vg",), "55FF")


def test_the_list_says_who_holds_what(usb: Path) -> None:
    with another_holder("port /dev/ttyACM0") as first, another_holder("probe 55FF") as second:
        first.kill()
        first.wait()
        with another_holder(f"{EMULATOR}1") as third:
            port, _, probe, virtual = attached(load_boards(), usb)
            assert port.stale and f"pid {first.pid}" in port.held_by
            assert not probe.stale and f"pid {second.pid}" in probe.held_by
            assert (virtual.kind, virtual.boards, virtual.port) == ("virtual", ("a-board",), "socket://somewhere")
            assert not virtual.stale and f"pid {third.pid}" in virtual.held_by


def test_ports_of_a_board_are_found_by_its_usb_ids(usb: Path) -> None:
    boards = load_boards()
    assert ports_of(boards["nucleo_f446re"]) == ["/dev/ttyACM0"]
    assert ports_of(boards["nucleo_f446re"], "066a") == ["/dev/ttyACM0"]
    assert ports_of(boards["nucleo_f446re"], "other") == ports_of(boards["nrf52840_dk"]) == []
