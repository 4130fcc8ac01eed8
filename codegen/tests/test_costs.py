# SPDX-License-Identifier: Apache-2.0
"""The table of measured costs: it is read whole or refused, and a missing cost is named."""

import json

import numpy as np
import pytest

from blsh_codegen.cost.measured_costs import COSTS_FILE, BoardSizes, CoreCosts, Costs, load_costs, save_costs
from blsh_codegen.cost.stage_work import HOP_STAGES, Work
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_trainer.errors import BlshError

COSTS = Costs("gcc 12", {"cortex-m4": CoreCosts(1, {"window": {"hops": 2.5}})}, {"one": BoardSizes(1, 2, 3, 4, 5, 6)})


def test_costs_are_written_and_read_again(tmp_path):
    path = tmp_path / "costs.json"
    save_costs(COSTS, path)
    assert load_costs(path) == COSTS
    assert path.read_text() == COSTS.to_json()


def test_the_committed_table_knows_every_stage_of_each_core():
    costs = load_costs()
    assert COSTS_FILE.read_text() == costs.to_json()
    for core in costs.cores.values():
        assert set(core.instructions) == set(HOP_STAGES)
        assert sum(core.instructions["spectrum"].values()) > 10_000
    assert {core.lanes for name, core in costs.cores.items() if name == "cortex-m55"} == {4}


def test_a_stage_costs_the_sum_of_its_counts():
    found = COSTS.core("cortex-m4").of("window", Work(("hops",), np.array([[1], [4]])))
    assert found.tolist() == [2.5, 10.0]


def test_what_was_never_measured_is_said():
    with pytest.raises(BlshError, match=r"no cost of 'peaks' in the stage window; measure with: blsh estimate --calib"):
        COSTS.core("cortex-m4").of("window", Work(("hops", "peaks"), np.ones((1, 2), np.int64)))
    with pytest.raises(BlshError, match="core cortex-m1 was not measured, only cortex-m4"):
        COSTS.core("cortex-m1")
    with pytest.raises(BlshError, match="board two was not measured, only one"):
        COSTS.board("two")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a table of costs"),
        ("[]", "is not a table of costs"),
        (json.dumps({"runtime_format": RUNTIME_FORMAT}), "is not a table of costs .'compiler'"),
        (COSTS.to_json().replace('"lanes"', '"lines"'), "is not a table of costs"),
        (COSTS.to_json().replace(f'format": {RUNTIME_FORMAT}', 'format": 2'), "is of runtime format 2, this is"),
        (None, "cannot read"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, text, words):
    path = tmp_path / "costs.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BlshError, match=words):
        load_costs(path)
