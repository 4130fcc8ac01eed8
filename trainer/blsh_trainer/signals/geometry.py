# SPDX-License-Identifier: Apache-2.0
"""The geometry of a model: its sampling rate, its windows and its hop, and with them its latency.

It stands alone, so that `blsh --help` need not load NumPy.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final

from blsh_trainer.errors import BlshError
from blsh_trainer.suggestions import did_you_mean

RATES_HZ: Final = (8_000, 16_000)
WINDOWS: Final = (256, 512, 1024)
LEAST_HOP: Final = 64
"""Samples: a device bounds the peaks of its frame in blocks of 64 samples (SPEC.md, 4.1)."""
TICK_S: Final = 0.016
"""The longest hop, and the time that the statistics of features are counted in."""


@dataclass(frozen=True)
class Geometry:
    """How a signal becomes frames, and frames a signal again. All but the rate are samples, and powers of two.

    rate_hz: samples a second. window: N, the samples of a frame. hop: H, from one frame to the next. synthesis: M, the
    last samples of a frame that are resynthesised, 2 H <= M <= N. Latency is M samples: M - H that the output lags, and
    H until a hop has come in.

    BlshError for numbers that do not go together, with what does.
    """

    rate_hz: int
    window: int
    hop: int
    synthesis: int

    def __post_init__(self) -> None:
        _check(self)

    @property
    def bins(self) -> int:
        """The bins of a spectrum, N / 2 + 1."""
        return self.window // 2 + 1

    @property
    def history(self) -> int:
        """Samples of the past that a frame holds besides its hop, N - H; before the first hop they are zeros."""
        return self.window - self.hop

    @property
    def lag(self) -> int:
        """Samples by which the output lags the input, M - H."""
        return self.synthesis - self.hop

    @property
    def latency_s(self) -> float:
        """Seconds from a sample's arrival to its output: M samples, lag and buffering."""
        return self.synthesis / self.rate_hz

    @property
    def hop_s(self) -> float:
        """Seconds of a hop."""
        return self.hop / self.rate_hz

    @property
    def hops_per_second(self) -> float:
        """Hops in a second."""
        return self.rate_hz / self.hop

    @property
    def hops_per_tick(self) -> int:
        """Hops in 16 ms: the statistics of features move once in a tick, whatever the hop."""
        return round(TICK_S * self.rate_hz) // self.hop

    @property
    def tick(self) -> int:
        """Samples of 16 ms."""
        return self.hops_per_tick * self.hop

    @property
    def symmetric(self) -> bool:
        """Whether all of a frame is resynthesised, by the window that it was analysed with."""
        return self.synthesis == self.window

    @property
    def bands(self) -> int:
        """W, the bands of a mask: 80, 64 or 48."""
        return 16 * (self.window.bit_length() - 6)

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """The four numbers in order, as a card holds them."""
        return self.rate_hz, self.window, self.hop, self.synthesis

    def hops_of(self, samples: int) -> int:
        """Return the hops that give all of a signal back, ceil((samples + lag) / H)."""
        return -(-(samples + self.lag) // self.hop)

    def __str__(self) -> str:
        """Return the four numbers as the command line takes them: 16000/1024/256/1024."""
        return "/".join(str(number) for number in self.numbers)


def _check(geometry: Geometry) -> None:
    rate, window, hop, synthesis = geometry.numbers
    if rate not in RATES_HZ:
        raise BlshError(f"a rate of {rate} Hz is not offered; choose one of {_listed(RATES_HZ)}")
    if window not in WINDOWS:
        raise BlshError(f"a window of {window} samples is not offered; choose one of {_listed(WINDOWS)}")
    most = min(window // 2, round(TICK_S * rate))
    hops = [LEAST_HOP << step for step in range(8) if LEAST_HOP << step <= most]
    if hop not in hops:
        raise BlshError(
            f"a hop of {hop} samples does not divide a window of {window} at {rate} Hz into two or more parts "
            f"of at most 16 ms; choose one of {_listed(hops)}"
        )
    spans = [hop << step for step in range(1, 8) if hop << step <= window]
    if synthesis not in spans:
        raise BlshError(
            f"a synthesis of {synthesis} samples does not reconstruct with a hop of {hop} and a window of {window}; "
            f"choose one of {_listed(spans)}"
        )


def _listed(values: "tuple[int, ...] | list[int]") -> str:
    return ", ".join(str(value) for value in values)


RECORDER: Final = Geometry(16_000, 1024, 256, 1024)
"""The geometry of the paper, and of models that name none."""
LARGEST_HOP: Final = 256
CLASSES: Final = {
    "recorder": RECORDER,
    "intercom": Geometry(16_000, 512, 256, 512),
    "headset": Geometry(16_000, 256, 128, 256),
    "hearing": Geometry(16_000, 256, 64, 128),
    "phone": Geometry(8_000, 256, 128, 256),
}
"""What each class of products takes where it names its class or its latency only."""


@cache
def all_geometries() -> tuple[Geometry, ...]:
    """Return every geometry that a model may have."""
    sizes = [LEAST_HOP << step for step in range(5)]
    found = []
    for numbers in product(RATES_HZ, WINDOWS, sizes, sizes):
        with suppress(BlshError):
            found.append(Geometry(*numbers))
    return tuple(found)


def parse_geometry(text: str) -> Geometry:
    """Return the geometry of a class's name, or of four numbers as str(geometry) writes them. BlshError for others."""
    if text in CLASSES:
        return CLASSES[text]
    try:
        rate, window, hop, synthesis = (int(part) for part in text.split("/"))
    except ValueError:
        raise BlshError(
            f"geometry {text!r} is unknown{did_you_mean(text, CLASSES)}; give RATE/WINDOW/HOP/SYNTHESIS as {RECORDER}, "
            f"or one of {', '.join(CLASSES)}"
        ) from None
    return Geometry(rate, window, hop, synthesis)


def class_of_latency(latency_ms: float, rate_hz: int = RECORDER.rate_hz) -> Geometry:
    """Return the geometry of the class with this latency in ms and this rate. BlshError where there is none."""
    at_rate = {name: each for name, each in CLASSES.items() if each.rate_hz == rate_hz}
    for each in at_rate.values():
        if round(1000 * each.latency_s, 3) == latency_ms:
            return each
    offered = ", ".join(f"{1000 * each.latency_s:g} ms ({name})" for name, each in at_rate.items())
    raise BlshError(
        f"no class has a latency of {latency_ms:g} ms at {rate_hz} Hz; "
        f"choose {offered or f'a rate of {_listed(RATES_HZ)} Hz'}, or give all four numbers"
    )
