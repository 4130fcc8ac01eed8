# SPDX-License-Identifier: Apache-2.0
"""Options that name the geometry of a model: by its latency and rate, or by its four numbers."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from blsh_tools.options.numbers_in_range import RATE_HZ
from blsh_trainer.errors import BlshError

if TYPE_CHECKING:  # the commands import their modules when they run, so that `blsh --help` is quick
    from blsh_trainer.signals.geometry import Geometry

PANEL = "Latency and rate"

Latency = Annotated[
    str | None,
    typer.Option(
        help="Latency of the model: 64ms, 32ms, 16ms or 8ms [default: 64ms; at 8000 Hz 32ms].", rich_help_panel=PANEL
    ),
]
Rate = Annotated[int | None, RATE_HZ.option("Samples a second: 16000 or 8000 [default: 16000].", panel=PANEL)]
GeometryText = Annotated[
    str | None,
    typer.Option(
        "--geometry",
        help="RATE/WINDOW/HOP/SYNTHESIS in Hz and samples, as 16000/512/128/256, or a class: recorder, intercom, "
        "headset, hearing or phone.",
        rich_help_panel=PANEL,
    ),
]


def chosen_geometry(latency: str | None, rate: int | None, geometry: str | None) -> "Geometry | None":
    """Return the geometry that the three options name, None where none of them is given.

    A rate without a latency takes the first class of that rate. BlshError for text that is no latency, for a latency or
    a rate that no class has, and for --geometry beside another of them.
    """
    from blsh_trainer.signals.geometry import CLASSES, RECORDER, class_of_latency, parse_geometry

    if geometry is not None:
        for flag, value in (("--latency", latency), ("--rate", rate)):
            if value is not None:
                raise BlshError(f"--geometry {geometry} with {flag} {value}; give one of the two")
        return parse_geometry(geometry)
    if latency is not None:
        return class_of_latency(_milliseconds(latency), rate or RECORDER.rate_hz)
    if rate is None:
        return None
    found = next((each for each in CLASSES.values() if each.rate_hz == rate), None)
    if found is None:
        known = ", ".join(str(each) for each in sorted({each.rate_hz for each in CLASSES.values()}))
        raise BlshError(f"--rate {rate}; choose one of {known}")
    return found


def _milliseconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(?:ms)?", text.strip())
    if found is None:
        raise BlshError(f"--latency {text!r}; give milliseconds, as 16ms")
    return float(found[1])
