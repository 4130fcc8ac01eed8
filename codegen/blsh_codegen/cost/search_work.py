"""What a search of the firmware does for given codes, counted: the same steps as firmware/core/blsh_search.c takes.

The search is exact whatever it skips, so what it costs depends on the dictionary and the code. The counts here, times
what each costs on a core (`costs`), are the instructions of the stage `neighbours`.
"""

from bisect import bisect_left
from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.entry_order import zero_bits
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.spec.constants import BLOCK, LONG_CODE_BITS

_GROUPS: Final = 4  # of 32 blocks, bounded at once
_STEP: Final = 8
_COARSE: Final = 3
_INDEX_BITS: Final = 23
_INDEX_TOP: Final = (1 << _INDEX_BITS) - 1

SEARCH_TERMS: Final = (
    "hops",
    "words",  # of the code
    "planes",  # of its ones, or its zeros
    "padding",  # planes, to whole steps
    "neighbours",  # K
    "spans",  # of four groups
    "bounds",  # of a word's blocks, found together
    "bound_levels",
    "slack_levels",  # of these, where a radius is added
    "tiers",  # looks for the least bound that is left
    "tier_levels",
    "tier_moves",  # of these levels, where a smaller bound was left
    "edges",  # levels of bounds compared with the K-th distance
    "blocks",  # that are visited
    "visits",  # of a block, or of as many as there are lanes
    "short_visits",  # with an entry near enough, where some may not exist
    "limit_bits",  # ones of what was counted is compared with
    "narrow_rows",  # counted, of bounds and of visits
    "narrow_steps",  # of eight planes
    "wide_rows",
    "wide_steps",
    "wide_sums",  # of what four steps carry
    "takes",  # visits with an entry near enough
    "take_turns",  # levels, once
    "take_rounds",  # distances in these
    "take_levels",
    "take_moves",
    "take_blocks",  # blocks with entries at such a distance
    "taken",  # entries
    "shifts",  # of the list of neighbours
    "place_bytes",  # steps of blsh_lowest_one where a core cannot count zeros
    "place_bits",
)
"""What is counted, in the order of the columns of `search_work`."""

_AT: Final = {name: column for column, name in enumerate(SEARCH_TERMS)}


def search_work(model: IntegerModel, codes: npt.NDArray[np.bool_], lanes: int) -> npt.NDArray[np.int64]:
    """The counts of SEARCH_TERMS, (T, terms), when `codes` (T, L) are looked for in the dictionary of `model`.

    lanes: words that the core works on at once, 1, or 4 with Helium.
    """
    dictionary = Dictionary(model)
    return np.stack([Search(dictionary, code, lanes).run() for code in codes])


