"""What a search of the firmware does for given codes, counted: the same steps as firmware/core/blsh_search.c takes.

The search is exact whatever it skips, so what it costs depends on the dictionary and the code. The counts here, times
what each costs on a core (`costs`), are the instructions of the stage `neighbours`.
"""

from bisect import bisect_left
from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.blocks import BLOCK
from blsh_codegen.quantise import IntegerModel

_GROUPS: Final = 4  # of 32 blocks, bounded at once
_STEP: Final = 8
_LOW: Final = 3
_NARROW: Final = 5
_MEDIUM: Final = 7
_WIDE: Final = 10
_INDEX_BITS: Final = 23
_INDEX_TOP: Final = (1 << _INDEX_BITS) - 1

SEARCH_TERMS: Final = (
    "hops",
    "bits",  # of the code
    "neighbours",  # K
    "spans",  # of four groups
    "bounds",  # of a word's blocks, found together
    "bound_steps",  # of eight planes
    "bound_adds",  # counter bits above the lowest three, in such steps
    "bound_planes",  # one by one
    "bound_plane_adds",
    "rounds",  # looks for the least bound that is left
    "round_levels",
    "round_moves",  # of these levels, where a smaller bound was left
    "bounded",  # blocks taken from such a round
    "narrow_visits",  # of a block, or of as many as there are lanes
    "narrow_steps",
    "narrow_planes",
    "medium_visits",
    "medium_steps",
    "medium_planes",
    "wide_visits",
    "wide_steps",
    "wide_planes",
    "takes",  # blocks with an entry near enough
    "take_rounds",  # distances in these
    "take_levels",
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
        slack_bits = self.radius.bit_length()
        self.slack = by_block[: self.blocks, :slack_bits] @ (1 << np.arange(slack_bits, dtype=np.int64))
        self.centres = by_block[: self.blocks, slack_bits:].astype(np.bool_)
        self.levels = (self.radius + self.bits).bit_length()
        self.steps = self.bits // _STEP
        self.starts = np.array([*range(0, self.steps * _STEP, _STEP), *range(self.steps * _STEP, self.bits)])


class Search:
    """One search, in the words of blsh_search.c."""

    def __init__(self, dictionary: Dictionary, code: npt.NDArray[np.bool_], lanes: int) -> None:
        self.of, self.lanes = dictionary, lanes
        self.work = np.zeros(len(SEARCH_TERMS), np.int64)
        away = (dictionary.padded != code).view(np.uint8)
        partial = np.add.reduceat(away, dictionary.starts, axis=1, dtype=np.int64).cumsum(axis=1)
        by_block = partial.reshape(dictionary.blocks, BLOCK, -1)
        self.least = by_block.min(axis=1).tolist()  # after each step of eight planes or one
        self.distances = by_block[:, :, -1]
        self.nearest_of = self.distances.min(axis=1).tolist()
        away_from_centre = (dictionary.centres != code).sum(axis=1)
        self.bounds = (dictionary.slack + away_from_centre).tolist()
        self.near = self._list(dictionary.bits)

    def run(self) -> npt.NDArray[np.int64]:
        """Do it, once; returns the counts of SEARCH_TERMS."""
        of = self.of
        self._add(hops=1, bits=of.bits, neighbours=of.neighbours)
        for first in range(0, of.blocks, _GROUPS * BLOCK):
            self._span(first, min(first + _GROUPS * BLOCK, of.blocks))
        return self.work

    def neighbours(self) -> list[tuple[int, int]]:
        """(index, distance) of what was found, nearest first."""
        return [(entry & _INDEX_TOP, entry >> _INDEX_BITS) for entry in self.near]

    def _add(self, **counts: int) -> None:
        for name, count in counts.items():
            self.work[_AT[name]] += count

    def _list(self, distance: int) -> list[int]:
        return [(distance << _INDEX_BITS) + _INDEX_TOP] * self.of.neighbours

    def _limit(self, block: int) -> int:
        return (self.near[-1] + _INDEX_TOP - BLOCK * block) >> _INDEX_BITS

    def _span(self, first: int, end: int) -> None:
        """Up to four groups of blocks."""
        of, lanes = self.of, self.lanes
        groups = -(-(end - first) // BLOCK)
        words = -(-groups // lanes)
        steps, planes, adds = of.bits // _STEP, of.bits % _STEP, max(0, of.levels - _LOW)
        self._add(spans=1, bounds=words, bound_steps=words * steps, bound_planes=words * planes)
        self._add(bound_adds=words * steps * adds, bound_plane_adds=words * planes * adds)
        rounds: dict[int, list[int]] = {}
        for block in range(first, end):
            rounds.setdefault(self.bounds[block], []).append(block)
        started, batch = first != 0, []
        for bound in sorted(rounds):
            self._add(rounds=1, round_levels=of.levels, round_moves=of.levels - bound.bit_count())
            if bound > of.radius + (self.near[-1] >> _INDEX_BITS):
                break
            for block in rounds[bound]:
                self._place((block - first) % BLOCK)
                if not started and of.entries >= BLOCK * (block + 1):
                    below = int(of.slack[block])
                    self.near = self._list(min(of.bits, bound + of.radius - 2 * below))
                started = True
                if bound < of.radius + self._limit(block):
                    batch.append(block)
                    if len(batch) == lanes:
                        self._visit(batch)
                        batch = []
            self._add(bounded=len(rounds[bound]))
        if batch:
            self._visit(batch)

    def _place(self, place: int) -> None:
        self.work[_AT["place_bytes"]] += place // 8
        self.work[_AT["place_bits"]] += place % 8

    def _visit(self, batch: list[int]) -> None:
        of = self.of
        limits = [self._limit(block) for block in batch]
        planes = of.bits % _STEP
        last = self.near[-1] >> _INDEX_BITS
        levels = _NARROW if last < 1 << _NARROW else _MEDIUM if last < 1 << _MEDIUM else _WIDE
        if levels == _WIDE:
            self._add(wide_visits=1, wide_steps=of.steps, wide_planes=planes)
        else:
            done = 1 + max(bisect_left(self.least[block], limit) for block, limit in zip(batch, limits, strict=True))
            steps, ones = min(done, of.steps), min(max(done - of.steps, 0), planes)
            if levels == _NARROW:
                self._add(narrow_visits=1, narrow_steps=steps, narrow_planes=ones)
            else:
                self._add(medium_visits=1, medium_steps=steps, medium_planes=ones)
            if done <= of.steps + planes:  # all entries have passed their limits
                return
        for block, limit in zip(batch, limits, strict=True):
            if self.nearest_of[block] < limit:
                self._take(block, limit, levels)

    def _take(self, block: int, limit: int, levels: int) -> None:
        count = min(BLOCK, self.of.entries - BLOCK * block)
        distances = self.distances[block, :count]
        order = np.argsort(distances, kind="stable")
        near, before, rounds, taken, shifts = self.near, -1, 0, 0, 0
        for place in order.tolist():
            distance = int(distances[place])
            if distance >= limit:
                break
            if distance != before:
                before, rounds = distance, rounds + 1
            self._place(place)
            taken += 1
            entry = (distance << _INDEX_BITS) + BLOCK * block + place
            if entry >= near[-1]:
                break
            at = bisect_left(near, entry)
            shifts += len(near) - 1 - at
            near.insert(at, entry)
            near.pop()
        if rounds:
            self._add(takes=1, take_rounds=rounds, take_levels=rounds * levels, taken=taken, shifts=shifts)
