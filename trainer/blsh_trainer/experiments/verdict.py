"""A bar and whether it is met."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Bar:
    """What is asked, what was measured in words and as JSON values, and whether it is met (None: not measured)."""

    what: str
    told: str
    met: bool | None
    figures: dict[str, Any] = field(default_factory=dict)


def state(bar: Bar) -> str:
    """Return the bar's state in words."""
    return {True: "met", False: "NOT MET", None: "not measured"}[bar.met]
