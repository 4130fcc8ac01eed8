# SPDX-License-Identifier: Apache-2.0
"""Count the steps of the firmware's search for given codes, by taking the same steps as firmware/core/blsh_search.c.

The search is exact, whatever blocks it skips, so its cost depends on the dictionary and on the code. These counts,
each times what one such step costs on a core (`measured_costs`), are the instructions of the stage `neighbours`.

Words used here. A *block* is 32 entries, a *group* 32 blocks, a *span* up to four groups. A *word* holds one bit of
each entry of a block, or of each block of a group; a core works on as many words at once as it has *lanes*. A *plane*
is one bit of all codes, and a *row* is one sum of planes: of the centres of a group's blocks, or of a block's entries.
"""

from bisect import bisect_left
from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.entry_order import zero_bits
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.spec.constants import BLOCK, LONG_CODE_BITS

_SPAN_BLOCKS: Final = 4 * BLOCK
_STEP: Final = 8
"""Planes that are added in one step."""

_COARSE: Final = 3
"""Lowest bits of a bound that the order of visits leaves out."""

_INDEX_BITS: Final = 23
_INDEX_TOP: Final = (1 << _INDEX_BITS) - 1
"""A neighbour is one number: its distance, then this many bits of its index. So numbers sort as neighbours do."""

SEARCH_TERMS: Final = (
    # the code
    "hops",  # searches
    "words",  # words that hold the code
    "planes",  # planes to add in each row: of the code's ones or of its zeros, whichever are fewer
    "padding",  # planes that are missing to a whole number of steps
    "neighbours",  # neighbours asked for, K
    # the bounds of a span's blocks
    "spans",  # spans
    "bounds",  # words of blocks whose bounds are computed together
    "bound_levels",  # bits of the bounds in these words
    "slack_levels",  # bits of the radii that are taken off the bounds
    # the choice of the blocks to visit next
    "tiers",  # searches for the smallest bound among the blocks that are left
    "tier_levels",  # bits looked at in these searches
    "tier_moves",  # bits, among those looked at, at which only the nearer blocks stay
    "edges",  # bits of the bounds that are compared with the distance of the K-th neighbour
    # the visits
    "blocks",  # blocks that are visited
    "visits",  # visits, each of as many blocks as there are lanes
    "short_visits",  # visits that find an entry near enough in a block, or with a lane, that is not full
    "limit_bits",  # ones in the numbers that sums are compared with
    "narrow_rows",  # rows of codes shorter than LONG_CODE_BITS
    "narrow_steps",  # steps that add planes to narrow rows
    "wide_rows",  # rows of longer codes
    "wide_steps",  # steps that add planes to wide rows
    "wide_sums",  # sums of the carries of four wide steps
    # the entries that are near enough
    "takes",  # visits that find a near entry
    "take_turns",  # bits of the distances that each take prepares once
    "take_rounds",  # distances at which a take finds entries
    "take_levels",  # bits looked at to find the distances
    "take_moves",  # bits, among those looked at, at which only the nearer entries stay
    "take_blocks",  # blocks with entries at the distances found
    "taken",  # entries compared with the neighbours that are already found
    "shifts",  # neighbours moved to make room for entries
    # the place of the lowest set bit of a word, where a core has no instruction that counts zeros
    "place_bytes",  # whole bytes of zeros skipped
    "place_bits",  # single bits skipped after the bytes
)
"""The steps that are counted, in the order of the columns of `search_work`. costs.json holds the cost of each."""


def search_work(model: IntegerModel, codes: npt.NDArray[np.bool_], lanes: int) -> npt.NDArray[np.int64]:
    """Return the counts of SEARCH_TERMS, (T, terms), for searches of `codes` (T, L) in the dictionary of `model`.

    lanes: words that the core works on at once: 4 with Helium, else 1. The counts are those of all dictionaries.
    """
    dictionaries = [Dictionary(model, number) for number in range(model.dictionaries)]
    works = [[Search(each, code, lanes).run() for code in codes] for each in dictionaries]
    summed: npt.NDArray[np.int64] = np.sum(works, axis=0, dtype=np.int64)
    return summed


