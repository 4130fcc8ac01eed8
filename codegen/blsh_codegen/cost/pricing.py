# SPDX-License-Identifier: Apache-2.0
"""Compute the needs of an artifact's smaller models on a board, without making each model whole."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.estimate import Estimate, estimate, shape_bytes, state_bytes
from blsh_codegen.cost.measured_costs import BoardSizes, CoreCosts
from blsh_codegen.cost.search_work import SEARCH_TERMS, search_work
from blsh_codegen.cost.stage_work import Work, fixed_work, signal_codes
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.model.quantise import MaskIntegers
from blsh_trainer.model.artifact import Model


@dataclass(frozen=True)
class Price:
    """A model's needs. flash: bytes. ram: bytes, stack included. mips: million instructions a second, if counted."""

    flash: int
    ram: int
    mips: float | None = None


class Pricing:
    """Prices of the models that `model` can be reduced to.

    wishes: layout, K and seed of all of them. samples: whole hops, int16, that instructions are counted on.
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
        """Return the wishes with these numbers filled in."""
        return replace(self._wishes, bits=bits, masks=masks, entries=entries, share=None)

    def storage(self, bits: int, masks: str, entries: int) -> Price:
        """Return flash and RAM; the flash is exact or a few words too high."""
        shape = self._shape(bits, masks)
        geometry = self._model.geometry
        flash = self.board.code_bytes(shape.kind, self.neighbours, geometry) + shape_bytes(shape, entries)
        return Price(flash, self.board.variable_bytes(geometry) + self.board.stack_bytes + state_bytes(shape))

    def whole(self, bits: int, masks: str, entries: int) -> Price:
        """Return storage and instructions; takes about a second for each thousand entries."""
        works = fixed_work(self._shape(bits, masks), self._codes()[:, :bits])
        fixed = sum(float(self._core.of(stage, work).mean()) for stage, work in works.items())
        mips = (fixed + self._search(bits, entries)) * self._model.geometry.hops_per_second / 1e6
        return replace(self.storage(bits, masks, entries), mips=mips)

    def estimate(self, bits: int, masks: str, entries: int) -> Estimate:
        """Make the model whole and estimate all that it takes."""
        return estimate(self._integers(bits, masks, entries), self._core, self.board, self._samples)

    def _integers(self, bits: int, masks: str, entries: int) -> MaskIntegers:
        integers = integer_model(self._model, self.options(bits, masks, entries))
        assert isinstance(integers, MaskIntegers)
        return integers

    def _find_shape(self, bits: int, masks: str) -> MaskIntegers:
        """Make the smallest model of this length and these masks: all but the dictionary costs what it costs here."""
        return self._integers(bits, masks, self.neighbours)

    def _find_codes(self) -> npt.NDArray[np.bool_]:
        """Return the codes (T, L) of the signal at the whole length; a shorter code is the beginning of the whole."""
        return signal_codes(self._shape(self._model.bits, self._model.mask_kind), self._samples)

    def _count_search(self, bits: int, entries: int) -> float:
        """Return the mean instructions of a search; the masks have no part in it."""
        model = self._integers(bits, self._model.mask_kind, entries)
        work = Work(SEARCH_TERMS, search_work(model, self._codes()[:, :bits], self._core.lanes))
        return float(self._core.of("neighbours", work).mean())
