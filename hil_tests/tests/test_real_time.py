# SPDX-License-Identifier: Apache-2.0
"""Check the search for the worst case, the verdict on real time, and the coverage of the core."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.cost.measured_costs import load_costs
from blsh_codegen.cost.stage_work import signal_codes
from blsh_codegen.emit.generate import GenerateOptions, generate
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_hil.boards.host import HostBoard, build_host
from blsh_hil.boards.session import Expected, connect
from blsh_hil.boards.table import find_board
from blsh_hil.prove.core_client import CoreClient
from blsh_hil.prove.coverage import Coverage, FileCoverage, collect, core_library
from blsh_hil.prove.real_time import Counts, count_streams, judge
from blsh_hil.prove.recipes import Recipe
from blsh_hil.prove.worst_case import HopCost, find_worst_case
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import RECORDER

pytestmark = pytest.mark.heavy

NEAR = Recipe(10, "mel", 64, 10, 1200, dictionary="near")
HOP = NEAR.geometry.hop


@pytest.mark.parametrize("recipe", [NEAR, replace(NEAR, features="tracked", entries=400)], ids=["mel", "tracked"])
def test_the_search_breeds_a_costlier_signal_than_it_began_with(recipe: Recipe, rng: np.random.Generator) -> None:
    model, costs = recipe.model(), load_costs().core("cortex-m4")
    signals = [edge_signal(name, 30 * HOP, rng) for name in ("speech_like", "white_noise", "silence")]
    worst = find_worst_case(model, costs, signals, rng, trials=120)
    assert worst.estimates[0] >= worst.before and worst.any_code >= worst.estimates[0]
    assert (np.diff(worst.estimates) <= 0).all() and worst.tried >= 200
    cost = HopCost(model, costs)
    for signal, estimate in zip(worst.signals, worst.estimates, strict=True):
        assert cost.of(signal_codes(model, signal)[-1]) == estimate, "the signal has the code, the code that cost"
    usual = [cost.of(code) for code in signal_codes(model, signals[0])]
    assert worst.estimates[0] > np.mean(usual)


def counts_of(totals: list[int]) -> Counts:
    stages = np.array(totals)[:, None] // 10 * np.ones(8, np.int64)
    return Counts("instructions", 25_000_000, np.array(totals), stages)


def test_the_verdict_is_of_the_costliest_hop_and_the_boards_clock() -> None:
    verdict = judge(find_board("mps2-an386"), RECORDER, counts_of([100_000, 200_000]), [counts_of([400_000])])
    assert verdict.deadline_share == verdict.proof_share == 1.0, "400,000 in 16 ms at 25 MHz, and not one more"
    figures = verdict.to_dict()
    assert figures["hop"] == {"mean": 150_000, "max": 400_000}
    assert figures["mask"] == {"mean": 15_000, "max": 40_000}
    assert judge(find_board("mps2-an386"), RECORDER, counts_of([400_001]), []).proof_share > 1
    histogram = verdict.all.histogram()
    assert sum(histogram["counts"]) == 3 and len(histogram["edges"]) == len(histogram["counts"]) + 1


def test_a_micro_bit_stands_for_faster_parts_of_its_core() -> None:
    verdict = judge(find_board("microbit"), RECORDER, replace(counts_of([512_000]), rate_hz=16_000_000), [])
    assert verdict.deadline_share == 2.0 and verdict.proof_share == pytest.approx(2 / 3)


def test_a_real_board_is_judged_by_its_own_counter(tmp_path: Path, rng: np.random.Generator) -> None:
    """Count ticks as they are, without a loop of known length: here the host's nanoseconds."""
    model = Recipe(1, bits=9, neighbours=2, entries=33).model()
    generate(model, GenerateOptions(), tmp_path)
    real = replace(find_board("mps2-an386"), qemu_machine=None)
    noise = edge_signal("white_noise", 3 * HOP, rng)
    expected = Expected(model.model_sha256, model.dictionary_crc32)
    with connect(HostBoard(build_host(tmp_path)), expected) as client:
        counts = count_streams(client, real, [noise, noise])
    assert (counts.unit, counts.rate_hz, len(counts.totals)) == ("ticks", 10**9, 6)
    assert (counts.totals > 0).all() and counts.stages.shape == (6, 8)
    assert judge(real, RECORDER, counts, []).proof_hz == 10**9


# ---- coverage ---------------------------------------------------------------------------------------------------


def test_builds_are_added_up_line_by_line_and_branch_by_branch() -> None:
    found = FileCoverage()
    line = {"line_number": 3, "function_name": "f", "count": 2, "branches": [{"count": 2}, {"count": 0}]}
    for each in (
        line,
        line | {"branches": [{"count": 0}, {"count": 5}]},
        {"line_number": 4, "count": 0, "branches": []},
    ):
        found.add(each)
    assert (found.line_counts, found.branch_counts, found.missing()) == ((1, 2), (2, 2), [4])
    assert not Coverage({"f.c": found}).enough
    found.add({"line_number": 4, "count": 1, "branches": []})
    assert Coverage({"f.c": found}).enough
    found.add({"line_number": 5, "count": 1, "branches": [{"count": 1}, {"count": 0}]})
    assert Coverage({"f.c": found}).branches == 0.75 and not Coverage({"f.c": found}).enough


def test_a_core_that_counts_computes_the_same_and_leaves_its_counts(tmp_path: Path, rng: np.random.Generator) -> None:
    import subprocess
    import sys

    library = core_library((), tmp_path)
    noise = edge_signal("white_noise", 2 * HOP, rng)
    model = Recipe(1, bits=9, neighbours=2, entries=33).model()
    assert np.array_equal(CoreClient(model, library).core.hops(noise), CoreClient(model).core.hops(noise))
    script = (  # the counts go to disk when the process that loaded the library ends
        "import sys, numpy as np; from pathlib import Path; from blsh_hil.prove.core_client import CoreClient\n"
        "from blsh_hil.prove.recipes import Recipe\n"
        "model = Recipe(1, bits=9, neighbours=2, entries=33).model()\n"
        "CoreClient(model, Path(sys.argv[1])).hop(np.zeros(256, np.int16))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(library)], check=True)
    coverage = collect(tmp_path)
    assert {"blsh_fft.c", "blsh_search.c", "blsh_init.c", "blsh_frame_portable.h"} <= set(coverage.files)
    assert 0.3 < coverage.lines < 0.95, "one hop of silence, one kind of features and of masks"
    assert coverage.files["blsh_tracked.c"].line_counts[0] == 0


def test_no_counters_are_no_coverage(tmp_path: Path) -> None:
    with pytest.raises(BlshError, match=r"no counters of the core under .*; nothing was run with --coverage"):
        collect(tmp_path)
