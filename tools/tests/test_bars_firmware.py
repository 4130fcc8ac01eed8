# SPDX-License-Identifier: Apache-2.0
"""The firmware's bars: each verdict follows from its figure, and what was not measured is not judged."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blsh_tools.bench.bars import estimate_bars, write_bars
from blsh_tools.bench.budgets import M0, M4, M55, SMALLEST, bench_bars
from blsh_tools.bench.transform_snr import transform_snrs
from blsh_trainer.experiments.verdict import Bar
from blsh_trainer.signals.geometry import CLASSES, Geometry

from .bench_rows import row

BOARDS = (SMALLEST, M4, M55)


@pytest.fixture
def rows() -> dict[str, dict[str, Any]]:
    """Return figures that keep every budget, most of them by no margin."""
    found = [row(M0, 500_000, 160_000, 16.0), row(SMALLEST, 480_000, 160_000, 20.0)]
    found += [row(M4, 160_000, 45_000, 8.0), row(M55, 80_000, 35_000, 1.5)]
    return {each["board"]: each for each in found}


def verdicts(bars: list[Bar]) -> dict[str, bool | None]:
    return {bar.what: bar.met for bar in bars}


def test_budgets_that_are_just_kept_are_met(rows: dict[str, dict[str, Any]]) -> None:
    bars = [*bench_bars(rows, BOARDS), *estimate_bars(list(rows.values()), BOARDS)]
    assert len(bars) == 16
    assert all(verdicts(bars).values()), verdicts(bars)


@pytest.mark.parametrize(
    ("board", "path", "value", "what"),
    [
        (M4, ("instructions", "mean"), 160_001, "whole hop"),
        (M55, ("instructions", "mean"), 80_001, "whole hop"),
        (M0, ("instructions", "transforms", "inverse", "maximum"), 160_001, "FFT"),
        (M4, ("instructions", "search_per_entry"), 8.01, "search"),
        (M4, ("instructions", "stages", "features", "mean"), 24_001, "no stage"),
        (M55, ("ram", "stack_computed"), 1_889, "RAM"),
        (M55, ("ram", "stack_of_a_hop"), 1_377, "RAM"),
        (SMALLEST, ("ram", "application"), 4_585, "it runs on microbit"),
        (M4, ("flash", "code"), 16_385, "code"),
        (SMALLEST, ("ram", "stack_painted"), 1_401, "stack"),
    ],
)
def test_a_budget_that_is_passed_is_not_met(
    rows: dict[str, dict[str, Any]], board: str, path: tuple[str, ...], value: float, what: str
) -> None:
    rows = copy.deepcopy(rows)
    place = rows[board]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    failed = [bar.what for bar in bench_bars(rows, BOARDS) if bar.met is False]
    assert len(failed) == 1
    assert failed[0].startswith(what)


def test_the_two_transforms_and_the_search_may_take_more(rows: dict[str, dict[str, Any]]) -> None:
    for stage in ("spectrum", "output", "neighbours"):
        rows[M4]["instructions"]["stages"][stage] = {"mean": 100_000, "maximum": 100_000}
    assert all(verdicts(bench_bars(rows, BOARDS)).values())


def test_fewer_entries_than_the_budget_s_meet_nothing(rows: dict[str, dict[str, Any]]) -> None:
    rows[M4]["entries"] = 4_000
    assert [bar.what[:9] for bar in bench_bars(rows, BOARDS) if bar.met is False] == ["search: a", "whole hop"]


def test_a_board_that_was_not_measured_leaves_its_bars_open(rows: dict[str, dict[str, Any]]) -> None:
    del rows[M55]
    bars = bench_bars(rows, BOARDS)
    open_bars = [bar for bar in bars if bar.met is None]
    assert len(open_bars) == 6  # its own three, and those of all boards
    assert all(f"not measured on {M55}; run: make bench-firmware" in bar.told for bar in open_bars)
    assert all(bar.met is None and bar.told == "why" for bar in bench_bars({}, BOARDS, "why"))


@pytest.mark.parametrize(("part", "value"), [("flash_bytes", 320_000), ("ram_bytes", 13_100)])
def test_an_estimate_of_bytes_may_be_off_by_one_percent(rows: dict[str, dict[str, Any]], part: str, value: int) -> None:
    rows[M4]["estimate"][part] = value
    sizes, work = estimate_bars(list(rows.values()), BOARDS)
    assert (sizes.met, work.met) == (False, True)
    assert M4 in sizes.told


def test_an_estimate_of_instructions_may_be_off_by_five_percent(rows: dict[str, dict[str, Any]]) -> None:
    rows[SMALLEST]["estimate"]["instructions"]["mean"] = 480_000 * 0.94
    sizes, work = estimate_bars(list(rows.values()), BOARDS)
    assert (sizes.met, work.met) == (True, False)
    rows[SMALLEST]["estimate"] = None
    assert [bar.met for bar in estimate_bars(list(rows.values()), BOARDS)] == [None, None]


def test_bars_are_written_and_listed(rows: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    bars = [*bench_bars(rows, BOARDS), Bar("another", "0", False), Bar("a third", "not yet", None)]
    page, data = write_bars(bars, "blsh bars-firmware", tmp_path)
    assert "14 met, 1 NOT MET, 1 not measured" in page.read_text()
    assert json.loads(data.read_text())["bars"][-2]["state"] == "NOT MET"
    assert "bars-firmware" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("geometry", [*CLASSES.values(), Geometry(16_000, 256, 64, 128)], ids=str)
def test_transforms_are_accurate_at_every_level(geometry: Geometry, rng: np.random.Generator) -> None:
    n = np.arange(8 * 1024)
    speech = np.sin(n * 0.05) * np.sin(n * 0.0007) + 0.01 * rng.standard_normal(len(n))
    found = transform_snrs(speech / np.abs(speech).max(), geometry, (0, -30, -60))
    assert list(found) == [0, -30, -60]
    assert all(65 < value < 100 for pair in found.values() for value in pair), found
