# SPDX-License-Identifier: Apache-2.0
"""Experiments: every one leaves its files, captions name the command, a rerun computes nothing, an interrupt little."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.evaluate import evaluate_systems
from blsh_trainer.experiments import scoring
from blsh_trainer.experiments.registry import EXPERIMENTS
from blsh_trainer.experiments.report_files import write_report
from blsh_trainer.experiments.settings import Settings
from blsh_trainer.experiments.similarities import correlation, rank_correlation
from blsh_trainer.experiments.work_store import Store
from blsh_trainer.experiments.workshop import PAPER, workshop_for
from blsh_trainer.learning import bit_fit as refinement
from blsh_trainer.learning import boosted as blsh

from .conftest import COMMAND

pytestmark = pytest.mark.heavy


QUICK = ("fig4", "table1")
"""A figure and a table; the others take the same way and are slow together. `dense` needs a model: test_dense.py."""
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in EXPERIMENTS if name not in (*QUICK, "dense")]


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_an_experiment_leaves_its_files_and_a_rerun_computes_nothing(
    name: str, settings: Settings, calls: Counter[str]
) -> None:
    settings = replace(settings, command=COMMAND.replace("NAME", name))
    report = EXPERIMENTS[name](settings)
    files = {file.name: file.read_bytes() for file in write_report(report, settings.output)}
    kinds = {"png"} if name.startswith("fig") else {"md", "png"} if name == "frontier" else {"md"}
    assert set(files) == {f"{report.name}.{kind}" for kind in ("json", "csv", *kinds)} | {"README.md"}
    assert settings.command in files["README.md"].decode()
    assert json.loads(files[f"{report.name}.json"])["command"] == settings.command
    assert all(len(content) < 150_000 for content in files.values())
    if "md" in kinds:
        assert settings.command in files[f"{report.name}.md"].decode()
    calls.clear()
    again = {file.name: file.read_bytes() for file in write_report(EXPERIMENTS[name](settings), settings.output)}
    assert again == files
    assert not calls, "a rerun computed something"


def test_an_interrupted_experiment_goes_on_from_the_cells_that_it_has(
    settings: Settings, calls: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = EXPERIMENTS["fig4"](settings)
    total = len(whole.table[1:]) // 2  # a row for each system and metric
    settings = replace(settings, work=tmp_path / "work")
    batches: list[int] = []

    def interrupted(systems: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        if batches:
            raise KeyboardInterrupt
        batches.append(len(systems))
        return evaluate_systems(systems, *arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(scoring, "evaluate_systems", interrupted)
        EXPERIMENTS["fig4"](settings)
    calls.clear()
    resumed = EXPERIMENTS["fig4"](settings)
    assert 0 < batches[0] < total
    assert calls == {"evaluate_systems": total - batches[0]}, "it fitted again, or scored what it had"
    assert resumed.table == whole.table


def test_an_interrupted_fit_goes_on_from_its_bits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = workshop_for(settings).hash(PAPER, "mel", 0, 6)
    workshop = workshop_for(replace(settings, work=tmp_path / "work"))
    fitted: list[int] = []

    def stopping_at(last: int) -> Callable[..., Any]:
        def fit_bit(*arguments: Any) -> Any:
            if len(fitted) == last:
                raise KeyboardInterrupt
            fitted.append(1)
            return refinement.fit_bit(*arguments)

        return fit_bit

    monkeypatch.setattr(blsh, "fit_bit", stopping_at(4))
    with pytest.raises(KeyboardInterrupt):
        workshop.hash(PAPER, "mel", 0, 6)
    monkeypatch.setattr(blsh, "fit_bit", stopping_at(99))
    resumed = workshop.hash(PAPER, "mel", 0, 6)
    assert len(fitted) == 6
    np.testing.assert_array_equal(resumed.projections, whole.projections)
    assert [file.suffix for file in (tmp_path / "work" / "learners").iterdir()] == [".npz"]


def test_more_mixtures_are_scored_with_the_fits_that_are_there(settings: Settings, calls: Counter[str]) -> None:
    EXPERIMENTS["fig4"](settings)
    calls.clear()
    EXPERIMENTS["fig4"](replace(settings, mixtures=3))
    assert calls["evaluate_systems"] > 0 and set(calls) == {"evaluate_systems"}


def test_a_picture_carries_its_command_and_is_the_same_every_time(settings: Settings, tmp_path: Path) -> None:
    def bytes_with(command: str) -> bytes:
        report = EXPERIMENTS["fig6"](replace(settings, command=command))
        assert report.draw is not None
        report.draw(tmp_path / "picture.png")
        return (tmp_path / "picture.png").read_bytes()

    first = bytes_with("blsh experiment fig6 recordings")
    assert bytes_with("blsh experiment fig6 recordings") == first != bytes_with("blsh experiment fig6 others")
    assert b"tEXt" not in first and b"tIME" not in first


def test_a_dictionary_smaller_than_k_is_refused(settings: Settings) -> None:
    with pytest.raises(
        BlshError, match=r"dictionary of 0.001 has 1 of \d+ training frames, fewer than the 3 neighbours"
    ):
        workshop_for(settings).dictionary("mel", 0.001, 0)


def test_smaller_dictionaries_lie_within_larger_ones(settings: Settings) -> None:
    workshop = workshop_for(settings)
    small, large = (workshop.dictionary("mel", share, 1) for share in (0.01, 0.1))
    assert set(small) < set(large) and len(large) == int(np.ceil(0.1 * len(workshop.frames("mel"))))


def test_the_store_counts_damaged_files_as_missing(tmp_path: Path) -> None:
    store, identity = Store(tmp_path), {"a": 1}
    store.keep_result("cells", identity, [1.5])
    store.keep_arrays("fits", identity, {"x": np.arange(3)})
    assert store.result("cells", identity) == [1.5] and store.result("cells", {"a": 2}) is None
    assert store.has("fits", identity) and not store.has("fits", {"a": 2})
    arrays = store.arrays("fits", identity)
    assert arrays is not None and arrays["x"].tolist() == [0, 1, 2]
    for file in (*(tmp_path / "cells").iterdir(), *(tmp_path / "fits").iterdir()):
        file.write_bytes(file.read_bytes()[:20])
    assert store.result("cells", identity) is None and store.arrays("fits", identity) is None
    assert not store.has("fits", identity)


def test_correlations_of_what_is_alike_and_what_falls() -> None:
    target = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.1], [0.2, 0.1, 1.0]])
    assert correlation(2 * target + 1, target) == pytest.approx(1.0)
    assert correlation(np.ones((3, 3)), target) == 0.0
    assert rank_correlation(np.array([3.0, 2.0, 0.5])) == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": 0}, "0 seeds asked for"),
        ({"mixtures": -1}, "-1 mixtures asked for"),
        ({"jobs": 0}, "0 jobs"),
        ({"baseline_seconds": float("nan")}, "nan seconds of training"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: Settings, change: dict[str, Any], words: str) -> None:
    with pytest.raises(BlshError, match=words):
        replace(settings, **change)