class Dictionary:
    """What all searches of a model share."""

    def __init__(self, model: IntegerModel) -> None:
        self.bits, self.neighbours, self.entries = model.bits, model.neighbours, model.entries
        self.blocks = -(-model.entries // BLOCK)
        padded = np.zeros((self.blocks * BLOCK, model.bits), np.bool_)
        padded[: model.entries] = model.code_bits()
        self.padded = padded
        rows = np.unpackbits(model.bounds.astype("<u4").view(np.uint8), axis=1, bitorder="little")
        by_block = rows.reshape(len(model.bounds), -1, BLOCK).transpose(0, 2, 1).reshape(-1, model.bounds.shape[1])
        self.radius = model.radius
        self.slack_bits = self.radius.bit_length()
        self.slack = by_block[: self.blocks, : self.slack_bits] @ (1 << np.arange(self.slack_bits, dtype=np.int64))
        self.levels = zero_bits(self.bits)
        self.rows = "narrow" if self.bits < LONG_CODE_BITS else "wide"
        self.centres = by_block[: self.blocks, self.slack_bits + self.levels : -1].astype(np.bool_)


class Search:
    """One search, in the words of blsh_search.c."""

    def __init__(self, dictionary: Dictionary, code: npt.NDArray[np.bool_], lanes: int) -> None:
        self.of, self.lanes = dictionary, lanes
        self.work = np.zeros(len(SEARCH_TERMS), np.int64)
        distances = (dictionary.padded != code).sum(axis=1)
        distances[dictionary.entries :] = 2 * dictionary.bits + 1  # beyond any limit: they do not exist
        self.distances = distances.reshape(dictionary.blocks, BLOCK)
        self.nearest_of = self.distances.min(axis=1).tolist()
        self.bounds = (dictionary.slack + (dictionary.centres != code).sum(axis=1)).tolist()
        self.ones = int(code.sum())
        self.turned = 2 * self.ones <= dictionary.bits
        counted = np.flatnonzero(code == self.turned)
        self.steps = max(1, -(-len(counted) // _STEP))
        self._add(planes=len(counted), padding=_STEP * self.steps - len(counted))
        for bit in counted.tolist():
            self._place(bit % BLOCK)
        self.near: list[int] = []

    def run(self) -> npt.NDArray[np.int64]:
        """Do it, once; returns the counts of SEARCH_TERMS."""
        of = self.of
        self._add(hops=1, words=-(-of.bits // 32), neighbours=of.neighbours)
        for first in range(0, of.blocks, _GROUPS * BLOCK):
            self._span(first, min(first + _GROUPS * BLOCK, of.blocks))
        return self.work

    def neighbours(self) -> list[tuple[int, int]]:
        """(index, distance) of what was found, nearest first."""
        return [(entry & _INDEX_TOP, entry >> _INDEX_BITS) for entry in self.near]

    def _add(self, **counts: int) -> None:
        for name, count in counts.items():
            self.work[_AT[name]] += count

    @property
    def _last(self) -> int:
        """The K-th neighbour, or what stands for it until it is found."""
        return self.near[-1] if len(self.near) == self.of.neighbours else (self.of.bits << _INDEX_BITS) + _INDEX_TOP

    def _count_rows(self, rows: int, distance: int) -> None:
        limit = self.ones + self.of.bits + 1 - distance if self.turned else self.of.bits - self.ones + distance
        self._add(limit_bits=rows * limit.bit_count())
        self._add(**{f"{self.of.rows}_rows": rows, f"{self.of.rows}_steps": rows * self.steps})
        if self.of.rows == "wide":
            self._add(wide_sums=rows * -(-self.steps // 4))

    def _span(self, first: int, end: int) -> None:
        """Up to four groups of blocks."""
        of, lanes = self.of, self.lanes
        groups = -(-(end - first) // BLOCK)
        words = -(-groups // lanes)
        self._count_rows(words, 0)
        self._add(spans=1, bounds=words, bound_levels=words * (of.levels + 1), slack_levels=words * of.slack_bits)
        left, batch, visited = list(range(first, end)), list[int](), list[int]()
        while left:
            nearest = min(self.bounds[block] for block in left) >> _COARSE
            levels = of.levels + 1 - _COARSE
            self._add(tiers=1, tier_levels=levels, tier_moves=levels - nearest.bit_count())
            edge, index = of.radius + (self._last >> _INDEX_BITS), self._last & _INDEX_TOP
            last = (nearest + 1) << _COARSE > edge
            if last:
                self._add(edges=(_GROUPS // lanes) * (of.levels + 1))
                near = [b for b in left if self.bounds[b] < edge or (self.bounds[b] == edge and BLOCK * b < index)]
            else:
                near = [block for block in left if self.bounds[block] >> _COARSE == nearest]
            left = [] if last else [block for block in left if self.bounds[block] >> _COARSE != nearest]
            for block in near:
                self._place((block - first) % BLOCK)
                batch.append(block)
                visited.append(block)
                if len(batch) == lanes:
                    self._visit(batch, min(batch))
                    batch = []
        if batch:
            self._visit(batch, min(*batch, visited[0]))  # which fills the lanes

    def _place(self, place: int) -> None:
        self.work[_AT["place_bytes"]] += place // 8
        self.work[_AT["place_bits"]] += place % 8

    def _visit(self, batch: list[int], lowest: int) -> None:
        """Of blocks of which, with what fills the lanes, `lowest` comes first."""
        limit = (self._last + _INDEX_TOP - BLOCK * lowest) >> _INDEX_BITS
        self._add(visits=1, blocks=len(batch))
        self._count_rows(1, limit)
        if any(self.nearest_of[block] < limit for block in batch):
            self._add(short_visits=len(batch) < self.lanes or self.of.entries % BLOCK != 0)
            self._take(batch, limit)

    def _take(self, batch: list[int], limit: int) -> None:
        """Distances in ascending order, the lanes of each in theirs."""
        bits = ((self._last >> _INDEX_BITS) | 1).bit_length()
        self._add(takes=1, take_turns=bits)
        by_distance: dict[int, dict[int, list[int]]] = {}
        for lane, block in enumerate(batch):
            distances = self.distances[block]
            for place in np.flatnonzero(distances < limit).tolist():
                by_distance.setdefault(int(distances[place]), {}).setdefault(lane, []).append(place)
        for distance in sorted(by_distance):
            number = distance - limit + (1 << bits)
            self._add(take_rounds=1, take_levels=bits, take_moves=bits - number.bit_count())
            for lane, places in sorted(by_distance[distance].items()):
                self._add(take_blocks=1)
                self._insert_all((distance << _INDEX_BITS) + BLOCK * batch[lane], places)
            if self._last >> _INDEX_BITS < distance + 1:
                return

    def _insert_all(self, first: int, places: list[int]) -> None:
        for place in places:
            self._place(place)
            self._add(taken=1)
            entry = first + place
            if entry >= self._last:
                return
            at = bisect_left(self.near, entry)
            full = len(self.near) == self.of.neighbours
            self._add(shifts=len(self.near) - full - at)
            self.near.insert(at, entry)
            del self.near[self.of.neighbours :]
