# SPDX-License-Identifier: Apache-2.0
"""A bar (a threshold of acceptance) and whether it is met."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Bar:
    """`what` is asked, what was measured (`told` in words, `figures` as JSON values), and whether it is `met`.

    A `met` of None: it was not measured.
    """

    what: str
    told: str
    met: bool | None
    figures: dict[str, Any] = field(default_factory=dict)


def state(bar: Bar) -> str:
    """Return the bar's state in words."""
    return state_of(bar.met)


def state_of(met: bool | None) -> str:
    """Return in words whether a bar is met; None: it was not measured."""
    return {True: "met", False: "NOT MET", None: "not measured"}[met]
