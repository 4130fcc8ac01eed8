# SPDX-License-Identifier: Apache-2.0
"""A recipe of recorded mixtures: pairs of clean and noisy recordings, each at its own level and SNR."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.corpora.mixing import NamedMixture, recorded_mixture
from blsh_trainer.errors import BlshError


@dataclass(frozen=True)
class RecordedMixtures:
    """`count` recorded mixtures of a paired corpus's split (None: all), in an order drawn from `seed`.

    Nothing is scaled. Every mixture has the SNR at which it was recorded, so figures are taken over all SNRs
    (Evaluation.values).
    BlshError for a corpus without recorded mixtures, or a count below 1 or above the split's.
    """

    corpus: Corpus
    split: str = "test"
    count: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.corpus.paired:
            raise BlshError(
                f"corpus {self.corpus.place} has no recorded mixtures (layout {self.corpus.layout}); "
                "give one of clean and noisy pairs, as VoiceBank-DEMAND is"
            )
        known = len(self.corpus.select("speech", self.split))
        if self.count is not None and not 1 <= self.count <= known:
            raise BlshError(f"{self.count} mixtures asked for; split {self.split!r} has {known}, choose 1 to {known}")

    @cached_property
    def pairs(self) -> tuple[tuple[Entry, Entry], ...]:
        """The utterances, each with the noise that it was recorded with."""
        speech = self.corpus.select("speech", self.split)
        source_of = {(entry.part, entry.minus): entry for entry in self.corpus.select("noise", self.split)}
        order = np.random.default_rng(self.seed).permutation(len(speech))[: self.count]
        return tuple((speech[at], source_of[speech[at].part, speech[at].path]) for at in order)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> NamedMixture:
        return recorded_mixture(self.corpus, f"{self.split}-{index:04d}", *self.pairs[index])

    def __iter__(self) -> Iterator[NamedMixture]:
        return (self[index] for index in range(len(self)))

    def describe(self) -> dict[str, Any]:
        """Return the recipe as JSON values."""
        return {
            "protocol": "recorded",
            "corpus": self.corpus.name,
            "split": self.split,
            "mixtures": len(self),
            "seed": self.seed,
            "paths": [self.corpus.listed(speech) for speech, _ in self.pairs],
        }
