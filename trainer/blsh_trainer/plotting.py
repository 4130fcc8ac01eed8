# SPDX-License-Identifier: Apache-2.0
"""Make figures of matplotlib without a display and without a home folder."""

import io
import logging
from typing import Any

from blsh_trainer.arrays import FloatArray


def new_figure(size: tuple[float, float], rows: int, columns: int, **how: Any) -> tuple[Any, list[Any]]:
    """Return a figure of `size` inches and its axes, row by row; `how` goes to matplotlib's `subplots`."""
    _hush()
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False, **how).flat)


def image_png(shares: FloatArray, colours: int) -> bytes:
    """Return a PNG in `colours` colours with a pixel for each of `shares` (rows, columns), 0 to 1; row 0 is lowest."""
    _hush()
    from matplotlib import colormaps  # slow to import
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    how: dict[str, Any] = {"cmap": colormaps["magma"].resampled(colours), "vmin": 0, "vmax": 1, "origin": "lower"}
    how["metadata"] = {"Software": None}
    imsave(buffer, shares, format="png", **how)
    return buffer.getvalue()


def _hush() -> None:
    # Where the home folder cannot be written, matplotlib keeps its caches in a temporary folder and warns at length.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
