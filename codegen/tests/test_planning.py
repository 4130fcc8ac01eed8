# SPDX-License-Identifier: Apache-2.0
"""Plans: they take the best validated model within the budgets, keep what is asked for, and refuse with numbers."""

import re
from dataclasses import replace

import numpy as np
import pytest

from blsh_codegen.cost.estimate import estimate, shape_bytes, state_bytes, table_bytes
from blsh_codegen.cost.measured_costs import BoardSizes, CoreCosts
from blsh_codegen.cost.planning import FEW_ENTRIES, MIPS_MARGIN, Budgets, Planner, largest_fitting
from blsh_codegen.cost.search_work import SEARCH_TERMS
from blsh_codegen.cost.validation_grid import ValidationGrid
from blsh_codegen.emit.generate import GenerateOptions, integer_model, reduced_model, render
from blsh_codegen.spec.constants import BLOCK
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model

pytestmark = pytest.mark.heavy

SIZES = BoardSizes(
    flash_bytes=20_000,
    flash_bytes_many=21_000,
    flash_bytes_small_votes=22_000,
    flash_bytes_large_votes=23_000,
    ram_bytes=3_000,
    stack_bytes=800,
    flash_bytes_apart={},
    ram_bytes_a_sample=4,
)
ROOMY = Budgets(1 << 20, 1 << 16)
KIB = 1024


def core() -> CoreCosts:
    """Return costs of a made-up core, on which a larger dictionary costs more."""
    ones = {"frames of 1024": 1000.0, "new samples": 0.0, "kept samples": 0.0, "thirds": 0.0}
    features = dict.fromkeys(("mel", "stft", "tracked"), 500.0) | {"bins": 0.0, "weights": 0.0, "tracked, ticks": 0.0}
    masks = ("bands", "words", "sums", "sums, neighbours", "smoothed", "bins")
    return CoreCosts(
        1,
        {
            "window": ones,
            "spectrum": ones,
            "features": features,
            "accumulators": {"tracked": 500.0, "octets": 0.0, "fours": 600.0, "octets of fours": 0.0},
            "code": {"hops": 10.0, "bits": 10.0, "ones": 2.0},
            "neighbours": dict.fromkeys(SEARCH_TERMS, 10.0),
            "mask": dict.fromkeys(masks, 5.0),
            "output": ones,
            "rest": {"hops": -40.0},
        },
    )


def grid_rows(improve) -> list[dict[str, object]]:
    return [
        {
            "bits": bits,
            "mask_kind": kind,
            "dictionary_entries": entries,
            "mean_improvement_db": improve(bits, kind, entries),
        }
        for bits in (32, 64)
        for kind in ("bands2", "bands1")
        for entries in (160, 320, 640, 1280)
    ]


def improvement(bits: int, kind: str, entries: int) -> float:
    return 3 + np.log2(entries) / 3 + bits / 100 - (0.1 if kind == "bands1" else 0)


@pytest.fixture(scope="module")
def artifact() -> Model:
    rng = np.random.default_rng(3)
    return Model(
        name="planned",
        feature_kind="tracked",
        neighbours=5,
        projections=rng.standard_normal((64, 128)),
        biases=rng.standard_normal(64),
        betas=np.ones(64),
        code_bits=rng.random((1280, 64)) < 0.5,
        mask_levels=rng.integers(0, 4, (1280, 80)).astype(np.uint8),
        card={"metrics": {"grid": grid_rows(improvement)}},
        mask_kind="bands2",
        smoothing=4,
        nested=True,
    )


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return edge_signal("speech_like", 8 * 256, np.random.default_rng(0))


@pytest.fixture
def planner(artifact, samples) -> Planner:
    return Planner(artifact, core(), SIZES, samples)


def test_a_larger_budget_never_gives_a_worse_model_and_each_is_kept(planner, artifact, samples):
    before = -np.inf
    for kib in (30, 34, 40, 48, 64, 80, 128):
        plan = planner.plan(GenerateOptions(), Budgets(kib * KIB, 1 << 14))
        built = integer_model(artifact, plan.options)
        assert SIZES.flash_bytes + table_bytes(built) == plan.chosen.taken.flash <= kib * KIB
        assert plan.chosen.improvement_db >= before
        before = plan.chosen.improvement_db
        assert plan.estimate == estimate(built, core(), SIZES, samples)
    assert (plan.options.entries, plan.options.bits, plan.options.masks) == (1280, 64, "bands2")
    assert plan.chosen.reason == "all entries of the artifact"


