# SPDX-License-Identifier: Apache-2.0
"""The firmware's side of `blsh experiment frontier`: bytes of flash are those of the estimate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.cost.estimate import estimate
from blsh_codegen.cost.measured_costs import load_costs
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.spec.constants import BLOCK
from blsh_hil.boards.table import find_board
from blsh_tools.bench.frontier_costs import FrontierFirmware
from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.model.artifact import Model
from blsh_trainer.signals.features import find_feature_kind
from blsh_trainer.signals.masks import find_mask_kind

BUDGETS = (0, 38_000, 44_000, 1 << 20)
MOST = 700


@pytest.fixture(scope="module")
def firmware(corpus: Path) -> FrontierFirmware:
    return FrontierFirmware(load_corpus(corpus))


def random_model(bits: int, masks: str, rng: np.random.Generator) -> Model:
    """Return a model of MOST entries."""
    kind = find_mask_kind(masks)
    return Model(
        name="random",
        feature_kind="mel",
        neighbours=10,
        projections=rng.normal(size=(bits, find_feature_kind("mel").count())),
        biases=np.zeros(bits),
        betas=np.ones(bits),
        code_bits=rng.random((MOST, bits)) < 0.5,
        mask_levels=rng.integers(0, kind.top + 1, (MOST, kind.width)).astype(np.uint8),
        card={},
        mask_kind=masks,
    )


@pytest.mark.parametrize(("bits", "masks"), [(50, "ibm"), (64, "bands2")])
def test_a_budget_holds_as_many_blocks_as_the_estimate_says(
    firmware: FrontierFirmware, bits: int, masks: str, rng: np.random.Generator
) -> None:
    model = random_model(bits, masks, rng)
    found = firmware.entries_within(model.subsample(10), BUDGETS, MOST)
    assert found[0][0] == 0 and found[-1][0] == MOST
    board, samples = load_costs().board(firmware.board), np.zeros(256, np.int16)
    core = load_costs().core(find_board(firmware.board).core)

    def exact(entries: int) -> int:
        part = replace(model, code_bits=model.code_bits[:entries], mask_levels=model.mask_levels[:entries])
        return estimate(integer_model(part, GenerateOptions()), core, board, samples).flash_bytes

    for budget, (entries, taken) in zip(BUDGETS[1:], found[1:], strict=True):
        assert 0 <= taken - exact(entries) <= 4 * bits.bit_length() * -(-entries // BLOCK**2)
        assert taken <= budget
    for entries, _ in found[1:-1]:
        assert entries % BLOCK == 0
        (more,) = firmware.entries_within(model.subsample(10), [1 << 30], entries + BLOCK)
        assert more[0] == entries + BLOCK and more[1] > BUDGETS[found.index((entries, _))]


def test_costs_are_those_of_three_cores_and_more_entries_cost_more(
    firmware: FrontierFirmware, rng: np.random.Generator
) -> None:
    model = random_model(50, "ibm", rng)
    whole, part = firmware.cost(model, ordered=True), firmware.cost(model.subsample(100), ordered=False)
    assert list(whole.millions_per_second) == ["M0", "M4", "M55"]
    assert all(part.millions_per_second[core] < whole.millions_per_second[core] for core in whole.millions_per_second)
    assert whole.ram_bytes == part.ram_bytes
