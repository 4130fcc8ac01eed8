# SPDX-License-Identifier: Apache-2.0
"""Check that a device that is no board is named within two seconds, by a made-up clock that no load can move."""

from collections.abc import Callable
from typing import Any

import pytest

from blsh_hil.link import frame_link, requester, retry
from blsh_hil.link.board_errors import BoardError, EchoError, GarbageError, NoAnswerError, ProtocolVersionError
from blsh_hil.link.client import BoardClient
from blsh_hil.link.fault_injector import heard_at
from blsh_hil.wire.codes import ErrorCode
from blsh_hil.wire.framing import BadFrame, Decoder, encode
from blsh_hil.wire.messages import Error, Log

BAUD = 115_200
Device = Callable[[bytes], bytes]  # gives the bytes that it says to the bytes that it hears


class MadeUpTime:
    """A clock in place of the module time. It moves only during waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Port:
    """A port with `device` behind it, which answers `late` seconds after it hears, and chatters of its own accord."""

    def __init__(self, clock: MadeUpTime, device: Device, late: float, chatter: bytes, every: float) -> None:
        self.url, self.baud = "made-up", BAUD
        self._clock, self._device, self._late, self._chatter, self._every = clock, device, late, chatter, every
        self._coming: list[tuple[float, bytes]] = [(clock.now + every, chatter)] if chatter else []
        self.reads = 0

    def write(self, data: bytes, deadline: float) -> None:
        if answer := self._device(data):
            self._coming.append((self._clock.now + self._late, answer))

    def read(self, deadline: float) -> bytes:
        self.reads += 1
        self._coming.sort(key=lambda piece: piece[0])
        if not self._coming or self._coming[0][0] > deadline:
            self._clock.now = max(self._clock.now, deadline)
            return b""
        at, data = self._coming.pop(0)
        self._clock.now = max(self._clock.now, at)
        if data is self._chatter:
            self._coming.append((at + self._every, data))
        return data

    def close(self) -> None:
        pass


def silent(_: bytes) -> bytes:
    return b""


def meet(
    monkeypatch: pytest.MonkeyPatch,
    device: Device = silent,
    late: float = 0.0,
    chatter: bytes = b"",
    every: float = 0.2,
) -> tuple[BoardError, float]:
    """Return the error of a first HELLO to `device`, and the seconds until it came."""
    clock = MadeUpTime()
    for module in (frame_link, requester, retry):
        monkeypatch.setattr(module, "time", clock)
    port: Any = Port(clock, device, late, chatter, every)
    with BoardClient(port) as client, pytest.raises(BoardError) as error:
        client.hello()
    assert port.reads < 1000, "no loop that spins"
    return error.value, clock.now - 1000.0


def board_at(baud: int) -> Device:
    """Return a board of another rate: it complains of what it cannot read, and we cannot read its complaint."""
    decoder = Decoder()

    def device(data: bytes) -> bytes:
        complaints = [
            encode(Error.TYPE, 0, Error(0, b"", ErrorCode.BAD_FRAME, bad.error & 0xFFFFFFFF, b"damaged").pack())
            for bad in decoder.feed(heard_at(data, BAUD, baud))
            if isinstance(bad, BadFrame)
        ]
        return heard_at(b"".join(complaints), baud, BAUD)

    return device


@pytest.mark.parametrize("baud", [9_600, 19_200, 57_600, 230_400, 460_800])
def test_board_at_another_rate(monkeypatch: pytest.MonkeyPatch, baud: int) -> None:
    error, seconds = meet(monkeypatch, board_at(baud), chatter=heard_at(encode(Log.TYPE, 0, b"started"), baud, BAUD))
    assert type(error) is GarbageError
    assert "another rate than 115200 baud" in str(error)
    assert seconds < 2.0


@pytest.mark.parametrize("late", [0.0, 0.1, 0.49])
def test_port_that_echoes(monkeypatch: pytest.MonkeyPatch, late: float) -> None:
    error, seconds = meet(monkeypatch, lambda data: data, late)
    assert type(error) is EchoError
    assert seconds < 2.0


@pytest.mark.parametrize(
    ("device", "chatter", "words"),
    [
        (silent, b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n", r"the text '\$GPGGA"),
        (lambda data: b"\r\nERROR\r\n", b"", r"the text '\\r\\nERROR"),
        (lambda data: b"\x01\x02\xfe" * 20, b"", "01 02 fe 01 .*not a blsh-mcu board"),
    ],
    ids=["position receiver", "modem", "binary"],
)
@pytest.mark.parametrize("late", [0.0, 0.49])
def test_other_device(monkeypatch: pytest.MonkeyPatch, device: Device, chatter: bytes, words: str, late: float) -> None:
    error, seconds = meet(monkeypatch, device, late, chatter)
    assert type(error) is GarbageError
    with pytest.raises(GarbageError, match=words):
        raise error
    assert seconds < 2.0


def test_board_of_another_protocol_version(monkeypatch: pytest.MonkeyPatch) -> None:
    error, seconds = meet(monkeypatch, lambda data: encode(Log.TYPE, 0, b"hello", version=1), 0.4)
    assert type(error) is ProtocolVersionError
    assert seconds < 2.0


def test_silence_is_given_the_time_to_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    error, seconds = meet(monkeypatch)
    assert type(error) is NoAnswerError
    assert seconds == pytest.approx(retry.Timeouts().boot)
