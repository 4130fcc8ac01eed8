# SPDX-License-Identifier: Apache-2.0
"""The question to a layout, a place where a corpus may lie, and its answer; every layout module uses both."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blsh_trainer.corpora.corpus_entry import SPLITS, Entry
from blsh_trainer.corpora.folders import noise_splits
from blsh_trainer.corpora.splits import Units
from blsh_trainer.errors import BlshError


@dataclass(frozen=True)
class Layout:
    """A recognised corpus: its layout's name, where paths of speech and of noise begin, and its recordings."""

    name: str
    root: Path
    noise_root: Path
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Place:
    """A place where a corpus of `layout` may lie: the folder `given`, and `root` within the folders that wrap it.

    `noise` is a folder of noises, if one was given; `seed` draws the splits that a layout lacks.
    """

    layout: str
    given: Path
    root: Path
    noise: Path | None
    seed: int

    def refuse_noise(self, why: str) -> None:
        """Raise BlshError, with the reason `why`, if a folder of noises was given."""
        if self.noise is not None:
            raise BlshError(f"{self.noise} is given as noise, but {why}; leave out --noise")

    def with_given_noise(self, speakers: Mapping[str, Units]) -> Layout:
        """Return the corpus of `speakers` and of the noises given. BlshError where none were given."""
        if self.noise is None:
            raise BlshError(
                f"{self.given} ({self.layout}) has speech and no noise; give a folder of noises, --noise DIR"
            )
        noises = noise_splits(self.noise, self.noise, self.seed)
        return Layout(self.layout, self.root, self.noise, entries_of("speech", speakers) + entries_of("noise", noises))


Finding = Layout | str
"""A layout, or in words why a place does not have it."""


def entries_of(kind: str, splits: Mapping[str, Units]) -> tuple[Entry, ...]:
    """Return an entry for each recording, in the order of the splits."""
    return tuple(
        Entry(path, kind, split, unit.label)
        for split in SPLITS
        for unit in splits.get(split, {}).values()
        for path in unit.paths
    )
