# SPDX-License-Identifier: Apache-2.0
"""Draw the splits that a corpus lacks: by whole speakers, whole noise types, or files."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from blsh_trainer.corpora.corpus_entry import SPLITS

SHARES = {"valid": 0.1, "test": 0.2}
_NAMES = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "dev": "valid", "test": "test"}
_SPLIT_FOLDER = re.compile(rf"({'|'.join(sorted(_NAMES, key=len, reverse=True))})([-_].*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Recordings:
    """Recordings of one speaker or of one noise, which must be in one split; `label` is the speaker or noise type."""

    label: str
    paths: list[str] = field(default_factory=list)


Units = Mapping[str, Recordings]
"""Recordings by a name that is the same on every machine: of the speaker, the noise type or the file."""


def split_of_folder(name: str) -> str | None:
    """Return the split that a folder is named after (`train`, `dev-clean`, `TEST`), or None."""
    match = _SPLIT_FOLDER.fullmatch(name)
    return _NAMES[match[1].lower()] if match else None


def draw_splits(units: Units, seed: int) -> dict[str, Units]:
    """Return `units` in the splits train, valid (a tenth) and test (a fifth), drawn from `seed`.

    A single unit goes to train, two go to train and test.
    """
    return hold_out({"train": units}, seed)


def hold_out(given: Mapping[str, Units], seed: int) -> dict[str, Units]:
    """Return the splits of `given`, with valid and test drawn from its `train` where it lacks them.

    A unit's split depends on the names of the units and `seed` alone, by SHA-256: neither on the order in which a disk
    lists files nor on a library's random numbers.
    """
    splits = dict(given)
    order = sorted(given["train"], key=lambda name: hashlib.sha256(f"{seed}\n{name}".encode()).digest())
    for split in ("test", "valid"):  # test comes first: with few units it is more useful than valid
        if split not in splits and len(order) > 1:
            count = max(1, round(SHARES[split] * len(given["train"])))
            held, order = order[:count], order[count:]
            splits[split] = {name: given["train"][name] for name in held}
    splits["train"] = {name: unit for name, unit in given["train"].items() if name in set(order)}
    return {split: splits[split] for split in SPLITS if split in splits}