def test_the_best_of_all_candidates_is_chosen(planner, artifact):
    plan = planner.plan(GenerateOptions(), Budgets(40 * KIB, 1 << 14))
    assert {(each.bits, each.masks) for each in plan.candidates} == {
        (64, "bands2"),
        (64, "bands1"),
        (32, "bands2"),
        (32, "bands1"),
    }
    best = max(plan.candidates, key=lambda each: improvement(each.bits, each.masks, each.entries))
    assert (plan.chosen.bits, plan.chosen.masks, plan.chosen.entries) == (best.bits, best.masks, best.entries)
    for each in plan.candidates:
        kind = GenerateOptions(bits=each.bits, masks=each.masks, entries=each.entries)
        assert SIZES.flash_bytes + table_bytes(integer_model(artifact, kind)) <= 40 * KIB
        more = replace(kind, entries=each.entries + BLOCK)
        assert each.entries == 1280 or SIZES.flash_bytes + table_bytes(integer_model(artifact, more)) > 40 * KIB
    assert "the best on valid of 4 kinds that fit" in plan.why


@pytest.mark.parametrize(("least", "most"), [(5, 5), (5, 31), (10, 32), (32, 33), (40, 200), (64, 64), (7, 640)])
def test_the_most_entries_are_all_or_whole_blocks_or_the_least(least, most):
    for limit in range(least, most + 1):
        allowed = {least, most, *range(0, most, BLOCK)}
        assert largest_fitting(least, most, lambda entries, limit=limit: entries <= limit) == max(
            size for size in allowed if least <= size <= limit
        )


def test_instructions_are_a_budget(planner):
    most = planner.plan(GenerateOptions(), ROOMY).estimate.millions_per_second
    found = [planner.plan(GenerateOptions(), replace(ROOMY, mips=most * share)) for share in (1.0, 0.95, 0.9, 0.8)]
    for plan, share in zip(found, (1.0, 0.95, 0.9, 0.8), strict=True):
        assert plan.estimate.millions_per_second * (1 + MIPS_MARGIN) <= most * share + 1e-9
    improvements = [plan.chosen.improvement_db for plan in found]
    assert improvements == sorted(improvements, reverse=True) and improvements[0] > improvements[-1]


def test_what_is_asked_for_is_kept(planner):
    budget = Budgets(40 * KIB, 1 << 14)
    assert planner.plan(GenerateOptions(bits=32), budget).options.bits == 32
    assert planner.plan(GenerateOptions(masks="bands1"), budget).options.masks == "bands1"
    assert planner.plan(GenerateOptions(entries=200), budget).options.entries == 200
    assert planner.plan(GenerateOptions(share=0.1), budget).options.entries == 128
    asked = GenerateOptions(bits=48, masks="bands1", entries=100, neighbours=3)
    plan = planner.plan(asked, budget)
    assert replace(plan.options, table_budget=None) == asked
    assert plan.why == "as asked for"


def test_more_entries_are_not_taken_where_fewer_are_as_good(artifact, samples):
    rows = grid_rows(lambda bits, kind, entries: 5.0 if entries >= 320 else 4.0)
    flat = artifact.with_metrics({"grid": rows})
    plan = Planner(flat, core(), SIZES, samples).plan(GenerateOptions(bits=64, masks="bands2"), ROOMY)
    assert plan.options.entries == 320 and plan.chosen.reason == "more were not better on valid"


