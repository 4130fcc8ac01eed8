"""A serial port by URL, read and written against deadlines: what pyserial offers, without its blocking reads."""

import os
import select
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import serial

from blsh_hil.board_errors import BoardError, ConnectionClosedError, PortError
from blsh_hil.lock import Lock, openers, port_key

_CHUNK: Final = 65536
_POLL_S: Final = 0.002  # for ports without a file descriptor (loop://)


class Port:
    """An open port.

    url: anything that pyserial's serial_for_url takes: /dev/ttyACM0, a pty, socket://host:port, loop://.
    Locked while it is open (lock.py), unless `locked`: the caller has the lock.
    Raises BusyError if another program has it, PortError if it cannot be opened.
    """

    def __init__(self, url: str, *, baud: int, write_timeout: float, locked: bool = False) -> None:
        self.url = url
        self.baud = baud
        key = None if locked else port_key(url)
        with ExitStack() as cleanup:
            if key is not None:
                cleanup.enter_context(Lock(key, url=url))
            self._serial = self._opened(url, baud, write_timeout)
            self._cleanup = cleanup.pop_all()
        self._fd = self._descriptor()
        if url.startswith("socket://"):
            self._send_at_once()

    @staticmethod
    def _opened(url: str, baud: int, write_timeout: float) -> Any:
        options = {} if "://" in url else {"exclusive": True}  # two readers would steal each other's bytes
        try:
            return serial.serial_for_url(url, baudrate=baud, timeout=0, write_timeout=write_timeout, **options)
        except (OSError, ValueError, TypeError) as error:  # TypeError: socket:// without a port
            others = "".join(f"; `{command}` (pid {pid}) has it open" for pid, command in openers(Path(url)))
            raise PortError(
                f"cannot open {url}: {error}{others}; expected /dev/tty..., a pty or socket://HOST:PORT, and nobody "
                "else on it (`blsh boards` lists the ports of this machine)"
            ) from error

    def read(self, deadline: float) -> bytes:
        """What has come, at least a byte; b"" when `deadline` (of time.monotonic) passes first.

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

    def write(self, data: bytes) -> None:
        """Send `data`. Raises BoardError if it is not taken in time, ConnectionClosedError if nobody is there."""
        try:
            self._serial.write(data)
        except serial.SerialTimeoutException as error:
            raise BoardError(
                f"{self.url}: {len(data)} bytes were not taken within {self._serial.write_timeout:g} s; "
                "the board does not read, reset it"
            ) from error
        except OSError as error:
            raise self._closed(error) from error

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
        except (OSError, AttributeError, NotImplementedError):  # loop:// and the like
            return None
        return descriptor

    def _send_at_once(self) -> None:
        """Without this, a second request would wait until the other end acknowledged the first."""
        assert self._fd is not None
        with socket.socket(fileno=os.dup(self._fd)) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
