# SPDX-License-Identifier: Apache-2.0
"""Choose a model that a part can hold: code length, masks and entries of the best validated quality in its budgets.

The quality is read from the artifact's card (`validation_grid`). Where the card has no grid, and in the plain layout,
the whole code and the masks stay, with as many entries as fit. The code is cut only where fewer than 256 entries would
fit.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.estimate import Estimate, estimate
from blsh_codegen.cost.measured_costs import BoardSizes, CoreCosts
from blsh_codegen.cost.pricing import Price, Pricing
from blsh_codegen.cost.validation_grid import ValidationGrid
from blsh_codegen.emit.generate import GenerateOptions, integer_model, reduced_model
from blsh_codegen.spec.constants import BLOCK
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel, Model
from blsh_trainer.model.voting_model import VOTES, VotingModel

FEW_ENTRIES = 256
"""Fewer entries than this are too few for the whole code, where no grid says better."""
MIPS_MARGIN = 0.005
"""The share of the instructions that an estimate may miss: a budget must hold for the firmware as it is built."""
_LEAST_BITS = 16
_ALL = "all entries of the artifact"


@dataclass(frozen=True)
class Budgets:
    """The budgets of a model and the code around it on a part.

    flash: bytes. ram: bytes, stack included. mips: million instructions a second; None: any number.
    """

    flash: int
    ram: int
    mips: float | None = None

    def exceeded(self, price: Price) -> list[str]:
        """Return a phrase for each budget that `price` exceeds; [] if the model fits."""
        found = []
        if price.flash > self.flash:
            found.append(f"{price.flash:,} of {self.flash:,} bytes of flash")
        if price.ram > self.ram:
            found.append(f"{price.ram:,} of {self.ram:,} bytes of RAM with the stack")
        if self.mips is not None and price.mips is not None and price.mips * (1 + MIPS_MARGIN) > self.mips:
            kept = f"{100 * MIPS_MARGIN:g} % kept in reserve"
            found.append(f"{price.mips:.2f} of {self.mips:g} million instructions a second ({kept})")
        return found


@dataclass(frozen=True)
class Candidate:
    """One way to reduce the artifact.

    bits, masks, entries: the reduced model. taken: what it takes of the part. improvement_db: its SI-SDR improvement
    on the split `valid`, None if it is not known. fits: whether it keeps every budget. reason: why it has no more
    entries; or, of one that does not fit, the budgets that it exceeds.
    """

    bits: int
    masks: str
    entries: int
    taken: Price
    improvement_db: float | None
    fits: bool
    reason: str

    @property
    def words(self) -> str:
        """The candidate in words."""
        what = VOTES if self.masks == VOTES else f"{self.masks} masks"
        return f"{self.entries:,} entries of {self.bits} bits with {what}"

    @property
    def flags(self) -> str:
        """The options of `blsh generate` that ask for this candidate."""
        return f"--entries {self.entries} --bits {self.bits} --masks {self.masks}"


@dataclass(frozen=True)
class Plan:
    """A choice within budgets: the options that generate it, all candidates, and why this one was chosen."""

    options: GenerateOptions
    chosen: Candidate
    candidates: tuple[Candidate, ...]
    budgets: Budgets
    estimate: Estimate
    why: str

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            "budgets": asdict(self.budgets),
            "candidates": [asdict(each) for each in self.candidates],
            "chosen": asdict(self.chosen),
            "why": self.why,
        }


class Planner:
    """A planner for one artifact on one board. samples: whole hops, int16, that instructions are counted on."""

    def __init__(self, model: AnyModel, core: CoreCosts, board: BoardSizes, samples: npt.NDArray[np.int16]) -> None:
        self._model, self._core, self._board, self._samples = model, core, board, samples

    def plan(self, wishes: GenerateOptions, budgets: Budgets) -> Plan:
        """Choose the best model within `budgets`: what `wishes` name stays as it is, the rest is chosen.

        Raises BlshError where no model fits, with the numbers and the options of the nearest model that does.
        """
        if isinstance(self._model, VotingModel):
            return self._plan_whole(self._model, wishes, budgets)
        search = self._search(self._model, wishes, budgets)
        candidates = search.candidates()
        chosen = search.best(candidates)
        if chosen is None:
            raise BlshError(self._refusal(self._model, wishes, budgets, candidates))
        found = search.pricing.estimate(chosen.bits, chosen.masks, chosen.entries)
        chosen = replace(chosen, taken=_price(found))
        options = search.pricing.options(chosen.bits, chosen.masks, chosen.entries)
        options = replace(options, table_budget=_table_budget(budgets, found))
        return Plan(options, chosen, candidates, budgets, found, search.why(chosen, candidates))

    def _plan_whole(self, model: VotingModel, wishes: GenerateOptions, budgets: Budgets) -> Plan:
        """Return the plan of a model that cannot be reduced. BlshError if it does not fit."""
        found = estimate(integer_model(model, wishes), self._core, self._board, self._samples)
        price = _price(found)
        over = budgets.exceeded(price)
        if over:
            raise BlshError(f"{model.name} takes {', '.join(over)}; give it more, or train a smaller one")
        whole = Candidate(model.bits, model.mask_kind, model.entries, price, None, True, "a voting model stays whole")
        options = replace(wishes, bits=model.bits, entries=model.entries, share=None)
        options = replace(options, table_budget=_table_budget(budgets, found))
        return Plan(options, whole, (whole,), budgets, found, whole.reason)

    def _search(self, model: Model, wishes: GenerateOptions, budgets: Budgets) -> "_Search":
        return _Search(model, wishes, budgets, Pricing(model, wishes, self._core, self._board, self._samples))

    def _refusal(
        self, model: Model, wishes: GenerateOptions, budgets: Budgets, candidates: tuple[Candidate, ...]
    ) -> str:
        """Return the reason: the budgets that the smallest candidate exceeds, and the nearest model that fits."""
        least = min(candidates, key=lambda each: each.taken.flash)
        found = f"{least.words} take {least.reason}"
        freed = replace(wishes, entries=None, share=None)
        for fewer in dict.fromkeys((freed, replace(freed, bits=None, masks=None))):
            if fewer == wishes:
                continue
            search = self._search(model, fewer, budgets)
            nearest = search.best(search.candidates())
            if nearest is not None:
                return f"{found}; the nearest that fits: {nearest.flags}"
        return f"{found}, and nothing smaller can be made of {model.name}: give it more, or train a smaller one"


def _price(found: Estimate) -> Price:
    return Price(found.flash_bytes, found.ram_bytes + found.stack_bytes, found.millions_per_second)


def _table_budget(budgets: Budgets, found: Estimate) -> int:
    """Return the bytes of flash that the budgets leave for the tables, beside the code."""
    return budgets.flash - (found.flash_bytes - sum(found.tables.values()))


class _Search:
    """The search for one plan: its candidates and their order."""

    def __init__(self, model: Model, wishes: GenerateOptions, budgets: Budgets, pricing: Pricing) -> None:
        self._model, self._wishes, self._budgets, self.pricing = model, wishes, budgets, pricing
        self._grid = ValidationGrid(model)
        self._validated = bool(self._grid) and wishes.layout == "tight"
        self._asked: int | None = None
        if wishes.entries is not None or wishes.share is not None:
            self._asked = reduced_model(model, replace(wishes, bits=None, masks=None)).entries

    def candidates(self) -> tuple[Candidate, ...]:
        """Return one candidate for each code length and kind of masks that the wishes leave open."""
        return tuple(self._candidate(bits, masks) for bits in self._lengths() for masks in self._mask_kinds())

    def best(self, candidates: Iterable[Candidate]) -> Candidate | None:
        """Return the best candidate that fits, None where none does; of two equally good ones, the smaller."""
        return max((each for each in candidates if each.fits), key=self._rank, default=None)

    def why(self, chosen: Candidate, candidates: tuple[Candidate, ...]) -> str:
        """Return a sentence that says why `chosen` was chosen."""
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
        price = partial(self.pricing.storage if self._budgets.mips is None else self.pricing.whole, bits, masks)
        everything = self._model.entries
        least = self._asked or min(everything, max(BLOCK, self.pricing.neighbours))
        over = self._budgets.exceeded(price(least))
        if over:
            improvement = self._improvement(bits, masks, least)
            return Candidate(bits, masks, least, price(least), improvement, False, ", ".join(over))
        entries, reason = least, "as asked for"
        if self._asked is None:
            entries, reason = self._most(bits, masks, least, everything)
            entries, reason = self._enough(bits, masks, entries, reason)
        return Candidate(bits, masks, entries, price(entries), self._improvement(bits, masks, entries), True, reason)

    def _improvement(self, bits: int, masks: str, entries: int) -> float | None:
        return self._grid.improvement(bits, masks, entries) if self._validated else None

    def _most(self, bits: int, masks: str, least: int, most: int) -> tuple[int, str]:
        """Return the most entries that fit, and the budget that forbids more. `least` entries are known to fit."""
        prices = {"flash": self.pricing.storage}  # the quick budget first: the other then looks at fewer sizes
        if self._budgets.mips is not None:
            prices["instructions"] = self.pricing.whole
        entries, reason = most, _ALL
        for name, price in prices.items():
            found = largest_fitting(least, entries, partial(self._fits, partial(price, bits, masks)))
            if found < entries:
                entries, reason = found, f"no more for {name}"
        return entries, reason

    def _fits(self, price: Callable[[int], Price], entries: int) -> bool:
        return not self._budgets.exceeded(price(entries))

    def _enough(self, bits: int, masks: str, most: int, reason: str) -> tuple[int, str]:
        """Return the fewest validated entries that are no worse than `most`, else `most`, and why."""
        best, found = self._improvement(bits, masks, most), most
        for entries in sorted(self._grid.entries(masks), reverse=True):
            here = self._improvement(bits, masks, entries)
            if self.pricing.neighbours <= entries < most and best is not None and here is not None and here >= best:
                best, found = here, entries
        return found, reason if found == most else "more were not better on valid"


def largest_fitting(least: int, most: int, fits: Callable[[int], bool]) -> int:
    """Return the most entries that fit: `most`, else the most whole blocks below it, else `least`, which does fit.

    Instructions do not grow quite steadily with the entries. Where larger sizes fit and smaller ones do not, the result
    depends on the sizes that are tried, so the sizes tried are part of what a plan is: halves, as below.
    """
    if fits(most):
        return most
    low, high = least, -(-most // BLOCK) * BLOCK
    while (middle := (low + high) // 2 // BLOCK * BLOCK) > low:
        if fits(middle):
            low = middle
        else:
            high = middle
    return low
