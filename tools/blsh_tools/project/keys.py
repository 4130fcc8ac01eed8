# SPDX-License-Identifier: Apache-2.0
"""Every table and key of blsh.toml, with the kind of its value."""

from typing import Final

from blsh_tools.options import numbers_in_range as ranges
from blsh_tools.project.values import (
    BOARD,
    FLAG,
    GEOMETRY,
    LIMIT,
    SIZE,
    TEXT,
    TEXTS,
    Kind,
    number,
    of_model,
    one_of,
    whole,
)

TRAINING: Final = {
    "name": TEXT,
    "seed": whole(ranges.SEED),
    "passes": whole(ranges.COUNT),
    "steps": whole(ranges.COUNT),
    "projections": whole(ranges.BITS),
    "thresholds": whole(ranges.COUNT),
    "dictionaries": whole(ranges.COUNT),
    "entries": whole(ranges.ENTRIES),
    "neighbours": whole(ranges.NEIGHBOURS),
    "start_odds": number(ranges.RULE_ODDS),
    "steady_odds": number(ranges.RULE_ODDS),
    "shift_odds": number(ranges.SHIFT_ODDS),
    "floor_db": number(ranges.FLOOR_DB),
    "hearing": number(ranges.LOSS_WEIGHT),
    "clarity": number(ranges.LOSS_WEIGHT),
}
"""Options of `blsh train` by their names there; those of a model's tuning have a table of their own."""

SIZES: Final = {
    "entries": whole(ranges.ENTRIES),
    "share": number(ranges.SHARE),
    "bits": whole(ranges.BITS),
    "masks": one_of("bands1", "bands2"),
    "neighbours": whole(ranges.NEIGHBOURS),
}
"""Options of `blsh generate` that say how much of a model is used."""
BUDGETS: Final = {"board": BOARD, "flash": SIZE, "ram": SIZE, "mips": number(ranges.MIPS)}

OUTPUTS: Final = {
    "model": TEXT,
    "generated": TEXT,
    "library": TEXT,
    "image": TEXT,
    "proof": TEXT,
    "denoised": TEXT,
    "report": TEXT,
}
"""The places of the outputs, and so the targets of `blsh run`, in the order in which they are made."""

KEYS: Final[dict[str, dict[str, Kind]]] = {
    "model": {"from": TEXT, "corpora": TEXTS, "noise": TEXT, "without": TEXTS, "class": GEOMETRY},
    "training": {**TRAINING, "device": one_of("cpu", "gpu"), "jobs": whole(ranges.JOBS)},
    "tuning": {
        "attenuation": LIMIT,
        "smoothing": of_model(whole(ranges.SMOOTHING)),
        "smoothing_down": of_model(whole(ranges.SMOOTHING)),
    },
    "firmware": {**BUDGETS, **SIZES, "slots": FLAG},
    "outputs": {**OUTPUTS, "prefix": TEXT},
    "proof": {"minutes": number(ranges.MINUTES), "corpus": TEXT},
    "report": {"corpus": TEXT, "scores": TEXT},
    "examples": {"recordings": TEXTS, "engine": one_of("fixed", "float")},
}
