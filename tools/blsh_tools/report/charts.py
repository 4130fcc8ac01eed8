# SPDX-License-Identifier: Apache-2.0
"""The geometry of the page's drawings, in units of their viewBox; the template draws them as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 340
LEFT, RIGHT = 14, 12
ROW: Final = 46
TITLE: Final = 16
AXIS: Final = 22
PLOT_HEIGHT: Final = 220
_TICKS: Final = 5
_MARGIN: Final = 0.06


@dataclass(frozen=True)
class Tick:
    """A place on an axis, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Whisker:
    """A mean and its interval, at the height y. shows: better, worse or open. text: all of it in words."""

    y: float
    low: float
    mean: float
    high: float
    shows: str
    text: str


@dataclass(frozen=True)
class Forest:
    """Differences to several peers: a row for each peer, in it a whisker for each SNR. zero: where no difference is."""

    title: str
    rows: list[tuple[str, float, list[Whisker]]]
    ticks: list[Tick]
    zero: float
    height: float


@dataclass(frozen=True)
class Dot:
    """A numbered denoiser: from x_low to x at the height y. kind: model, boxed or peer. text: all of it in words."""

    number: int
    x_low: float
    x: float
    y: float
    kind: str
    text: str


@dataclass(frozen=True)
class Scatter:
    """A figure of quality against instructions. mark: where the instructions of a model stand that was not scored."""

    title: str
    dots: list[Dot]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    mark: float | None


@dataclass(frozen=True)
class Difference:
    """A difference to a peer at one SNR with its interval, in the unit that its metric is shown in."""

    mean: float
    low: float
    high: float
    shows: str
    text: str


def forest(title: str, peers: Sequence[tuple[str, Sequence[Difference]]]) -> Forest:
    """Return the drawing of differences to peers, given as their names and differences in order of the SNR."""
    ends = [end for _, found in peers for each in found for end in (each.low, each.high)]
    scale = _Scale(min([*ends, 0.0]), max([*ends, 0.0]), LEFT, WIDTH - RIGHT)
    rows = []
    for number, (name, found) in enumerate(peers):
        top = number * ROW
        step = (ROW - TITLE - 4) / max(len(found), 1)
        whiskers = [
            Whisker(top + TITLE + step * (at + 0.5), scale(d.low), scale(d.mean), scale(d.high), d.shows, d.text)
            for at, d in enumerate(found)
        ]
        rows.append((name, top + TITLE - 4.0, whiskers))
    return Forest(title, rows, scale.ticks(), scale(0.0), len(peers) * ROW)


def scatter(
    title: str, points: Sequence[tuple[int, float, float, float, str, str]], mark: float | None, marked: float | None
) -> Scatter:
    """Return the drawing of points: number, least and most instructions, figure, kind and words of each.

    mark: the instructions of a model without a figure, None where it has one; marked: those that the axis must reach.
    """
    xs = [math.log10(x) for _, low, high, *_ in points for x in (low, high)]
    xs += [math.log10(marked)] if marked is not None else []
    across = _Scale(min(xs), max(xs), LEFT + 26, WIDTH - RIGHT)
    up = _Scale(min(p[3] for p in points), max(p[3] for p in points), PLOT_HEIGHT, 6)
    dots = [
        Dot(number, across(math.log10(low)), across(math.log10(high)), up(figure), kind, text)
        for number, low, high, figure, kind, text in points
    ]
    first, last = 10 ** min(xs), 10 ** max(xs)
    marks = [Tick(across(math.log10(x)), f"{x:g}") for x in (5, 10, 20, 50, 100, 200, 500) if first <= x <= last * 1.05]
    return Scatter(title, dots, marks, up.ticks(), None if mark is None else across(math.log10(mark)))


class _Scale:
    """A linear scale from values to a span of the drawing, with a margin on both sides."""

    def __init__(self, low: float, high: float, first: float, last: float) -> None:
        margin = _MARGIN * (high - low) or 1.0
        self._low, self._high = low - margin, high + margin
        self._first, self._last = first, last

    def __call__(self, value: float) -> float:
        return self._first + (value - self._low) / (self._high - self._low) * (self._last - self._first)

    def ticks(self) -> list[Tick]:
        """Return round values inside the scale, with their places."""
        rough = (self._high - self._low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
        first, last = math.ceil(self._low / step), math.floor(self._high / step)
        digits = max(0, -math.floor(math.log10(step) + 1e-9)) + (1 if f"{step:e}".startswith("2.5") else 0)
        return [Tick(self(n * step), f"{n * step:.{digits}f}") for n in range(first, last + 1)]
