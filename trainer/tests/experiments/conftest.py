# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the experiments' tests: one work folder for all, tiny settings, and firmware that is not there."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.experiments import scoring, trained_models, workshop
from blsh_trainer.experiments.settings import FirmwareCost, Settings
from blsh_trainer.model.artifact import Model

COMMAND = "blsh experiment NAME recordings --fast"


class PretendedFirmware:
    """A Firmware whose figures follow from a model's sizes; `asked` are the models whose costs were wanted."""

    board = "a board"

    def __init__(self) -> None:
        self.asked: list[tuple[int, bool]] = []

    def entries_within(self, like: Model, budgets: Sequence[int], most: int) -> list[tuple[int, int]]:
        """Return as many entries as fit when each takes 100 bytes and a word for each bit of the code."""
        each = 100 + 4 * like.bits
        fitting = [min(most, max(0, budget - 20_000) // each) for budget in budgets]
        return [(entries, 20_000 + entries * each) for entries in fitting]

    def cost(self, model: Model, ordered: bool) -> FirmwareCost:
        """Return a tenth of a million instructions for each entry, and 100 bytes for each bit."""
        self.asked.append((model.entries, ordered))
        return FirmwareCost({"M4": model.entries / 10}, 100 * model.bits)


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a work folder that all tests of experiments share, as experiments of one corpus do."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture
def firmware() -> PretendedFirmware:
    return PretendedFirmware()


@pytest.fixture
def settings(tiny_corpus: Corpus, work: Path, tmp_path: Path, firmware: PretendedFirmware) -> Settings:
    output = tmp_path / "results"
    return Settings(tiny_corpus, work, output, COMMAND, mixtures=2, fast=True, jobs=1, firmware=firmware)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return counts of the work of experiments: mixing, fits and scored systems."""
    counted: Counter[str] = Counter()

    def count(module: Any, name: str, weight: Callable[..., int]) -> None:
        inner = getattr(module, name)

        def counting(*arguments: Any, **options: Any) -> Any:
            counted[name] += weight(*arguments)
            return inner(*arguments, **options)

        monkeypatch.setattr(module, name, counting)

    count(workshop, "gather_frames", lambda *_: 1)
    count(workshop, "fit_learner", lambda *_: 1)
    count(scoring, "evaluate_systems", lambda systems, *_: len(systems))
    count(trained_models, "evaluate_systems", lambda systems, *_: len(systems))
    count(trained_models, "train_model", lambda *_: 1)
    return counted
