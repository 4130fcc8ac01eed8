# SPDX-License-Identifier: Apache-2.0
"""Read and write a serial port by URL, against deadlines: by pyserial, but without its blocking reads."""

import os
import re
import select
import socket
import stat
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import serial

from blsh_hil.link.board_errors import ConnectionClosedError, DamagedError, PortError
from blsh_hil.link.board_lock import Lock, openers, port_key, windows_port

_NETWORK: Final = ("socket", "rfc2217")
_SCHEMES: Final = (*_NETWORK, "loop", "spy", "alt", "hwgrep")
_EXPECTED: Final = (
    "expected /dev/tty..., COM3, a pty or socket://HOST:PORT, and nobody else on it (`blsh boards` lists the ports of "
    "this machine)"
)
_CHUNK: Final = 65536
_REOPEN_S: Final = 0.1
_CALL_S: Final = 2.0  # for a call to this very machine
_POLL_S: Final = 0.002  # the pause between looks at a port without a file descriptor (loop://)


def check_url(url: str) -> None:
    """Raise PortError for a URL that can never be a port. Opens nothing."""
    trouble = _trouble_of_network(url) if "://" in url else _trouble_of_device(url)
    if trouble:
        raise PortError(f"cannot open {url.strip() or 'a port'}: {trouble}; {_EXPECTED}")


def _trouble_of_network(url: str) -> str:
    scheme = url.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        return f"{scheme}:// is no kind of port, known are {', '.join(f'{name}://' for name in _SCHEMES)}"
    if scheme not in _NETWORK:
        return ""
    try:
        parts = urlsplit(url)
        host, number = parts.hostname, parts.port
    except ValueError as error:
        return str(error)
    if not host:
        return "it names no host"
    return "" if number else "it names no TCP port, 1 to 65535"


def _trouble_of_device(path: str) -> str:
    if not path.strip():
        return "its name is empty"
    if windows_port(path) is not None:
        return ""  # opening will tell; as a file's name it means nothing
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return ""  # the device may still be plugged in; opening will tell
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISREG: "a file", stat.S_ISFIFO: "a FIFO", stat.S_ISSOCK: "a local socket"}
    found = next((kind for is_one, kind in kinds.items() if is_one(mode)), "a disk")
    return "" if stat.S_ISCHR(mode) else f"it is {found}, no serial port"


def require_there(url: str) -> None:
    """Raise PortError for a port that is plainly missing or not allowed, BusyError for one in use. Opens no port.

    It is for commands that work long before they open the port. Opening would restart some boards, and use up a server
    that takes one connection. What this look cannot see, as a server on another machine, opening will tell.
    """
    check_url(url)
    trouble = _missing_listener(url) if "://" in url else _missing_device(url)
    if trouble:
        raise PortError(f"cannot open {url}: {trouble}; {_EXPECTED}")
    if (key := port_key(url)) is not None:
        with Lock(key, url=url):
            pass


def _missing_device(path: str) -> str:
    if windows_port(path) is not None:
        return ""
    if not Path(path).exists():
        return "there is no such port"
    return "" if os.access(path, os.R_OK | os.W_OK) else "you may not read and write it, `blsh doctor` tells the remedy"


def _missing_listener(url: str) -> str:
    """Return what is wrong with a URL of this machine at which nobody listens. A call that is taken is hung up."""
    parts = urlsplit(url)
    if parts.scheme not in _NETWORK or not _is_free(parts.hostname, parts.port):
        return ""
    try:
        # a free port may still lead on, to the host of a virtual machine
        socket.create_connection((str(parts.hostname), parts.port or 0), _CALL_S).close()
    except OSError:
        return "nobody listens there"
    return ""