def count_code(counts: dict[str, int], code: npt.NDArray[np.bool_]) -> int:
    """Count the reading of a code, bool (L,), into `counts`; return the steps in which each row's planes are added."""
    adds_ones = 2 * int(code.sum()) <= len(code)
    added = np.flatnonzero(code == adds_ones)
    steps = max(1, -(-len(added) // _STEP))
    counts["words"] += -(-len(code) // 32)
    counts["planes"] += len(added)
    counts["padding"] += _STEP * steps - len(added)
    for bit in added.tolist():
        count_place(counts, bit % BLOCK)
    return steps


def count_place(counts: dict[str, int], place: int) -> None:
    """Count the search for a word's lowest one, at bit `place`."""
    counts["place_bytes"] += place // 8
    counts["place_bits"] += place % 8


def count_rows(counts: dict[str, int], rows: int, distance: int, code: npt.NDArray[np.bool_], steps: int) -> None:
    """Count `rows` rows, of `steps` steps each, whose sums for `code` are compared with `distance`."""
    bits, ones = len(code), int(code.sum())
    limit = ones + bits + 1 - distance if 2 * ones <= bits else bits - ones + distance
    counts["limit_bits"] += rows * limit.bit_count()
    width = "wide" if bits >= LONG_CODE_BITS else "narrow"
    counts[f"{width}_rows"] += rows
    counts[f"{width}_steps"] += rows * steps
    if width == "wide":
        counts["wide_sums"] += rows * -(-steps // 4)


class Dictionary:
    """The data that all searches of one dictionary share, the first one of `model` or dictionary `number`.

    padded: bool (32 B, L), the codes of all blocks, zeros behind the last entry. centres: bool (B, L), and slack:
    int (B,), R less the radius of each block, so that no entry is nearer to a code than
    |code - centre| + slack - R bits.
    """

    def __init__(self, model: IntegerModel, number: int = 0) -> None:
        self.number, self.bits, self.neighbours, self.entries = number, model.bits, model.neighbours, model.entries
        self.blocks = -(-model.entries // BLOCK)
        padded = np.zeros((self.blocks * BLOCK, model.bits), np.bool_)
        padded[: model.entries] = model.code_bits()[number * model.entries : (number + 1) * model.entries]
        self.padded = padded
        groups = -(-self.blocks // BLOCK)
        bounds = model.bounds[number * groups : (number + 1) * groups]
        rows = np.unpackbits(bounds.astype("<u4").view(np.uint8), axis=1, bitorder="little")
        by_block = rows.reshape(groups, -1, BLOCK).transpose(0, 2, 1).reshape(-1, bounds.shape[1])
        self.radius = model.radius
        self.slack_bits = self.radius.bit_length()
        self.slack = by_block[: self.blocks, : self.slack_bits] @ (1 << np.arange(self.slack_bits, dtype=np.int64))
        self.levels = zero_bits(self.bits)
        self.centres = by_block[: self.blocks, self.slack_bits + self.levels : -1].astype(np.bool_)


class Search:
    """One search. code: bool (L,)."""

    def __init__(self, dictionary: Dictionary, code: npt.NDArray[np.bool_], lanes: int) -> None:
        self.of, self.lanes = dictionary, lanes
        self.counts = dict.fromkeys(SEARCH_TERMS, 0)
        distances = (dictionary.padded != code).sum(axis=1)
        distances[dictionary.entries :] = 2 * dictionary.bits + 1  # a place without an entry: beyond any limit
        self.distances = distances.reshape(dictionary.blocks, BLOCK)
        self.nearest_of = self.distances.min(axis=1).tolist()
        self.bounds = (dictionary.slack + (dictionary.centres != code).sum(axis=1)).tolist()
        self.code = code
        self.steps = count_code(self.counts, code)
        if dictionary.number > 0:  # the code was read before the first dictionary
            self.counts = dict.fromkeys(SEARCH_TERMS, 0)
        self.near: list[int] = []

    def run(self) -> npt.NDArray[np.int64]:
        """Search, which can be done once, and return the counts of SEARCH_TERMS."""
        self._count("hops", 1)
        self._count("neighbours", self.of.neighbours)
        for first in range(0, self.of.blocks, _SPAN_BLOCKS):
            self._search_span(first, min(first + _SPAN_BLOCKS, self.of.blocks))
        return np.array([self.counts[term] for term in SEARCH_TERMS], np.int64)

    def neighbours(self) -> list[tuple[int, int]]:
        """Return (index, distance) of the neighbours found, nearest first."""
        return [(entry & _INDEX_TOP, entry >> _INDEX_BITS) for entry in self.near]

    def _count(self, term: str, count: int) -> None:
        self.counts[term] += count

    def _count_place(self, place: int) -> None:
        count_place(self.counts, place)

    def _count_rows(self, rows: int, distance: int) -> None:
        count_rows(self.counts, rows, distance, self.code, self.steps)

    @property
    def _last(self) -> int:
        """The K-th neighbour, or the farthest that there can be while fewer are found."""
        return self.near[-1] if len(self.near) == self.of.neighbours else (self.of.bits << _INDEX_BITS) + _INDEX_TOP

    def _search_span(self, first: int, end: int) -> None:
        """Bound the blocks `first` to `end` - 1, and visit those that may hold a neighbour, the nearest ones first."""
        self._count_bounds(-(-(end - first) // BLOCK))
        left, batch, visited = list(range(first, end)), list[int](), list[int]()
        while left:
            near, left = self._next_tier(left)
            for block in near:
                self._count_place((block - first) % BLOCK)
                batch.append(block)
                visited.append(block)
                if len(batch) == self.lanes:
                    self._visit(batch, min(batch))
                    batch = []
        if batch:
            self._visit(batch, min(*batch, visited[0]))  # the first block visited fills the idle lanes

    def _count_bounds(self, groups: int) -> None:
        words = -(-groups // self.lanes)
        self._count_rows(words, 0)
        self._count("spans", 1)
        self._count("bounds", words)
        self._count("bound_levels", words * (self.of.levels + 1))
        self._count("slack_levels", words * self.of.slack_bits)

    def _next_tier(self, left: list[int]) -> tuple[list[int], list[int]]:
        """Split the blocks `left` in those to visit now, all of about the smallest bound, and those for later."""
        nearest = min(self.bounds[block] for block in left) >> _COARSE
        levels = self.of.levels + 1 - _COARSE
        self._count("tiers", 1)
        self._count("tier_levels", levels)
        self._count("tier_moves", levels - nearest.bit_count())
        edge, index = self.of.radius + (self._last >> _INDEX_BITS), self._last & _INDEX_TOP
        if (nearest + 1) << _COARSE > edge:  # no later tier can hold a neighbour
            self._count("edges", _SPAN_BLOCKS // BLOCK // self.lanes * (self.of.levels + 1))
            return [b for b in left if self.bounds[b] < edge or (self.bounds[b] == edge and BLOCK * b < index)], []
        near = [block for block in left if self.bounds[block] >> _COARSE == nearest]
        return near, [block for block in left if self.bounds[block] >> _COARSE != nearest]

    def _visit(self, batch: list[int], lowest: int) -> None:
        """Compare the entries of the blocks `batch`. lowest: the first of the blocks in all lanes."""
        limit = (self._last + _INDEX_TOP - BLOCK * lowest) >> _INDEX_BITS
        self._count("visits", 1)
        self._count("blocks", len(batch))
        self._count_rows(1, limit)
        if any(self.nearest_of[block] < limit for block in batch):
            self._count("short_visits", len(batch) < self.lanes or self.of.entries % BLOCK != 0)
            self._take(batch, limit)

    def _take(self, batch: list[int], limit: int) -> None:
        """Take the entries nearer than `limit`: by distance, then by lane."""
        bits = ((self._last >> _INDEX_BITS) | 1).bit_length()
        self._count("takes", 1)
        self._count("take_turns", bits)
        by_distance: dict[int, dict[int, list[int]]] = {}
        for lane, block in enumerate(batch):
            distances = self.distances[block]
            for place in np.flatnonzero(distances < limit).tolist():
                by_distance.setdefault(int(distances[place]), {}).setdefault(lane, []).append(place)
        for distance in sorted(by_distance):
            number = distance - limit + (1 << bits)
            self._count("take_rounds", 1)
            self._count("take_levels", bits)
            self._count("take_moves", bits - number.bit_count())
            for lane, places in sorted(by_distance[distance].items()):
                self._count("take_blocks", 1)
                self._insert_all((distance << _INDEX_BITS) + BLOCK * batch[lane], places)
            if self._last >> _INDEX_BITS < distance + 1:
                return

    def _insert_all(self, first: int, places: list[int]) -> None:
        """Insert the entries at `places` of a block whose first one, at this distance, would be `first`."""
        for place in places:
            self._count_place(place)
            self._count("taken", 1)
            entry = first + place
            if entry >= self._last:
                return
            at = bisect_left(self.near, entry)
            full = len(self.near) == self.of.neighbours
            self._count("shifts", len(self.near) - full - at)
            self.near.insert(at, entry)
            del self.near[self.of.neighbours :]
