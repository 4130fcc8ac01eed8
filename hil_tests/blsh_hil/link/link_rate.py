# SPDX-License-Identifier: Apache-2.0
"""Measure how fast audio streams through a board, and how near our client comes to the limit, in one run.

For the limit, requests are made beforehand and answers are looked at afterwards. The figure holds the line, the board,
and the part of the round trip that the window does not hide.
"""

import time
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from blsh_hil.link.board_errors import BoardError
from blsh_hil.link.client import BoardClient
from blsh_hil.link.port import Port
from blsh_hil.wire.framing import Decoder, Frame, encode
from blsh_hil.wire.messages import Done, Hop, HopDone, ResetStream
from blsh_trainer.progress import Progress
from blsh_trainer.signals.geometry import Geometry

_STREAM: Final = 0x51A7
_PATIENCE_S: Final = 20.0

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class LinkRate:
    """Rates in hops a second: medians over `rounds` rounds, in which all rates are measured in turn.

    geometry: of the board's model. hops: those of a round.
    stream: by BoardClient.stream. limit: by bare requests, `window` of them ahead. unbounded: by bare requests, all at
    once; None on links that do not hold back what the board cannot take. single: one hop at a time. share: the median
    of stream / limit.
    """

    geometry: Geometry
    rounds: int
    hops: int
    window: int
    stream: float
    limit: float
    unbounded: float | None
    single: float
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        rates = {"stream": self.stream, "limit": self.limit, "unbounded": self.unbounded, "single": self.single}
        return {
            "geometry": self.geometry.numbers,
            "rounds": self.rounds,
            "hops": self.hops,
            "window": self.window,
            "hops_per_second": {name: rate and round(rate, 1) for name, rate in rates.items()},
            "times_real_time": round(self.stream / self.geometry.hops_per_second, 3),
            "share_of_limit": round(self.share, 3),
        }


def measure_link(
    url: str,
    samples: Samples,
    *,
    baud: int,
    rounds: int = 3,
    held_back: bool = False,
    progress: Progress | None = None,
) -> LinkRate:
    """Measure the board at `url` with `samples`, int16 whole hops. No other program may have the port open.

    held_back: whether the link holds back what is sent too early, as an emulator's does.
    Raises BoardError if the board does not answer as it should.
    """
    with BoardClient.open(url, baud=baud) as client:
        board = client.hello()
    geometry, window = board.geometry, max(1, board.hops_in_flight)
    requested = samples.reshape(-1, geometry.hop)
    hops = len(requested)
    found: dict[str, list[float]] = {"stream": [], "limit": [], "unbounded": [], "single": []}
    for done in range(rounds):
        if progress is not None:
            progress("rounds", done, rounds)
        found["stream"].append(hops / _stream_seconds(url, samples, baud))
        found["limit"].append(hops / _bare_seconds(url, requested, baud, window))
        found["single"].append(hops / _single_seconds(url, requested, baud))
        if held_back:
            found["unbounded"].append(hops / _bare_seconds(url, requested, baud, hops))
    if progress is not None:
        progress("rounds", rounds, rounds)
    return LinkRate(
        geometry=geometry,
        rounds=rounds,
        hops=hops,
        window=window,
        stream=median(found["stream"]),
        limit=median(found["limit"]),
        unbounded=median(found["unbounded"]) if held_back else None,
        single=median(found["single"]),
        share=median(a / b for a, b in zip(found["stream"], found["limit"], strict=True)),
    )


def _stream_seconds(url: str, samples: Samples, baud: int) -> float:
    with BoardClient.open(url, baud=baud) as client:
        client.reset_stream()
        began = time.monotonic()
        client.stream(samples)
        return time.monotonic() - began


def _single_seconds(url: str, hops: Samples, baud: int) -> float:
    with BoardClient.open(url, baud=baud) as client:
        client.reset_stream()
        began = time.monotonic()
        for hop in hops:
            client.hop(hop)
        return time.monotonic() - began


def _bare_seconds(url: str, hops: Samples, baud: int, window: int) -> float:
    """Send requests made beforehand, `window` of them ahead, and count the answers' delimiters; return the seconds."""
    requests = [
        encode(Hop.TYPE, 1 + number % 0xFFFF, Hop(number & 0xFFFF, _STREAM, 0, 0, samples=hop.tobytes()).pack())
        for number, hop in enumerate(hops.astype("<i2"))
    ]
    with Port(url, baud=baud) as port:
        _start_stream(port)
        answers = bytearray()
        began = time.monotonic()
        sent = done = delimiters = 0
        while done < len(requests):
            ahead = min(len(requests), done + window)
            if sent < ahead:  # no more requests than the board takes while their answers are unread
                ahead = min(ahead, sent + 4)
                port.write(b"".join(requests[sent:ahead]), time.monotonic() + _PATIENCE_S)
                sent = ahead
            wait = 0.0 if sent < min(len(requests), done + window) else _PATIENCE_S
            data = port.read(time.monotonic() + wait)
            if not data and wait:
                raise BoardError(f"{url}: no answer to hop {done} within {_PATIENCE_S:g} s; reset the board")
            answers += data
            delimiters += data.count(0)
            done = delimiters // 2
        took = time.monotonic() - began
    _check_answers(url, bytes(answers), len(requests))
    return took


def _start_stream(port: Port) -> None:
    port.write(encode(ResetStream.TYPE, 1, ResetStream(_STREAM).pack()), time.monotonic() + _PATIENCE_S)
    decoder, deadline = Decoder(), time.monotonic() + _PATIENCE_S
    while data := port.read(deadline):
        if any(isinstance(frame, Frame) and frame.type == Done.TYPE for frame in decoder.feed(data)):
            return
    raise BoardError(f"{port.url}: no answer to RESET_STREAM within {_PATIENCE_S:g} s; reset the board")


def _check_answers(url: str, answers: bytes, hops: int) -> None:
    frames = list(Decoder().feed(answers))
    done = [
        HopDone.unpack(each.payload).hop for each in frames if isinstance(each, Frame) and each.type == HopDone.TYPE
    ]
    if done != list(range(hops)) or len(frames) != hops:
        raise BoardError(f"{url}: {hops} hops were sent, {len(done)} of {len(frames)} answers are HOP_DONE in order")
