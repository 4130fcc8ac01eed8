"""What the smaller models of an artifact take on a board, without making each of them whole."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.estimate import Estimate, estimate, shape_bytes, state_bytes
from blsh_codegen.cost.measured_costs import BoardSizes, CoreCosts
from blsh_codegen.cost.search_work import SEARCH_TERMS, search_work
from blsh_codegen.cost.stage_work import Work, fixed_work, signal_codes
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.spec.constants import HOPS_PER_SECOND
from blsh_trainer.model.artifact import Model


@dataclass(frozen=True)
class Taken:
    """What a model takes: bytes of flash, bytes of RAM with the stack, millions of instructions a second if asked."""

    flash: int
    ram: int
    mips: float | None = None


class Pricing:
    """Prices of the models that `model` can be reduced to, with the layout, K and seed of `wishes`.

    samples: whole hops, which instructions are counted on.
    """

    def __init__(
        self,
        model: Model,
        wishes: GenerateOptions,
        core: CoreCosts,
        board: BoardSizes,
        samples: npt.NDArray[np.int16],
    ) -> None:
        self._model, self._wishes, self._core, self.board, self._samples = model, wishes, core, board, samples
        self.neighbours = model.neighbours if wishes.neighbours is None else wishes.neighbours
        self._codes = cache(self._find_codes)
        self._shape = cache(self._find_shape)
        self._search = cache(self._count_search)

    def options(self, bits: int, masks: str, entries: int) -> GenerateOptions:
        """The wishes with these numbers in place of what they leave open."""
        return replace(self._wishes, bits=bits, masks=masks, entries=entries, share=None)

    def storage(self, bits: int, masks: str, entries: int) -> Taken:
        """Flash, at most a few words too high, and RAM."""
        shape = self._shape(bits, masks)
        flash = self.board.code_bytes(self.neighbours) + shape_bytes(shape, entries)
        return Taken(flash, self.board.ram_bytes + self.board.stack_bytes + state_bytes(shape))

    def taken(self, bits: int, masks: str, entries: int) -> Taken:
        """Storage and instructions; takes about a second for each thousand entries."""
        works = fixed_work(self._shape(bits, masks), self._codes()[:, :bits])
        fixed = sum(float(self._core.of(stage, work).mean()) for stage, work in works.items())
        mips = (fixed + self._search(bits, entries)) * HOPS_PER_SECOND / 1e6
        return replace(self.storage(bits, masks, entries), mips=mips)

    def estimate(self, bits: int, masks: str, entries: int) -> Estimate:
        """All that is known of a model before it is built."""
        return estimate(self._integers(bits, masks, entries), self._core, self.board, self._samples)

    def _integers(self, bits: int, masks: str, entries: int) -> IntegerModel:
        return integer_model(self._model, self.options(bits, masks, entries))

    def _find_shape(self, bits: int, masks: str) -> IntegerModel:
        """A model like those of this length and these masks, with the fewest entries."""
        return self._integers(bits, masks, self.neighbours)

    def _find_codes(self) -> npt.NDArray[np.bool_]:
        """Of the whole length: those of a shorter code are their beginnings."""
        return signal_codes(self._shape(self._model.bits, self._model.mask_kind), self._samples)

    def _count_search(self, bits: int, entries: int) -> float:
        model = self._integers(bits, self._model.mask_kind, entries)
        work = Work(SEARCH_TERMS, search_work(model, self._codes()[:, :bits], self._core.lanes))
        return float(self._core.of("neighbours", work).mean())
