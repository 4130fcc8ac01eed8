# SPDX-License-Identifier: Apache-2.0
"""The costs of a dense network in the place of a voting model's look-up, by the measured costs of what both do."""

from math import ceil

import numpy as np

from blsh_codegen.cost.measured_costs import CoreCosts, load_costs
from blsh_codegen.cost.stage_work import Work, fixed_work
from blsh_codegen.emit.generate import GenerateOptions, flash_table_bytes, integer_model
from blsh_codegen.model.voting import VotingIntegers
from blsh_hil.boards.table import find_board
from blsh_tools.bench.frontier_costs import BOARDS
from blsh_tools.bench.model_costs import model_costs
from blsh_tools.options.arguments import RESULTS
from blsh_trainer.arrays import BoolArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.experiments.settings import ImageCost
from blsh_trainer.model.voting_model import VotingModel

_SHARED_STAGES = ("window", "spectrum", "features", "output", "rest")
_SHARED_TABLES = ("mel first", "mel count", "mel", "band edges", "response")
_ROWS, _OCTET = 4, 8  # the core's dot products take four rows at once, and eight inputs
_FOUR = 4  # bands that votes are added for at once
_UNIT_BYTES = 8  # of a unit's bias and of the factor that scales its sum
_HELD_BYTES = 2  # of a hidden unit's value


class DenseFirmware:
    """The NetworkFirmware of the dense experiment, for networks in the place of the look-up of `model`."""

    def __init__(self, model: VotingModel, corpus: Corpus) -> None:
        """Raise BlshError where the costs of a voting model were not measured."""
        self._lookup, self._costs = model_costs(model, GenerateOptions(), corpus, RESULTS), load_costs()
        integers = integer_model(model, GenerateOptions())
        assert isinstance(integers, VotingIntegers)
        self._geometry = model.geometry
        self._inputs = _OCTET * int(integers.projection_rows.shape[1])
        tables = flash_table_bytes(integers)
        self._own_tables = sum(tables.values()) - sum(tables.get(name, 0) for name in _SHARED_TABLES)
        codes = np.zeros((1, integers.bits), dtype=bool)
        self._fixed: dict[str, float] = {}
        self._product: dict[str, float] = {}
        self._unit: dict[str, float] = {}
        for core, board in BOARDS.items():
            self._take_costs(core, self._costs.core(find_board(board).core), integers, codes)

    def lookup(self) -> ImageCost:
        """Return the costs of the look-up itself."""
        found = self._lookup
        return ImageCost(found.millions, found.flash_bytes, found.ram_bytes)

    def network(self, width: int) -> ImageCost:
        """Return the costs of a network of `width` hidden units."""
        padded, bands = _OCTET * ceil(width / _OCTET), self._geometry.bands
        products = padded * self._inputs + bands * padded
        hop = {
            core: fixed + products * self._product[core] + width * self._unit[core]
            for core, fixed in self._fixed.items()
        }
        millions = {core: each * self._geometry.hops_per_second / 1e6 for core, each in hop.items()}
        tables = products + _UNIT_BYTES * (padded + bands)
        return ImageCost(
            {core: round(each, 3) for core, each in millions.items()},
            self._lookup.flash_bytes - self._own_tables + tables,
            self._lookup.ram_bytes + _HELD_BYTES * padded,
        )

    def _take_costs(self, core: str, costs: CoreCosts, model: VotingIntegers, codes: BoolArray) -> None:
        """Keep the instructions on `core` of a hop without products, of a product, and of a hidden unit besides."""
        work = fixed_work(model, codes)
        fixed = sum(float(costs.of(stage, work[stage])[0]) for stage in _SHARED_STAGES)
        start, octet, product = (
            _cost(costs, "accumulators", term) for term in (model.feature_kind.name, "octets", "octets of fours")
        )
        start += self._inputs / _OCTET * octet
        # Of votes, what does not grow with voters: the gains of bands, spread over bins. A fit of costs may put it into
        # any of the terms.
        fixed += 2 * start + _cost(costs, "mask", "votes") + model.mask_bands / _FOUR * _cost(costs, "mask", "fours")
        fixed += model.geometry.bins * _cost(costs, "mask", "bins")
        if model.smoothing or model.smoothing_down:
            fixed += model.mask_bands * _cost(costs, "mask", "smoothed")
        self._fixed[core] = fixed
        self._product[core] = product / (_ROWS * _OCTET)
        self._unit[core] = _cost(costs, "code", "projections")


def _cost(costs: CoreCosts, stage: str, term: str) -> float:
    return float(costs.of(stage, Work((term,), np.ones((1, 1), np.int64)))[0])
