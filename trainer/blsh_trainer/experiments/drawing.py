"""Pictures of the experiments: one style, readable in grey, small files without times in them."""

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
_FOOTER = 6.5  # points
_COLOURS = 64
_STYLES = (  # colours of different lightness, with markers and dashes for those who print in grey
    {"color": "#0b2a6b", "marker": "o", "linestyle": "-"},
    {"color": "#c1440e", "marker": "s", "linestyle": "-"},
    {"color": "#3f9b6b", "marker": "^", "linestyle": "--"},
    {"color": "#9aa0a6", "marker": "v", "linestyle": "-."},
    {"color": "#d9a400", "marker": "D", "linestyle": ":"},
)


@dataclass(frozen=True)
class Curve:
    """A line of a panel: values (n,) at places (n,), with the deviation (n,) as shading; one place: a level."""

    label: str
    places: FloatArray
    values: FloatArray
    deviations: FloatArray | None = None
    level: bool = False


def draw_curves(
    panels: Mapping[str, Sequence[Curve]],
    path: Path,
    footer: str,
    horizontal: str,
    vertical: str | Sequence[str],
    columns: int = 2,
    logarithmic: bool = True,
    markers: bool = True,
    one_scale: bool = True,
) -> None:
    """Write a PNG with a panel for each title; curves of one label look alike in all of them.

    `vertical`: what is drawn, in all panels or in each. `one_scale`: all panels have the same vertical axis.
    """
    labels = list(dict.fromkeys(curve.label for curves in panels.values() for curve in curves if not curve.level))
    rows = -(-len(panels) // columns)
    figure, axes = new_figure((8.5, 0.6 + 2.9 * rows), rows, columns, sharex=True, sharey=one_scale)
    explained: set[str] = set()
    verticals = [vertical] * len(panels) if isinstance(vertical, str) else vertical
    for axis, what, (title, curves) in zip(axes, verticals, panels.items(), strict=False):
        for curve in curves:
            if curve.level:
                axis.axhline(
                    float(curve.values[0]), color="black", linewidth=1, linestyle=(0, (6, 3)), label=curve.label
                )
                continue
            style: dict[str, Any] = dict(_STYLES[labels.index(curve.label) % len(_STYLES)])
            if not markers:
                style["marker"] = ""
            axis.plot(curve.places, curve.values, label=curve.label, linewidth=1.3, markersize=4, **style)
            if curve.deviations is not None:
                low, high = curve.values - curve.deviations, curve.values + curve.deviations
                axis.fill_between(curve.places, low, high, color=style["color"], alpha=0.18, linewidth=0)
        axis.set_title(title, fontsize=9, loc="left")
        axis.grid(alpha=0.3)
        if logarithmic:
            axis.set_xscale("log")
            ticks = sorted({int(place) for curve in curves if not curve.level for place in curve.places})
            axis.set_xticks(ticks, [str(tick) for tick in ticks], fontsize=7)
            axis.minorticks_off()
        here = {curve.label for curve in curves}
        if not here <= explained:
            axis.legend(fontsize=7, loc="best")
            explained |= here
        axis.set_xlabel(horizontal)
        if one_scale:
            axis.label_outer()
        axis.set_ylabel(what)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    _save(figure, path, footer)


def draw_matrices(matrices: Sequence[tuple[str, FloatArray]], path: Path, footer: str, columns: int) -> None:
    """Write a PNG with a square picture, white being the highest, for each titled matrix (n, n)."""
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
    """Write the picture, in 64 colours, with the footer's lines under it and nothing that another run would change."""
    from PIL import Image  # what matplotlib writes its own PNGs with

    width = int(figure.get_figwidth() * 72 / (_FOOTER * 0.62))
    text = "\n".join(fill(line, width) for line in footer.splitlines())
    figure.supxlabel(text, fontsize=_FOOTER, color="0.25", family="monospace")
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=_DPI, format="png")
    picture = Image.open(drawn).convert("RGB")
    picture.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        path, format="PNG", optimize=True
    )
