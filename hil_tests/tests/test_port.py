# SPDX-License-Identifier: Apache-2.0
"""Check the port under the link: a reader stops when the line ends, a writer without a reader."""

import os
import socket
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from blsh_hil.link.board_errors import BusyError, ConnectionClosedError, DamagedError, PortError
from blsh_hil.link.board_lock import Lock, port_key
from blsh_hil.link.fault_injector import FaultInjector, Faults
from blsh_hil.link.port import Port, require_there

FAR = 3600.0  # seconds: a test that waits so long hangs


class Counted:
    """Count the reads of pyserial's port."""

    def __init__(self) -> None:
        self.reads = 0

    def wrap(self, line: Any) -> Any:
        read = line.read

        def counted(size: int = 1) -> bytes:
            self.reads += 1
            data: bytes = read(size)
            return data

        line.read = counted
        return line


@contextmanager
def ended(kind: str, counted: Counted) -> Iterator[Port]:
    """Yield a port whose other end has said "last" and gone."""
    if kind == "pty":
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        port = Port(os.ttyname(theirs), baud=115200, wrap=counted.wrap)
        os.write(ours, b"last")
        os.close(theirs)
        assert port.read(time.monotonic() + 10) == b"last"
        os.close(ours)
    else:
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"socket://127.0.0.1:{server.getsockname()[1]}"
            faulty = FaultInjector(1, Faults(), Faults()) if kind == "faulty" else None
            port = Port(url, baud=115200, wrap=lambda line: _both(counted, faulty, line))
            with server.accept()[0] as connection:
                connection.sendall(b"last")
        assert port.read(time.monotonic() + 10) == b"last"
    with port:
        yield port


def _both(counted: Counted, faulty: FaultInjector | None, line: Any) -> Any:
    line = counted.wrap(line)
    return line if faulty is None else faulty.wrap(line)


@pytest.mark.parametrize("kind", ["socket", "pty", "faulty"])
def test_reader_ends_with_the_line(kind: str) -> None:
    counted = Counted()
    with ended(kind, counted) as port:
        for _ in range(3):  # and it stays so
            with pytest.raises(ConnectionClosedError, match="the connection was closed"):
                port.read(time.monotonic() + FAR)
    assert counted.reads < 100


@pytest.mark.parametrize("kind", ["socket", "pty", "faulty"])
def test_writer_ends_with_the_line(kind: str) -> None:
    with ended(kind, Counted()) as port, pytest.raises(ConnectionClosedError):
        for _ in range(1000):
            port.write(bytes(10_000), time.monotonic() + FAR)


def test_writer_gives_up_where_nobody_reads() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Port(f"socket://127.0.0.1:{server.getsockname()[1]}", baud=115200) as port,
        server.accept()[0],
        pytest.raises(DamagedError, match="were not taken in time; the board does not read"),
    ):
        port.write(bytes(50_000_000), time.monotonic() + 0.2)


def test_closed_port_opens_again_where_somebody_listens_and_not_elsewhere() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = Port(f"socket://127.0.0.1:{server.getsockname()[1]}", baud=115200)
        server.accept()[0].close()
        with pytest.raises(ConnectionClosedError):
            port.read(time.monotonic() + FAR)
        port.reopen(time.monotonic() + FAR)
        with server.accept()[0] as connection:
            connection.sendall(b"again")
            assert port.read(time.monotonic() + FAR) == b"again"
    with pytest.raises(PortError, match="refused"):
        port.reopen(time.monotonic() + FAR)


# ---- what is no port ------------------------------------------------------------------------------------------------

NO_PORTS = {
    "": "cannot open a port: its name is empty; expected /dev/tty",
    " ": "cannot open a port: its name is empty; expected /dev/tty",
    "folder": "cannot open folder: it is a folder, no serial port; expected /dev/tty",
    "file": "cannot open file: it is a file, no serial port",
    "fifo": "cannot open fifo: it is a FIFO, no serial port",
    "/dev/null": "cannot open /dev/null: it is no serial port; expected /dev/tty",
    "/dev/zero": "cannot open /dev/zero: it is no serial port",
    "nothing": "cannot open nothing: .*No such file",
    "socket://localhost": "it names no TCP port, 1 to 65535; expected .* socket://HOST:PORT",
    "socket://localhost:0": "it names no TCP port",
    "socket://localhost:99999": "Port out of range",
    "socket://localhost:http": "cannot open socket://localhost:http: ",
    "socket://:7000": "it names no host",
    "socket://[::1": "Invalid IPv6 URL",
    "socket://localhost:1?logging=loud": "cannot open socket://localhost:1",
    "rfc2217://nonsense": "it names no TCP port",
    "rfc2217://localhost:1?x=y": "unknown option: 'x'",
    "http://localhost:80": r"http:// is no kind of port, known are socket://, rfc2217://, loop://",
    "://": "is no kind of port",
    "hwgrep://(": r"cannot open hwgrep://\(: ",
    "alt://x?class=9": "cannot open alt://x",
    "loop://?logging=loud": "cannot open loop://",
}


@pytest.mark.parametrize("url", NO_PORTS)
def test_what_is_no_port_is_refused_by_name(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(PortError, match=NO_PORTS[url]) as refused:
        Port(url, baud=115200)
    assert "has it open" not in str(refused.value)


# ---- a look before long work -----------------------------------------------------------------------------------------


def test_a_look_finds_what_is_missing_and_opens_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(PortError, match=r"cannot open /dev/NOWHERE: there is no such port; .*`blsh boards` lists"):
        require_there("/dev/NOWHERE")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        require_there(url)
        with pytest.raises(BlockingIOError):
            server.accept()  # a server that takes one connection keeps it for the board's client
        with Lock(port_key(url) or ""), pytest.raises(BusyError, match="is in use by"):
            require_there(url)
    with pytest.raises(PortError, match=f"cannot open {url}: nobody listens there; expected"):
        require_there(url)
    for unseen in ("COM3", "loop://", "socket://192.0.2.1:7000"):  # opening will tell
        require_there(unseen)


def test_a_look_finds_what_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may open every port
    with pytest.raises(PortError, match="you may not read and write it, `blsh doctor` tells the remedy"):
        require_there("/dev/null")
