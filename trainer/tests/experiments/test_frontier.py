# SPDX-License-Identifier: Apache-2.0
"""The frontier of quality per byte: budgets, costs, and models that are trained once."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.experiments.registry import EXPERIMENTS
from blsh_trainer.experiments.settings import Settings

from .conftest import PretendedFirmware


def test_the_frontier_stays_within_its_budgets_and_never_falls_on_valid(settings: Settings) -> None:
    report = EXPERIMENTS["frontier"](settings)
    points = report.data["points"]
    assert all(point["bytes"] <= point["budget"] and point["entries"] >= 3 for point in points)
    for system in {point["system"] for point in points}:
        own = [point for point in points if point["system"] == system]
        assert [point["budget"] for point in own] == [1024 * kib for kib in (64, 128, 256, 512, 1024, 2048)]
        assert np.all(np.diff([point["valid"]["mean"] for point in own]) >= 0)
    assert [bar["state"] in ("met", "NOT MET") for bar in report.data["bars"]] == [True] * 4
    assert len(report.table) == 1 + len(points) == 1 + 3 * 6


def test_the_frontier_tells_what_the_firmware_takes(settings: Settings, firmware: PretendedFirmware) -> None:
    report = EXPERIMENTS["frontier"](settings)
    points = report.data["points"]
    assert [point["cost"]["millions_per_second"]["M4"] for point in points] == [p["entries"] / 10 for p in points]
    assert [point["cost"]["ram_bytes"] for point in points] == [100 * point["bits"] for point in points]
    assert set(firmware.asked) == {(p["entries"], p["system"] == "chosen layout") for p in points}
    assert report.table[0][-2:] == ["M4_mips", "ram_bytes"]
    assert "a board" in " ".join(report.notes)


def test_the_frontier_is_refused_without_firmware(settings: Settings) -> None:
    with pytest.raises(BlshError, match="needs what counts the firmware's bytes"):
        EXPERIMENTS["frontier"](replace(settings, firmware=None))


def test_a_damaged_model_of_the_frontier_is_trained_again(
    settings: Settings, calls: Counter[str], tmp_path: Path
) -> None:
    settings = replace(settings, work=tmp_path / "work")
    whole = EXPERIMENTS["frontier"](settings)
    calls.clear()
    damaged = sorted((settings.work / "models").glob("*.npz"))[0]
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert EXPERIMENTS["frontier"](settings).table == whole.table
    assert calls == {"train_model": 1}, "the figures belong to the model's hash, which is the same"
