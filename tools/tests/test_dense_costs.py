# SPDX-License-Identifier: Apache-2.0
"""The costs of a dense network: products at the cost of the core's dot products, and the rest of the look-up's hop."""

from pathlib import Path

import pytest

from blsh_codegen.cost.measured_costs import CoreCosts, Costs, load_costs
from blsh_codegen.emit.generate import GenerateOptions, flash_table_bytes, integer_model
from blsh_hil.prove.random_model import random_voting_model
from blsh_tools.bench import dense_costs
from blsh_tools.bench.dense_costs import DenseFirmware
from blsh_tools.bench.model_costs import MEASURED, ModelCosts
from blsh_trainer.corpora.corpus import load_corpus

CORES = {"cortex-m0": 3.75, "cortex-m4": 1.5, "cortex-m55": 0.625}
"""Instructions of a product on each core."""
INPUTS = 264  # 257 features, in eights
LOOKUP = ModelCosts({"M0": 30.0, "M4": 14.0, "M55": 7.0}, 100_000, 12_000, MEASURED)


def no_cost(stage: str) -> dict[str, float]:
    """Return 0 for each kind of work of a stage that is measured."""
    return dict.fromkeys(load_costs().core("cortex-m4").instructions[stage], 0.0)


@pytest.fixture
def firmware(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> DenseFirmware:
    """Return the costs of networks where each stage takes 1 000 instructions, and what a network adds is as above."""
    cores = {
        name: CoreCosts(
            1,
            {
                **{stage: no_cost(stage) | {"frames of 1024": 1000.0} for stage in ("window", "spectrum", "output")},
                "rest": {"hops": 1000.0},
                "features": no_cost("features") | {"memory": 1000.0},
                "accumulators": no_cost("accumulators") | {"memory": 50.0, "octets of fours": 32 * product},
                "code": {"projections": 7.0},
                "mask": no_cost("mask") | {"votes": 100.0, "fours": 30.0, "smoothed": 20.0},
            },
        )
        for name, product in CORES.items()
    }
    boards = load_costs().boards
    monkeypatch.setattr(dense_costs, "load_costs", lambda: Costs("a compiler", cores, boards))
    monkeypatch.setattr(dense_costs, "model_costs", lambda *_: LOOKUP)
    return DenseFirmware(random_voting_model(), load_corpus(corpus))


@pytest.mark.parametrize("width", [8, 104])
def test_a_network_costs_its_products_its_units_and_the_hop(firmware: DenseFirmware, width: int) -> None:
    found = firmware.network(width)
    for core, product in zip(("M0", "M4", "M55"), CORES.values(), strict=True):
        hop = 5 * 1000 + 2 * 50 + 100 + 20 * 30 + 80 * 20
        wanted = hop + width * (INPUTS + 80) * product + 7 * width
        assert found.millions_per_second[core] == pytest.approx(wanted * 62.5 / 1e6, abs=1e-3)


def test_a_network_has_its_own_tables_in_the_place_of_the_look_up_s(firmware: DenseFirmware) -> None:
    tables = flash_table_bytes(integer_model(random_voting_model(), GenerateOptions()))
    left = sum(tables[name] for name in ("mel first", "mel count", "mel", "band edges", "response"))
    found = firmware.network(16)
    own = 16 * (INPUTS + 80) + 8 * (16 + 80)
    assert found.flash_bytes == LOOKUP.flash_bytes - sum(tables.values()) + left + own
    assert found.ram_bytes == LOOKUP.ram_bytes + 2 * 16
    assert firmware.lookup().flash_bytes == LOOKUP.flash_bytes
