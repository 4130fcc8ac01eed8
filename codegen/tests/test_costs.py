# SPDX-License-Identifier: Apache-2.0
"""The table of measured costs: it is read whole or refused, and a missing cost is named."""

import json
from dataclasses import replace

import numpy as np
import pytest

from blsh_codegen.cost.costs_file import COSTS_FILE
from blsh_codegen.cost.measured_costs import (
    BoardSizes,
    CoreCosts,
    Costs,
    geometry_terms,
    load_costs,
    save_costs,
)
from blsh_codegen.cost.stage_work import HOP_STAGES, Work
from blsh_codegen.spec.constants import RUNTIME_FORMAT, ModelKind
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import RECORDER, Geometry

from .conftest import ALL_GEOMETRIES

APART = {"frames of 512": -100, "frames of 256": -300, "hops of 128": 20, "hops of 64": 50, "no thirds": -60}
SIZES = BoardSizes(1000, 2000, 3000, 4000, 5000, 6, APART, 4)
COSTS = Costs("gcc 12", {"cortex-m4": CoreCosts(1, {"window": {"hops": 2.5}})}, {"one": SIZES})


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


def test_sizes_are_those_of_the_kind_and_of_the_geometry():
    few, votes = ModelKind.MASKS, ModelKind.LARGE_VOTES
    assert SIZES.code_bytes(few, 10, RECORDER) == 1000 and SIZES.code_bytes(few, 16, RECORDER) == 2000
    assert SIZES.code_bytes(few, 10, Geometry(16_000, 1024, 256, 512)) == 940
    assert SIZES.code_bytes(votes, 10, Geometry(16_000, 512, 64, 128)) == 4000 - 100 + 50 - 60
    assert SIZES.code_bytes(votes, 10, Geometry(8_000, 256, 64, 256)) == 4000 - 300 + 50
    assert SIZES.variable_bytes(RECORDER) == 5000 and SIZES.variable_bytes(Geometry(8_000, 256, 64, 256)) == 4232
    assert all(set(geometry_terms(each)) <= set(APART) for each in ALL_GEOMETRIES)
    with pytest.raises(BlshError, match="no code of 'hops of 64'; measure with: blsh estimate --calibrate"):
        replace(SIZES, flash_bytes_apart={}).code_bytes(few, 1, Geometry(16_000, 1024, 64, 1024))


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
