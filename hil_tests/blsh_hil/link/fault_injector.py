# SPDX-License-Identifier: Apache-2.0
"""Damage the bytes between pyserial's port and its user, by a seed: drop, repeat, flip, split, delay, flood or cut.

    injector = FaultInjector(seed=7, to_board=Faults(drop=1e-3), from_board=Faults(flip=1e-3))
    client = BoardClient.open(url, wrap=injector.wrap)
    ...
    injector.counts["drop"]

Which bytes are damaged depends on the seed and on their place in the stream alone, not on the pieces they come in.
"""

import io
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import serial

KINDS: Final = ("drop", "repeat", "flip", "split", "delay", "flood", "cut")
"""The kinds of faults. The order counts: a seed chooses by it."""


@dataclass(frozen=True)
class Faults:
    """The rate of each fault: its chance for each byte.

    drop: this byte and up to `burst` - 1 bytes behind it are lost. repeat: up to `burst` bytes, this one the last, come
    twice. flip: one bit changes. split: a piece of data ends before this byte. delay: the same, and the rest comes
    `delay_s` later. flood: up to `flood_bytes` random bytes come before this byte. cut: the connection is closed.
    """

    drop: float = 0.0
    repeat: float = 0.0
    flip: float = 0.0
    split: float = 0.0
    delay: float = 0.0
    flood: float = 0.0
    cut: float = 0.0
    burst: int = 40
    flood_bytes: int = 2000
    delay_s: float = 0.02

    @classmethod
    def all(cls, chance: float, *, cut: float = 0.0) -> "Faults":
        """Return faults of every kind with the same chance, but for cuts."""
        return cls(chance, chance, chance, chance, chance, chance, cut)

    def chances(self) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """Return the chances in the order of KINDS."""
        return np.array([getattr(self, kind) for kind in KINDS])


@dataclass(frozen=True)
class _Piece:
    """Bytes that arrive together, `delay_s` after those before. cut: whether the line is cut behind them."""

    data: bytes
    delay_s: float = 0.0
    cut: bool = False


class _Direction:
    """One way along the line. The places of faults are drawn ahead, as the gaps between faults."""

    def __init__(self, faults: Faults, rng: np.random.Generator, counts: Counter[str]) -> None:
        self._faults, self._rng, self._counts = faults, rng, counts
        self._chances = faults.chances()
        self._total = float(self._chances.sum())
        if self._total > 1.0 or (self._chances < 0.0).any():
            raise ValueError(f"{faults}: chances that add up to {self._total:g}; expected 0 to 1")
        self._gap = self._next_gap()
        self._skip = 0  # how many bytes are still to be dropped
        self._passed = bytearray()  # the last bytes, which may be repeated

    def through(self, data: bytes) -> Iterator[_Piece]:
        """Yield the pieces of `data` that arrive."""
        piece, delay_s = bytearray(), 0.0
        for byte in data:
            if self._skip:
                self._skip -= 1
                continue
            if self._gap is not None and self._gap == 0:
                self._gap = self._next_gap()
                kind = str(self._rng.choice(KINDS, p=self._chances / self._total))
                self._counts[kind] += 1
                if kind in ("split", "delay", "cut"):
                    yield _Piece(bytes(piece), delay_s, kind == "cut")
                    piece, delay_s = bytearray(), self._faults.delay_s if kind == "delay" else 0.0
                if kind == "drop":
                    self._skip = int(self._rng.integers(self._faults.burst))
                    continue
                piece += self._struck(kind, byte)
            else:
                piece.append(byte)
                self._gap = None if self._gap is None else self._gap - 1
            self._passed.append(byte)
            del self._passed[: -self._faults.burst]
        yield _Piece(bytes(piece), delay_s)

    def _struck(self, kind: str, byte: int) -> bytes:
        if kind == "flip":
            return bytes([byte ^ 1 << int(self._rng.integers(8))])
        if kind == "repeat":
            return bytes([byte]) + bytes(self._passed[-int(self._rng.integers(self._faults.burst)) :]) + bytes([byte])
        if kind == "flood":
            return self._rng.bytes(int(self._rng.integers(1, self._faults.flood_bytes + 1))) + bytes([byte])
        return bytes([byte])

    def _next_gap(self) -> int | None:
        return None if self._total == 0.0 else int(self._rng.geometric(self._total)) - 1


