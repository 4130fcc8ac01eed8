"""The quality of an artifact's smaller models, as its card knows it: `metrics.grid` (SPEC.md, 10)."""

from math import log2
from typing import Any

import numpy as np

from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model


class ValidationGrid:
    """Improvements on `valid`, in dB, over code length, masks and entries; empty where the artifact has none.

    BlshError for a grid that is none.
    """

    def __init__(self, model: Model) -> None:
        self._rows: dict[tuple[str, int], dict[int, float]] = {}
        metrics = model.card.get("metrics", {})
        rows: Any = metrics.get("grid", []) if model.nested and isinstance(metrics, dict) else []
        try:
            for row in rows:
                entries, improvement = int(row["dictionary_entries"]), float(row["mean_improvement_db"])
                if not (np.isfinite(improvement) and entries >= 1):
                    raise ValueError(f"{entries} entries with {improvement} dB")
                self._rows.setdefault((str(row["mask_kind"]), int(row["bits"])), {})[entries] = improvement
        except (KeyError, TypeError, ValueError) as error:
            raise BlshError(f"metrics.grid on the card of {model.name} is damaged ({error}); train it again") from error

    def __bool__(self) -> bool:
        return bool(self._rows)

    @property
    def lengths(self) -> list[int]:
        """Code lengths that were validated, longest first."""
        return sorted({bits for _, bits in self._rows}, reverse=True)

    @property
    def mask_kinds(self) -> list[str]:
        """Mask kinds that were validated."""
        return list(dict.fromkeys(masks for masks, _ in self._rows))

    def entries(self, masks: str) -> list[int]:
        """Sizes of dictionaries that were validated with such masks."""
        return sorted({entries for (kind, _), row in self._rows.items() for entries in row if kind == masks})

    def improvement(self, bits: int, masks: str, entries: int) -> float | None:
        """The improvement in dB: on the line over log N between two dictionaries, then over L between two lengths.

        Beyond the ends of the grid it goes on as its first two say towards less, and stays towards more. None for
        masks that were never validated.
        """
        lengths = sorted(length for kind, length in self._rows if kind == masks)
        if not lengths:
            return None
        found = []
        for length in lengths:
            row = sorted(self._rows[masks, length].items())
            found.append(_on_line([log2(size) for size, _ in row], [value for _, value in row], log2(entries)))
        return _on_line([float(length) for length in lengths], found, float(bits))


def _on_line(places: list[float], values: list[float], place: float) -> float:
    """The value at `place` on the line through (places, values); see `improvement` for what lies beyond."""
    if place < places[0] and len(places) > 1:
        slope = max(0.0, (values[1] - values[0]) / (places[1] - places[0]))
        return values[0] - slope * (places[0] - place)
    return float(np.interp(place, places, values))
