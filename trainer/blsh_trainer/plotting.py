# SPDX-License-Identifier: Apache-2.0
"""Make figures of matplotlib without a display and without a home folder."""

import logging
from typing import Any


def new_figure(size: tuple[float, float], rows: int, columns: int, **how: Any) -> tuple[Any, list[Any]]:
    """Return a figure of `size` inches and its axes, row by row; `how` goes to matplotlib's `subplots`."""
    # Where the home folder cannot be written, matplotlib keeps its caches in a temporary folder and warns at length.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False, **how).flat)
