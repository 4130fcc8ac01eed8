# SPDX-License-Identifier: Apache-2.0
"""A bar with what it asks for, its stretch, and its line in a table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from blsh_trainer.experiments.verdict import state_of

HEADER: Final = ("state", "bar", "asked", "measured", "stretch", "reached")


@dataclass(frozen=True)
class Demand:
    """A bar and its stretch, a harder bar ("" where it has none), with what was measured, in words.

    met, reached: whether the bar is met and the stretch reached; None: not measured, or no stretch.
    """

    what: str
    asked: str
    stretch: str
    told: str
    met: bool | None
    reached: bool | None = None
    figures: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the bar as JSON values."""
        return asdict(self)


def bar_rows(bars: Sequence[Demand]) -> list[list[str]]:
    """Return the lines of a table with the columns HEADER."""
    return [
        [state_of(bar.met), bar.what, bar.asked, bar.told, bar.stretch, state_of(bar.reached) if bar.stretch else ""]
        for bar in bars
    ]


def absent(*names: str) -> str:
    """Return in words that the classes `names` have no models, so that a bar of theirs cannot be judged."""
    return f"not measured: no model of {' and '.join(names)}"