def _is_free(host: str | None, port: int | None) -> bool:
    """Return whether `host` is this machine, and no program has `port` there."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in found:
            if not ip_address(address[0]).is_loopback:
                return False
            with socket.socket(family, kind, protocol) as line:
                line.bind(address)
    except OSError:  # an unknown host, a port that is taken, or one that only root may take
        return False
    return True


def is_line(url: str) -> bool:
    """Return whether a port is a serial line, whose speed is that of its baud rate: /dev/ttyACM0, /dev/cu.usb, COM3."""
    return url.startswith(("/dev/tty", "/dev/cu.")) or windows_port(url) is not None


def _is_other_device(path: str) -> bool:
    """Return whether a device that cannot be opened as a port is no terminal line, like /dev/null."""
    if sys.platform != "win32":
        with suppress(OSError, ValueError):
            device = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                return not os.isatty(device)
            finally:
                os.close(device)
    return False


class Port:
    """An open port, locked while it is in use (board_lock.py).

    url: anything that pyserial's serial_for_url takes: /dev/ttyACM0, COM3, a pty, socket://host:port, loop://.
    wrap: puts something around pyserial's port, for example a fault injector. locked: whether the caller holds the
    port's lock.
    Raises BusyError if another program has the port, PortError if it cannot be opened.
    """

    def __init__(self, url: str, *, baud: int, wrap: Callable[[Any], Any] | None = None, locked: bool = False) -> None:
        check_url(url)
        self.url = url
        self.baud = baud
        self._wrap = wrap
        key = None if locked else port_key(url)
        with ExitStack() as cleanup:
            if key is not None:
                cleanup.enter_context(Lock(key, url=url))
            self._open()
            self._cleanup = cleanup.pop_all()

    def _open(self) -> None:
        options = {} if "://" in self.url else {"exclusive": True}  # two readers would steal each other's bytes
        try:
            line = serial.serial_for_url(self.url, baudrate=self.baud, timeout=0, **options)
        except (OSError, ValueError, TypeError, LookupError, re.error) as error:  # pyserial raises all of them
            if "://" not in self.url and _is_other_device(self.url):
                raise PortError(f"cannot open {self.url}: it is no serial port; {_EXPECTED}") from error
            others = "".join(f"; `{command}` (pid {pid}) has it open" for pid, command in openers(Path(self.url)))
            raise PortError(f"cannot open {self.url}: {error}{others}; {_EXPECTED}") from error
        self._serial = line if self._wrap is None else self._wrap(line)
        self._fd = self._descriptor()
        if self._fd is not None:
            self._serial.write_timeout = 0  # write() below waits, against its deadline
        if self.url.startswith("socket://") and self._fd is not None:
            self._send_at_once()

    def reopen(self, deadline: float) -> None:
        """Open the port again after the connection was closed. A device may take until `deadline` to come back.

        Raises PortError if the device does not come back; for a socket without a listener, at once.
        """
        self._serial.close()
        while True:
            try:
                return self._open()
            except PortError:
                if "://" in self.url or time.monotonic() >= deadline:
                    raise
                time.sleep(_REOPEN_S)

    def read(self, deadline: float) -> bytes:
        """Return the bytes that have come, at least one; b"" when `deadline` (of time.monotonic) passes first.

        Raises ConnectionClosedError when the other end has gone, so that no caller waits in vain.
        """
        while True:
            left = deadline - time.monotonic()
            if self._fd is not None:
                select.select([self._fd], [], [], max(0.0, left))
            try:
                data: bytes = self._serial.read(_CHUNK)
            except OSError as error:
                raise self._closed(error) from error
            if data or left <= 0:
                return data
            if self._fd is None:
                time.sleep(_POLL_S)

    def write(self, data: bytes, deadline: float) -> None:
        """Send `data`.

        Raises DamagedError if the port has not taken all of it by `deadline` (of time.monotonic), and
        ConnectionClosedError if the other end has gone.
        """
        rest = memoryview(data)
        while rest:
            if self._fd is not None:
                _, ready, _ = select.select([], [self._fd], [], max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise DamagedError(
                        f"{self.url}: {len(rest)} of {len(data)} bytes were not taken in time; "
                        "the board does not read, reset it"
                    )
            try:
                written: int = self._serial.write(rest)
            except OSError as error:
                raise self._closed(error) from error
            rest = rest[written:]

    def close(self) -> None:
        """Give the port back."""
        self._serial.close()
        self._cleanup.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _closed(self, error: OSError) -> ConnectionClosedError:
        return ConnectionClosedError(
            f"{self.url}: the connection was closed ({error}); was the board unplugged or its emulator ended?"
        )

    def _descriptor(self) -> int | None:
        try:
            descriptor: int = self._serial.fileno()
        except (OSError, AttributeError, NotImplementedError):  # a port without a file descriptor, such as loop://
            return None
        return descriptor

    def _send_at_once(self) -> None:
        """Set TCP_NODELAY: without it a second request waits until the other end has acknowledged the first."""
        assert self._fd is not None
        with socket.fromfd(self._fd, socket.AF_INET, socket.SOCK_STREAM) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