@pytest.mark.parametrize(
    ("wishes", "budgets", "words"),
    [
        (
            GenerateOptions(entries=1280, bits=64, masks="bands2"),
            Budgets(40 * KIB, 1 << 14),
            r"^1,280 entries of 64 bits with bands2 masks take [67]\d,\d{3} of 40,960 bytes of flash; "
            r"the nearest that fits: --entries (\d+) --bits 64 --masks bands2$",
        ),
        (
            GenerateOptions(entries=1280),
            replace(ROOMY, mips=1.0),
            r"^1,280 entries of \d+ bits with bands1 masks take \d\.\d\d of 1 million instructions a second "
            r"\(0.5 % kept in reserve\); the nearest that fits: --entries (\d+) --bits (\d+) --masks bands[12]$",
        ),
        (
            GenerateOptions(),
            Budgets(1 << 20, 8 * KIB),
            r"^32 entries of 32 bits with bands1 masks take 1\d,\d{3} of 8,192 bytes of RAM with the stack, and "
            r"nothing smaller can be made of planned",
        ),
        (
            GenerateOptions(bits=64),
            Budgets(10 * KIB, 8 * KIB),
            r"of 10,240 bytes of flash, 1\d,\d{3} of 8,192 bytes of RAM",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_numbers_and_the_nearest_that_does(planner, wishes, budgets, words):
    with pytest.raises(BlshError) as refused:
        planner.plan(wishes, budgets)
    told = str(refused.value)
    assert re.search(words, told), told
    nearest = re.search(r"--entries (\d+) --bits (\d+) --masks (\w+)", told)
    if nearest is not None:
        named = GenerateOptions(entries=int(nearest[1]), bits=int(nearest[2]), masks=nearest[3])
        assert planner.plan(named, budgets).chosen.fits


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        (GenerateOptions(bits=65), "65 bits asked for"),
        (GenerateOptions(entries=2000), "2000 entries asked for"),
        (GenerateOptions(entries=10, share=0.5), "exclude each other"),
        (GenerateOptions(masks="ibm"), "cannot become ibm masks"),
        (GenerateOptions(layout="loose"), "--layout 'loose' is unknown; choose one of tight, plain"),
        (GenerateOptions(neighbours=0), "0 neighbours"),
    ],
)
def test_wishes_that_cannot_be_had_are_refused(planner, wishes, words):
    with pytest.raises(BlshError, match=words):
        planner.plan(wishes, ROOMY)


def test_without_a_grid_entries_come_before_bits(artifact, samples):
    plain = Planner(artifact.with_metrics({}), core(), SIZES, samples)
    roomy = plain.plan(GenerateOptions(), Budgets(64 * KIB, 1 << 14))
    assert roomy.options.bits == 64 and roomy.chosen.improvement_db is None
    assert "has no validated sizes, so it is as many entries as fit" in roomy.why
    tight = plain.plan(GenerateOptions(), Budgets(37_500, 1 << 14))
    assert tight.options.bits < 64 and tight.options.entries >= FEW_ENTRIES
    assert tight.options.masks == "bands2"


def test_the_plain_layout_draws_entries_and_leaves_their_order(artifact, planner):
    options = GenerateOptions(entries=100, layout="plain", seed=5)
    drawn = reduced_model(artifact, options)
    chosen = np.sort(np.random.default_rng(5).permutation(1280)[:100])
    np.testing.assert_array_equal(drawn.code_bits, artifact.code_bits[chosen])
    built = integer_model(artifact, options)
    np.testing.assert_array_equal(built.code_bits(), drawn.code_bits)
    np.testing.assert_array_equal(built.mask_levels(), drawn.mask_levels)
    assert "--layout plain" in render(built, options)["blsh_model.h"]
    cut = integer_model(artifact, replace(options, layout="tight"))
    assert (cut.code_bits() != artifact.code_bits[:100]).any()
    assert sorted(cut.code_integers) == sorted(integer_model(artifact.subsample(100), GenerateOptions()).code_integers)
    plan = planner.plan(GenerateOptions(layout="plain"), Budgets(40 * KIB, 1 << 14))
    assert (plan.options.bits, plan.options.masks) == (64, "bands2") and plan.options.entries < 1280


def test_the_header_asserts_what_the_budget_leaves_for_the_tables(artifact, planner):
    plan = planner.plan(GenerateOptions(board="some-board", flash=40 * KIB), Budgets(40 * KIB, 1 << 14))
    header = render(integer_model(artifact, plan.options), plan.options)["blsh_model.h"]
    assert f"#define BLSH_MODEL_FLASH_BUDGET_BYTES {plan.options.table_budget}u" in header
    tables = int(re.search(r"BLSH_MODEL_FLASH_BYTES (\d+)u", header)[1])
    assert tables <= plan.options.table_budget < 40 * KIB - SIZES.flash_bytes
    assert f"--entries {plan.options.entries} --bits {plan.options.bits} --masks {plan.options.masks} " in header
    assert "--board some-board --flash 40960\n" in header
    again = planner.plan(replace(plan.options, table_budget=None), Budgets(40 * KIB, 1 << 14))
    assert again.options == plan.options


@pytest.mark.parametrize("entries", [5, 32, 33, 640, 1280])
def test_flash_is_never_planned_below_what_it_will_be(artifact, entries):
    shape = integer_model(artifact, GenerateOptions(entries=5))
    built = integer_model(artifact, GenerateOptions(entries=entries))
    exact, planned = table_bytes(built), shape_bytes(shape, entries)
    assert exact <= planned <= exact + 4 * 7 * -(-entries // 1024)
    assert state_bytes(shape) == state_bytes(built)


def test_the_grid_is_read_between_and_beyond_its_points(artifact):
    grid = ValidationGrid(artifact)
    assert grid.lengths == [64, 32] and grid.mask_kinds == ["bands2", "bands1"]
    assert grid.entries("bands1") == [160, 320, 640, 1280]
    for bits, entries in ((64, 320), (32, 1280), (64, 500), (48, 700), (64, 40)):
        assert grid.improvement(bits, "bands2", entries) == pytest.approx(improvement(bits, "bands2", entries))
    assert grid.improvement(64, "bands2", 5000) == pytest.approx(improvement(64, "bands2", 1280))
    assert grid.improvement(64, "bands", 320) is None
    assert not ValidationGrid(replace(artifact, nested=False)) and not ValidationGrid(artifact.with_metrics({}))


@pytest.mark.parametrize(
    "rows", [[{"bits": 64}], "no rows", [{**grid_rows(improvement)[0], "dictionary_entries": 0}], 5]
)
def test_a_damaged_grid_is_refused(artifact, rows):
    damaged = replace(artifact, card={"metrics": {"grid": rows}})
    with pytest.raises(BlshError, match=r"metrics\.grid on the card of planned is damaged"):
        ValidationGrid(damaged)
