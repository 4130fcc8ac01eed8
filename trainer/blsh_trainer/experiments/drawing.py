# SPDX-License-Identifier: Apache-2.0
"""Draw the experiments' pictures: one style, readable in grey, in small files that hold no time of day."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.plotting import new_figure

_DPI = 100
_COLUMNS = 2
_FOOTER = 6.5  # size of the footer's letters, in points
_COLOURS = 64
_STYLES = (  # colours of different lightness, with markers and dashes, for prints in grey
    {"color": "#0b2a6b", "marker": "o", "linestyle": "-"},
    {"color": "#c1440e", "marker": "s", "linestyle": "-"},
    {"color": "#3f9b6b", "marker": "^", "linestyle": "--"},
    {"color": "#9aa0a6", "marker": "v", "linestyle": "-."},
    {"color": "#d9a400", "marker": "D", "linestyle": ":"},
)


@dataclass(frozen=True)
class Curve:
    """A line of a panel: values (n,) at places (n,), with deviations (n,) as shading.

    A `level` is a horizontal line at its first value.
    """

    label: str
    places: FloatArray
    values: FloatArray
    deviations: FloatArray | None = None
    level: bool = False


@dataclass(frozen=True)
class Axes:
    """The layout of the panels of `draw_curves`.

    `horizontal` and `vertical` name the quantities, `vertical` in all panels or in each; `logarithmic` concerns the
    horizontal axis, which has a tick at each place of a curve. With `one_scale` all panels have the same vertical axis.
    """

    horizontal: str
    vertical: str | Sequence[str]
    logarithmic: bool = True
    markers: bool = True
    one_scale: bool = True


def draw_curves(panels: Mapping[str, Sequence[Curve]], path: Path, footer: str, axes: Axes) -> None:
    """Write a PNG with a panel for each title, two side by side; curves of one label look alike in all panels."""
    labels = list(dict.fromkeys(curve.label for curves in panels.values() for curve in curves if not curve.level))
    styles: dict[str, dict[str, Any]] = {
        label: {**_STYLES[place % len(_STYLES)], **({} if axes.markers else {"marker": ""})}
        for place, label in enumerate(labels)
    }
    rows = -(-len(panels) // _COLUMNS)
    figure, places = new_figure((8.5, 0.6 + 2.9 * rows), rows, _COLUMNS, sharex=True, sharey=axes.one_scale)
    explained: set[str] = set()
    verticals = [axes.vertical] * len(panels) if isinstance(axes.vertical, str) else axes.vertical
    for place, vertical, (title, curves) in zip(places, verticals, panels.items(), strict=False):
        for curve in curves:
            _draw_curve(place, curve, styles)
        place.set_title(title, fontsize=9, loc="left")
        place.grid(alpha=0.3)
        if axes.logarithmic:
            _tick_each_place(place, curves)
        here = {curve.label for curve in curves}
        if not here <= explained:
            place.legend(fontsize=7, loc="best")
            explained |= here
        place.set_xlabel(axes.horizontal)
        if axes.one_scale:
            place.label_outer()
        place.set_ylabel(vertical)
    for place in places[len(panels) :]:
        place.set_visible(False)
    _save(figure, path, footer)


def _draw_curve(place: Any, curve: Curve, styles: Mapping[str, dict[str, Any]]) -> None:
    if curve.level:
        height = float(curve.values[0])
        place.axhline(height, color="black", linewidth=1, linestyle=(0, (6, 3)), label=curve.label)
        return
    style = styles[curve.label]
    place.plot(curve.places, curve.values, label=curve.label, linewidth=1.3, markersize=4, **style)
    if curve.deviations is not None:
        low, high = curve.values - curve.deviations, curve.values + curve.deviations
        place.fill_between(curve.places, low, high, color=style["color"], alpha=0.18, linewidth=0)


def _tick_each_place(place: Any, curves: Sequence[Curve]) -> None:
    place.set_xscale("log")
    ticks = sorted({int(tick) for curve in curves if not curve.level for tick in curve.places})
    place.set_xticks(ticks, [str(tick) for tick in ticks], fontsize=7)
    place.minorticks_off()


@dataclass(frozen=True)
class Point:
    """A labelled point at `value`, or a bar from `low` to `high` with its marker in the middle of the logarithms."""

    label: str
    low: float
    high: float
    value: float
    ours: bool


def draw_points(panels: Mapping[str, Sequence[Point]], path: Path, footer: str, horizontal: str) -> None:
    """Write a PNG with a panel for each title, side by side, over a logarithmic axis.

    A point without a finite value is left out.
    """
    figure, places = new_figure((4.0 * len(panels), 4.2), 1, len(panels), sharex=True)
    for place, (title, points) in zip(places, panels.items(), strict=True):
        place.set_xscale("log")
        drawn = [point for point in points if np.isfinite(point.value)]
        for point in drawn:
            middle = float(np.sqrt(point.low * point.high))
            style = _STYLES[1] if point.ours else _STYLES[0]
            place.plot([point.low, point.high], [point.value] * 2, color=style["color"], linewidth=1.3)
            place.plot([middle], [point.value], markersize=7, **{**style, "linestyle": ""})
            words = {"textcoords": "offset points", "fontsize": 7, "color": style["color"]}
            where = {"xytext": (-7, -3), "ha": "right"} if point.ours else {"xytext": (7, -3), "ha": "left"}
            place.annotate(point.label, (point.low if point.ours else point.high, point.value), **words, **where)
        place.set_title(title, fontsize=9, loc="left")
        place.set_xlabel(horizontal)
        place.grid(alpha=0.3, which="both")
        place.margins(x=0.25, y=0.12)
    left, right = places[0].get_xlim()
    places[0].set_xlim(left / 2.0, right * 2.0)  # our names stand left of their points, the others' right
    _tick_plainly(places)
    _save(figure, path, footer)


def _tick_plainly(places: Sequence[Any]) -> None:
    """Write the ticks of a logarithmic axis as plain numbers: 10, 20, 50, 100 and so on, as far as the axis goes."""
    low, high = places[0].get_xlim()
    ticks = [factor * 10.0**power for power in range(-2, 6) for factor in (1, 2, 5)]
    inside = [tick for tick in ticks if low <= tick <= high]
    for place in places:
        place.set_xticks(inside, [f"{tick:g}" for tick in inside], fontsize=7)
        place.minorticks_off()


def draw_matrices(matrices: Sequence[tuple[str, FloatArray]], path: Path, footer: str, columns: int) -> None:
    """Write a PNG with a square picture for each titled matrix (n, n); the highest values are white."""
    rows = -(-len(matrices) // columns)
    figure, axes = new_figure((2.25 * columns, 0.4 + 2.4 * rows), rows, columns)
    for axis, (title, matrix) in zip(axes, matrices, strict=False):
        low, high = np.quantile(matrix, [0.01, 0.99])
        axis.imshow(matrix, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axis.set_title(title, fontsize=7.5)
        axis.set_xticks([])
        axis.set_yticks([])
    _save(figure, path, footer)


def _save(figure: Any, path: Path, footer: str) -> None:
    """Write the figure with the footer under it, in 64 colours: another run writes the same bytes."""
    from PIL import Image  # matplotlib itself writes PNGs with this package

    width = int(figure.get_figwidth() * 72 / (_FOOTER * 0.62))
    text = "\n".join(fill(line, width) for line in footer.splitlines())
    figure.supxlabel(text, fontsize=_FOOTER, color="0.25", family="monospace")
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=_DPI, format="png")
    picture = Image.open(drawn).convert("RGB")
    picture.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        path, format="PNG", optimize=True
    )
