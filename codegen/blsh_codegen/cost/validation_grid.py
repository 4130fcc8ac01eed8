# SPDX-License-Identifier: Apache-2.0
"""Read the validated quality of an artifact's smaller models from its card: `metrics.grid` (SPEC.md, 10)."""

from math import log2
from typing import Any

import numpy as np

from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel, Model


class ValidationGrid:
    """SI-SDR improvements on the split `valid`, in dB, by code length, masks and entries.

    It is empty, and false, where the artifact has no grid. Raises BlshError for a damaged one.
    """

    def __init__(self, model: AnyModel) -> None:
        self._rows: dict[tuple[str, int], dict[int, float]] = {}
        metrics = model.card.get("metrics", {})
        nested = isinstance(model, Model) and model.nested
        rows: Any = metrics.get("grid", []) if nested and isinstance(metrics, dict) else []
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
        """The code lengths that were validated, longest first."""
        return sorted({bits for _, bits in self._rows}, reverse=True)

    @property
    def mask_kinds(self) -> list[str]:
        """The names of the mask kinds that were validated."""
        return list(dict.fromkeys(masks for masks, _ in self._rows))

    def entries(self, masks: str) -> list[int]:
        """Return the sizes of dictionaries that were validated with masks of the kind `masks`, ascending."""
        return sorted({entries for (kind, _), row in self._rows.items() for entries in row if kind == masks})

    def improvement(self, bits: int, masks: str, entries: int) -> float | None:
        """Return the improvement in dB, interpolated linearly in log(entries), then linearly in bits.

        Below the grid's smallest size or length the line through the smallest two goes on, and never rises; above its
        largest the value stays. None for a mask kind that was not validated.
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
    """Return the value at `place` on the lines through (places, values); beyond the ends as `improvement` says."""
    if place < places[0] and len(places) > 1:
        slope = max(0.0, (values[1] - values[0]) / (places[1] - places[0]))
        return values[0] - slope * (places[0] - place)
    return float(np.interp(place, places, values))
