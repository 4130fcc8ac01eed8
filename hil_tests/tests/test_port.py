"""The port under the link: no reader goes on at the end of a line, no writer waits for one that nobody reads."""

import os
import socket
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from blsh_hil.board_errors import ConnectionClosedError, DamagedError, PortError
from blsh_hil.fault_injector import FaultInjector, Faults
from blsh_hil.port import Port

FAR = 3600.0  # seconds: who waits for it hangs


class Counted:
    """Counts the reads of pyserial's port."""

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
    """A port whose other end has said "last" and gone."""
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