class FaultInjector:
    """Makes faults for a line that may be opened again and again. counts: how often each kind struck so far."""

    def __init__(self, seed: int, to_board: Faults, from_board: Faults) -> None:
        self.counts: Counter[str] = Counter()
        there, back = np.random.default_rng(seed).spawn(2)
        self._to_board = _Direction(to_board, there, self.counts)
        self._from_board = _Direction(from_board, back, self.counts)

    def wrap(self, line: Any) -> "FaultyLine":
        """Return pyserial's port `line` with faults."""
        return FaultyLine(line, self._to_board, self._from_board)


class FaultyLine:
    """A port of pyserial with faults. It has no file descriptor to wait on, because it holds bytes back."""

    def __init__(self, line: Any, to_board: _Direction, from_board: _Direction) -> None:
        self.timeout: float | None = 0
        self._line = line
        self._to_board, self._from_board = to_board, from_board
        self._coming: deque[tuple[float, _Piece]] = deque()  # each with the moment at which it arrives
        self._cut = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._line, name)

    def fileno(self) -> int:
        """Refuse: bytes may be ready here while the real line is silent, and the other way round."""
        raise io.UnsupportedOperation("fileno")

    def read(self, size: int = 1) -> bytes:
        """Return up to `size` bytes of one piece as soon as there are any; b"" after `timeout`."""
        until = None if self.timeout is None else time.monotonic() + self.timeout
        while True:
            self._fetch()
            while self._coming and self._coming[0][0] <= time.monotonic():
                if data := self._take(size):
                    return data
            self._refuse_cut()
            if until is not None and time.monotonic() >= until:
                return b""
            time.sleep(0.001)

    def write(self, data: bytes) -> int:
        """Send `data`. All of it is taken, whatever then becomes of it."""
        self._refuse_cut()
        for piece in self._to_board.through(bytes(data)):
            time.sleep(piece.delay_s)
            if piece.data:
                self._line.write_timeout = None
                self._line.write(piece.data)
            if piece.cut:
                self._hang_up()
                self._refuse_cut()
        return len(data)

    @property
    def in_waiting(self) -> int:
        """The number of bytes that can be read at once."""
        self._fetch()
        now = time.monotonic()
        return sum(len(piece.data) for arrives, piece in self._coming if arrives <= now)

    def _fetch(self) -> None:
        if self._cut:
            return
        data = self._line.read(65536)
        for piece in self._from_board.through(data) if data else ():
            after = self._coming[-1][0] if self._coming else time.monotonic()
            self._coming.append((max(after, time.monotonic()) + piece.delay_s, piece))

    def _take(self, size: int) -> bytes:
        arrives, piece = self._coming.popleft()
        if len(piece.data) > size:
            self._coming.appendleft((arrives, _Piece(piece.data[size:], cut=piece.cut)))
            return piece.data[:size]
        if piece.cut:
            self._hang_up()
        return piece.data

    def _hang_up(self) -> None:
        self._cut = True
        self._coming.clear()
        self._line.close()

    def _refuse_cut(self) -> None:
        if self._cut:
            raise serial.SerialException("the fault injector cut the line")


def heard_at(data: bytes, sent_baud: int, heard_baud: int) -> bytes:
    """Return the bytes that a receiver at `heard_baud` hears of `data`, sent at `sent_baud` without pauses, 8N1.

    A byte without its stop bit is kept all the same, as most UARTs do.
    """
    bits = np.array(
        [1] * 20 + [bit for byte in data for bit in (0, *((byte >> n) & 1 for n in range(8)), 1)] + [1] * 40
    )
    step = sent_baud / heard_baud  # the length of the receiver's bit, in bits of the sender
    heard, place = bytearray(), 0.0
    while True:
        falls = np.flatnonzero((bits[1:] == 0) & (bits[:-1] == 1) & (np.arange(1, len(bits)) >= place))
        if not len(falls) or falls[0] + 1 + 9.5 * step >= len(bits):
            return bytes(heard)
        start = float(falls[0] + 1)
        sampled = [int(bits[int(start + (1.5 + n) * step)]) for n in range(8)]
        heard.append(sum(bit << n for n, bit in enumerate(sampled)))
        place = start + 9.5 * step
