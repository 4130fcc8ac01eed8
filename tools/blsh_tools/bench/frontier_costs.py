# SPDX-License-Identifier: Apache-2.0
"""Flash, RAM and stack of the models of `blsh experiment frontier`, and their instructions on three cores."""

from bisect import bisect_right
from collections.abc import Sequence

from blsh_codegen.cost.estimate import estimate, shape_bytes
from blsh_codegen.cost.measured_costs import load_costs
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.model.quantise import MaskIntegers
from blsh_codegen.spec.constants import BLOCK
from blsh_firmware.measure.bench_inputs import noisy_speech
from blsh_hil.boards.table import find_board
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.experiments.settings import FirmwareCost
from blsh_trainer.model.artifact import Model

BOARDS = {"M0": "microbit", "M4": "mps2-an386", "M55": "mps3-an547"}
_MEMORY_OF = "M4"
_HOPS = 96


class FrontierFirmware:
    """The Firmware of the frontier's settings: flash and RAM are those of the board with the M4."""

    board = BOARDS[_MEMORY_OF]

    def __init__(self, corpus: Corpus) -> None:
        """Take noisy speech of the corpus' test split, which instructions are counted on."""
        self._samples, self._costs = noisy_speech(corpus, _HOPS), load_costs()

    def entries_within(self, like: Model, budgets: Sequence[int], most: int) -> list[tuple[int, int]]:
        """Return, for each budget of flash, the entries that it holds and the bytes taken; see Firmware.entries_within.

        The entries are `most`, or as many whole blocks as fit. The bytes are at most a few words too many.
        """
        shape = MaskIntegers.from_model(like)
        code = self._costs.board(self.board).code_bytes(shape.kind, shape.neighbours, shape.geometry)

        def taken(entries: int) -> int:
            return code + shape_bytes(shape, entries)

        whole_blocks = range(BLOCK, most, BLOCK)
        found = []
        for budget in budgets:
            fitting = most if taken(most) <= budget else BLOCK * bisect_right(whole_blocks, budget, key=taken)
            found.append((fitting, taken(fitting)))
        return found

    def cost(self, model: Model, ordered: bool) -> FirmwareCost:
        """Return the costs of `model` with its entries in the order of the search, or (False) in its own."""
        integers = integer_model(model, GenerateOptions(layout="tight" if ordered else "plain"))
        found = {
            core: estimate(integers, self._costs.core(find_board(board).core), self._costs.board(board), self._samples)
            for core, board in BOARDS.items()
        }
        millions = {core: round(each.millions_per_second, 2) for core, each in found.items()}
        memory = found[_MEMORY_OF]
        return FirmwareCost(millions, memory.ram_bytes + memory.stack_bytes)
