# SPDX-License-Identifier: Apache-2.0
"""Check the fault injector itself: seed and place alone decide the faults, and without chances there are none."""

import time
from collections import deque
from typing import Any

import numpy as np
import pytest
import serial

from blsh_hil.link.fault_injector import KINDS, FaultInjector, Faults, heard_at

pytestmark = pytest.mark.heavy

DATA = np.random.default_rng(1).bytes(20_000)
NONE = Faults()


class Loop:
    """A line that gives back what is written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.coming: deque[bytes] = deque()
        self.timeout: float | None = 0
        self.write_timeout: float | None = None
        self.closed = False

    def read(self, size: int = 1) -> bytes:
        return self.coming.popleft() if self.coming else b""

    def write(self, data: bytes) -> int:
        self.written.append(bytes(data))
        return len(data)

    def close(self) -> None:
        self.closed = True


def sent(faults: Faults, seed: int, piece: int = 1000) -> tuple[list[bytes], FaultInjector]:
    line, injector = Loop(), FaultInjector(seed, faults, NONE)
    faulty = injector.wrap(line)
    for at in range(0, len(DATA), piece):
        faulty.write(DATA[at : at + piece])
    return line.written, injector


def received(faults: Faults, seed: int) -> tuple[list[bytes], FaultInjector]:
    line, injector = Loop(), FaultInjector(seed, NONE, faults)
    faulty = injector.wrap(line)
    line.coming.extend(DATA[at : at + 1000] for at in range(0, len(DATA), 1000))
    found: list[bytes] = []
    quiet = 0
    while quiet < 60:  # longer than a delay
        data = faulty.read(65536)
        quiet = 0 if data else quiet + 1
        found += [data] if data else []
        time.sleep(0 if data else 0.001)
    return found, injector


@pytest.mark.parametrize("way", [sent, received])
def test_nothing_happens_where_nothing_is_asked_for(way: Any) -> None:
    pieces, injector = way(NONE, 3)
    assert b"".join(pieces) == DATA
    assert not injector.counts


@pytest.mark.parametrize("kind", KINDS[:-1])
@pytest.mark.parametrize("way", [sent, received])
def test_each_kind_of_fault_does_what_it_says(way: Any, kind: str) -> None:
    pieces, injector = way(Faults(**{kind: 1e-3}, delay_s=0.001), 5)
    data, count = b"".join(pieces), injector.counts[kind]
    assert 8 <= count <= 40, "about 20 are due"
    assert set(injector.counts) == {kind}
    match kind:
        case "drop":
            assert len(data) < len(DATA)
        case "repeat" | "flood":
            assert len(data) > len(DATA)
        case "flip":
            assert sum((a ^ b).bit_count() for a, b in zip(data, DATA, strict=True)) == count
        case _:
            assert data == DATA
            assert len(pieces) > len(DATA) // 1000


@pytest.mark.parametrize("piece", [1, 7, 333, 20_000])
def test_the_same_bytes_are_struck_however_they_are_cut_up(piece: int) -> None:
    faults = Faults(drop=1e-3, repeat=1e-3, flip=1e-3, flood=1e-3, split=1e-3)
    whole, _ = sent(faults, 9)
    again, _ = sent(faults, 9, piece)
    other, _ = sent(faults, 10)
    assert b"".join(again) == b"".join(whole) != b"".join(other)


def test_delayed_bytes_come_later() -> None:
    line, injector = Loop(), FaultInjector(2, NONE, Faults(delay=0.01, delay_s=0.03))
    faulty = injector.wrap(line)
    line.coming.append(DATA[:400])
    begun, data = time.monotonic(), b""
    faulty.timeout = 0.5
    while len(data) < 400:
        data += faulty.read(400)
    assert data == DATA[:400]
    assert time.monotonic() - begun >= 0.03 * injector.counts["delay"] > 0


@pytest.mark.parametrize("there", [True, False])
def test_cut_closes_the_line_for_good(there: bool) -> None:
    faults = Faults(cut=0.01)
    line = Loop()
    faulty = FaultInjector(4, faults if there else NONE, NONE if there else faults).wrap(line)
    line.coming.append(DATA)
    with pytest.raises(serial.SerialException, match="cut the line"):
        for _ in range(1000):
            faulty.write(DATA[:100])
            faulty.read(100)
    assert line.closed
    with pytest.raises(serial.SerialException, match="cut the line"):
        faulty.read(1)
    with pytest.raises(serial.SerialException, match="cut the line"):
        faulty.write(b"x")


def test_chances_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"chances that add up to 1\.2; expected 0 to 1"):
        FaultInjector(1, Faults(drop=0.6, flip=0.6), NONE)


def test_receiver_at_the_same_rate_hears_what_was_sent_and_at_another_something_else() -> None:
    data = DATA[:300]
    assert heard_at(data, 115_200, 115_200) == data
    assert heard_at(data, 115_200, 117_000) == data, "within the tolerance of a UART"
    for baud in (9_600, 57_600, 76_800, 230_400, 921_600):
        assert heard_at(data, 115_200, baud)[:100] != data[:100]
