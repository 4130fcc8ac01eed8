# SPDX-License-Identifier: Apache-2.0
"""Count the steps of the firmware's search of small dictionaries, by taking the steps of firmware/core/blsh_rank.h.

All entries are measured. Then their distances are gone through from the least up, as a tree whose branches are the bits
of a distance. The words used here are those of search_work.py.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.search_work import count_code, count_place, count_rows
from blsh_codegen.model.entry_order import zero_bits
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.spec.constants import BLOCK, ModelKind

GROUPS: Final = 4
"""Blocks whose entries are measured together; a dictionary that is ranked has no more."""

RANK_TERMS: Final = (
    # the code, and the sums of planes: the terms of search_work
    "words",
    "planes",
    "padding",
    "limit_bits",
    "narrow_rows",
    "narrow_steps",
    "wide_rows",
    "wide_steps",
    "wide_sums",
    "place_bytes",
    "place_bits",
    "ranked_hops",  # searches
    "ranked_dictionaries",  # dictionaries that are ranked
    "measured_rows",  # rows of sums that become distances
    "measured_levels",  # bits of the distances in these rows
    "splits",  # bits of a distance that entries are split by
    "split_words",  # words, as many as there are lanes at once, that are looked at for entries with a 0
    "moved_words",  # words in which such entries leave the others
    "resumed",  # sets of entries that are gone on with
    "resumed_words",  # words of these sets
    "ranked_sets",  # sets of entries at one distance
    "ranked_blocks",  # blocks in these sets
    "ranked_entries",  # entries that become neighbours
)
"""The steps that are counted, in the order of the columns of `rank_work`."""


def is_ranked(model: IntegerModel) -> bool:
    """Return whether the firmware ranks all entries of the dictionaries of `model`, as it does where they are small."""
    return model.kind is ModelKind.SMALL_VOTES


def rank_work(model: IntegerModel, codes: npt.NDArray[np.bool_], lanes: int) -> npt.NDArray[np.int64]:
    """Return the counts of RANK_TERMS, (T, terms), for searches of `codes` (T, L) in all dictionaries of `model`.

    lanes: words that the core works on at once: 4 with Helium, else 1.
    """
    entries = model.code_bits().reshape(model.dictionaries, model.entries, model.bits)
    return np.stack([_Ranking(model, entries, code, lanes).run() for code in codes])


class _Ranking:
    """One search. entries: bool (G, N, L); code: bool (L,)."""

    def __init__(
        self, model: IntegerModel, entries: npt.NDArray[np.bool_], code: npt.NDArray[np.bool_], lanes: int
    ) -> None:
        self._model, self._code, self._lanes = model, code, lanes
        self._blocks = -(-model.entries // BLOCK)
        self._levels = zero_bits(model.bits) + 1
        self._distances = (entries != code).sum(axis=2)
        self._counts = dict.fromkeys(RANK_TERMS, 0)

    def run(self) -> npt.NDArray[np.int64]:
        """Search, which can be done once, and return the counts of RANK_TERMS."""
        self._counts["ranked_hops"] += 1
        steps = count_code(self._counts, self._code)
        at_once = GROUPS // self._blocks
        for first in range(0, self._model.dictionaries, at_once):
            count = min(at_once, self._model.dictionaries - first)
            rows = -(-count * self._blocks // self._lanes)
            count_rows(self._counts, rows, 0, self._code, steps)
            self._counts["measured_rows"] += rows
            self._counts["measured_levels"] += rows * self._levels
            for number in range(count):
                self._rank(self._distances[first + number], number * self._blocks)
        return np.array([self._counts[term] for term in RANK_TERMS], np.int64)

    def _rank(self, distances: npt.NDArray[np.int64], first: int) -> None:
        """Rank the entries of one dictionary, whose words begin at `first` of those measured together."""
        begin = first // self._lanes * self._lanes
        words = -(-(first + self._blocks - begin) // self._lanes)
        counts = self._counts
        counts["ranked_dictionaries"] += 1
        wanted = self._model.neighbours
        waiting = [(self._levels, np.arange(len(distances)))]
        while True:
            level, chosen = waiting.pop()
            for bit in range(level - 1, -1, -1):
                ones = distances[chosen] >> bit & 1 == 1
                counts["splits"] += 1
                counts["split_words"] += words
                if ones.all():
                    continue
                counts["moved_words"] += words
                if ones.any():
                    waiting.append((bit, chosen[ones]))
                chosen = chosen[~ones]
            taken = chosen[:wanted]
            counts["ranked_sets"] += 1
            counts["ranked_blocks"] += int(taken[-1]) // BLOCK + 1 if len(taken) == wanted else self._blocks
            counts["ranked_entries"] += len(taken)
            for place in (taken % BLOCK).tolist():
                count_place(counts, place)
            wanted -= len(taken)
            if wanted == 0:
                return
            counts["resumed"] += 1
            counts["resumed_words"] += words
            count_place(counts, waiting[-1][0])
