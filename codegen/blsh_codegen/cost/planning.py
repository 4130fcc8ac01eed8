"""Choose what a part can hold: code length, masks and entries for the best validated quality inside three budgets.

Quality is read from the artifact's card (`validated`). Without a grid there, and in the plain layout, the rule is: the
whole code, the masks as they are, and as many entries as fit; a shorter code only where fewer than 256 entries would.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.estimate import Estimate
from blsh_codegen.cost.measured_costs import BoardSizes, CoreCosts
from blsh_codegen.cost.pricing import Pricing, Taken
from blsh_codegen.cost.validation_grid import ValidationGrid
from blsh_codegen.emit.generate import GenerateOptions, reduced_model
from blsh_codegen.spec.constants import BLOCK
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model

FEW_ENTRIES = 256
"""Without a grid, fewer than these are too few for the whole code."""
MIPS_MARGIN = 0.005
"""Share of the instructions that an estimate may be too low by: a budget holds for the built firmware."""
_LEAST_BITS = 16
_ALL = "all entries of the artifact"


@dataclass(frozen=True)
class Budgets:
    """What a part can give: bytes of flash and of RAM, stack included, and millions of instructions a second, if so."""

    flash: int
    ram: int
    mips: float | None = None

    def exceeded(self, taken: Taken) -> list[str]:
        """What `taken` is beyond these budgets, in words; [] if it fits."""
        found = []
        if taken.flash > self.flash:
            found.append(f"{taken.flash:,} of {self.flash:,} bytes of flash")
        if taken.ram > self.ram:
            found.append(f"{taken.ram:,} of {self.ram:,} bytes of RAM with the stack")
        if self.mips is not None and taken.mips is not None and taken.mips * (1 + MIPS_MARGIN) > self.mips:
            kept = f"{100 * MIPS_MARGIN:g} % kept in reserve"
            found.append(f"{taken.mips:.2f} of {self.mips:g} million instructions a second ({kept})")
        return found


@dataclass(frozen=True)
class Candidate:
    """A way to reduce the artifact, what it takes, and its improvement on `valid` in dB, None if unknown.

    reason: why it has no more entries, or does not fit.
    """

    bits: int
    masks: str
    entries: int
    taken: Taken
    improvement_db: float | None
    fits: bool
    reason: str

    @property
    def told(self) -> str:
        """The candidate in words."""
        return f"{self.entries:,} entries of {self.bits} bits with {self.masks} masks"

    @property
    def flags(self) -> str:
        """The options that ask for it."""
        return f"--entries {self.entries} --bits {self.bits} --masks {self.masks}"


@dataclass(frozen=True)
class Plan:
    """What was chosen out of `candidates`, why, and what it will take."""

    options: GenerateOptions
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    budgets: Budgets
    estimate: Estimate
    why: str

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "budgets": asdict(self.budgets),
            "candidates": [asdict(each) for each in self.candidates],
            "chosen": asdict(self.chosen),
            "why": self.why,
        }


class Planner:
    """Plans for one artifact and one board. `samples`: the signal, whole hops, that instructions are counted on."""

    def __init__(self, model: Model, core: CoreCosts, board: BoardSizes, samples: npt.NDArray[np.int16]) -> None:
        self._model, self._core, self._board, self._samples = model, core, board, samples

    def plan(self, wishes: GenerateOptions, budgets: Budgets) -> Plan:
        """The best model inside all budgets, with what `wishes` name as it is, and the rest chosen.

        Raises BlshError with the numbers where none fits, and names the nearest that does.
        """
        search = self._search(wishes, budgets)
        candidates = search.candidates()
        chosen = search.best(candidates)
        if chosen is None:
            raise BlshError(self._refusal(wishes, budgets, candidates))
        found = search.pricing.estimate(chosen.bits, chosen.masks, chosen.entries)
        ram = found.ram_bytes + found.stack_bytes
        chosen = replace(chosen, taken=Taken(found.flash_bytes, ram, found.millions_per_second))
        options = search.pricing.options(chosen.bits, chosen.masks, chosen.entries)
        code = found.flash_bytes - sum(found.tables.values())
        options = replace(options, table_budget=budgets.flash - code)
        return Plan(options, chosen, candidates, budgets, found, search.why(chosen, candidates))

    def _search(self, wishes: GenerateOptions, budgets: Budgets) -> "_Search":
        return _Search(
            self._model, wishes, budgets, Pricing(self._model, wishes, self._core, self._board, self._samples)
        )

    def _refusal(self, wishes: GenerateOptions, budgets: Budgets, candidates: tuple[Candidate, ...]) -> str:
        least = min(candidates, key=lambda each: each.taken.flash)
        words = f"{least.told} take {least.reason}"
        freed = replace(wishes, entries=None, share=None)
        for fewer in dict.fromkeys((freed, replace(freed, bits=None, masks=None))):
            if fewer == wishes:
                continue
            search = self._search(fewer, budgets)
            nearest = search.best(search.candidates())
            if nearest is not None:
                return f"{words}; the nearest that fits: {nearest.flags}"
        return f"{words}, and nothing smaller can be made of {self._model.name}: give it more, or train a smaller one"


class _Search:
    """The candidates of one plan."""

    def __init__(self, model: Model, wishes: GenerateOptions, budgets: Budgets, pricing: Pricing) -> None:
        self._model, self._wishes, self._budgets, self.pricing = model, wishes, budgets, pricing
        self._grid = ValidationGrid(model)
        self._validated = bool(self._grid) and wishes.layout == "tight"
        self._asked: int | None = None
        if wishes.entries is not None or wishes.share is not None:
            self._asked = reduced_model(model, replace(wishes, bits=None, masks=None)).entries

    def candidates(self) -> tuple[Candidate, ...]:
        """One for each code length and kind of masks that is in question."""
        return tuple(self._candidate(bits, masks) for bits in self._lengths() for masks in self._mask_kinds())

    def best(self, candidates: Iterable[Candidate]) -> Candidate | None:
        """The best of those that fit, None where none does; of equals, the one that takes less flash."""
        return max((each for each in candidates if each.fits), key=self._rank, default=None)

    def why(self, chosen: Candidate, candidates: tuple[Candidate, ...]) -> str:
        """Why `chosen` was chosen, in a sentence."""
        fitting = sum(each.fits for each in candidates)
        if len(candidates) == 1 and self._asked is not None:
            return "as asked for"
        if len(candidates) == 1:
            found = "the one kind of code and masks in question"
        elif self._validated:
            found = f"the best on valid of {fitting} kinds that fit"
        else:
            found = f"the longest code that {FEW_ENTRIES} entries of fit with"
        if chosen.improvement_db is not None:
            found += f", {chosen.improvement_db:+.2f} dB"
        elif self._asked is None:
            found += "; " + ("the plain layout" if self._wishes.layout == "plain" else "this artifact")
            found += " has no validated sizes, so it is as many entries as fit"
        return f"{found}; {chosen.reason}"

    def _rank(self, each: Candidate) -> tuple[float, ...]:
        if self._validated:
            return (-np.inf if each.improvement_db is None else each.improvement_db, -each.taken.flash)
        return min(each.entries, FEW_ENTRIES), each.bits, each.entries

    def _lengths(self) -> list[int]:
        if self._wishes.bits is not None:
            return [self._wishes.bits]
        if self._validated:
            return self._grid.lengths
        whole = self._model.bits
        shorter = [whole >> 1, whole >> 2, whole >> 3] if self._wishes.layout == "tight" else []
        return [whole, *(bits for bits in shorter if bits >= _LEAST_BITS)]

    def _mask_kinds(self) -> list[str]:
        if self._wishes.masks is not None:
            return [self._wishes.masks]
        return self._grid.mask_kinds if self._validated else [self._model.mask_kind]

    def _candidate(self, bits: int, masks: str) -> Candidate:
        price = self.pricing.storage if self._budgets.mips is None else self.pricing.taken
        everything = self._model.entries
        least = self._asked or min(everything, max(BLOCK, self.pricing.neighbours))
        taken = price(bits, masks, least)
        over = self._budgets.exceeded(taken)
        if over:
            return Candidate(bits, masks, least, taken, self._improvement(bits, masks, least), False, ", ".join(over))
        entries, reason = least, "as asked for"
        if self._asked is None:
            entries, reason = self._most(bits, masks, least, everything)
            entries, reason = self._enough(bits, masks, entries, reason)
        improvement = self._improvement(bits, masks, entries)
        return Candidate(bits, masks, entries, price(bits, masks, entries), improvement, True, reason)

    def _improvement(self, bits: int, masks: str, entries: int) -> float | None:
        return self._grid.improvement(bits, masks, entries) if self._validated else None

    def _most(self, bits: int, masks: str, least: int, most: int) -> tuple[int, str]:
        """The most entries that fit, and what forbids more; `least` do fit."""
        entries, reason = most, _ALL
        for price, name in ((self.pricing.storage, "flash"), (self.pricing.taken, "instructions")):
            if name == "instructions" and self._budgets.mips is None:
                continue
            found = _largest(least, entries, lambda n, price=price: not self._budgets.exceeded(price(bits, masks, n)))  # type: ignore[misc]
            if found < entries:
                entries, reason = found, f"no more for {name}"
        return entries, reason

    def _enough(self, bits: int, masks: str, most: int, reason: str) -> tuple[int, str]:
        """Fewer entries where more were not validated to be better."""
        best, found = self._improvement(bits, masks, most), most
        for entries in sorted(self._grid.entries(masks), reverse=True):
            here = self._improvement(bits, masks, entries)
            if self.pricing.neighbours <= entries < most and best is not None and here is not None and here >= best:
                best, found = here, entries
        return found, reason if found == most else "more were not better on valid"


def _largest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """The largest of `high`, `low` and the whole blocks between that fits, for what `low` does and less does sooner."""
    if fits(high):
        return high
    while (middle := (low + high) // 2 // BLOCK * BLOCK) > low:
        if fits(middle):
            low = middle
        else:
            high = middle
    return low
