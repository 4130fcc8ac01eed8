# SPDX-License-Identifier: Apache-2.0
"""The bars of quality: each verdict follows from its figures, and figures that are missing are named."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blsh_codegen.project import project_root
from blsh_tools.bench.demand import Demand
from blsh_tools.bench.quality_bars import quality_bars
from blsh_tools.commands.bars_quality import BEFORE
from blsh_tools.judge_quality import write_quality_bars
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.behaviours import BEHAVIOURS
from blsh_trainer.evaluation.bootstrap import mean_interval
from blsh_trainer.evaluation.generalisation import Generalisation
from blsh_trainer.evaluation.peer_scores import SNRS_DB

METRICS = ("si_sdr_db", "pesq", "estoi")
PEERS = ("rnnoise-0.1.1", "nnse-no-dc-filter", "gtcrn-dns3")
SPREAD = Generalisation(mean_interval([5.0, 5.0]), mean_interval([4.0, 4.0]), ("wind",), ("juicer",))
GROUPS = {"steadiness": ("white", "white_60_s", "fan_60_s"), "clean": ("speech",), "start": ("in_noise", "clean")}
JUST = {
    "attenuation_from_2_s_db": 18.0,
    "level_deviation_db": 1.5,
    "power_kurtosis": 22.0,
    "si_sdr_db": 20.0,
    "pesq": 4.0,
    "estoi": 0.97,
    "level_db": -0.3,
    "first_over_settled_db": -0.5,
}
Figures = dict[str, Any]


@pytest.fixture
def figures() -> Figures:
    """Return figures that meet every bar, most of them by no margin, and reach no stretch but the peers'."""
    return {
        "costs": {
            "millions": {"M4": 16.0, "M0": 31.0, "M55": 7.0},
            "ram_bytes": 12 << 10,
            "flash_bytes": 128 << 10,
            "source": "measured",
        },
        "summary": [
            {"system": "model", "metric": metric, "snr_db": snr_db, "mean": 1.5}
            for metric in METRICS
            for snr_db in SNRS_DB
        ],
        "peers": [
            {"peer": peer, "metric": metric, "snr_db": snr, "ours": 1.5, "difference": 0.1, "low": -0.1, "high": 0.3}
            for peer in PEERS
            for metric in METRICS
            for snr in SNRS_DB
        ],
        "behaviours": {
            "means": [
                {"behaviour": name, "group": group, "figure": figure, "mean": JUST.get(figure, 0.0)}
                for name, groups in GROUPS.items()
                for group in groups
                for figure in BEHAVIOURS[name].shown
            ]
        },
    }


def beaten(figures: Figures) -> Figures:
    """Return figures that are a little worse in everything."""
    worse = copy.deepcopy(figures)
    for each in worse["summary"]:
        each["mean"] -= 0.1
    for each in worse["behaviours"]["means"]:
        each["mean"] += 0.1 if each["figure"] in ("level_deviation_db", "power_kurtosis") else -0.1
    return worse


def little(figures: Figures) -> Figures:
    small = copy.deepcopy(figures)
    small["costs"].update(flash_bytes=64 << 10)
    small["costs"]["millions"]["M4"] = 12.0
    return small


def judged(figures: Figures) -> list[Demand]:
    return quality_bars(figures, little(figures), beaten(figures), SPREAD)


def test_bars_that_are_just_met_are_met(figures: Figures) -> None:
    bars = judged(figures)
    assert len(bars) == 10 and all(bar.met for bar in bars), [bar.what for bar in bars if not bar.met]
    reached = [bar.reached for bar in bars if bar.stretch]
    assert reached == [True, True, True, False, False, False, False]
    assert "23 of 23 figures beaten" in bars[4].told and bars[9].told.startswith("+1.00 dB: heard +5.00")


def of_peer(peer: str, metric: str, snr_db: float) -> Callable[[Figures], None]:
    def change(figures: Figures) -> None:
        (row,) = (e for e in figures["peers"] if (e["peer"], e["metric"], e["snr_db"]) == (peer, metric, snr_db))
        row["difference"] = 0.0

    return change


def of_behaviour(group: str, figure: str, by: float) -> Callable[[Figures], None]:
    def change(figures: Figures) -> None:
        (row,) = (e for e in figures["behaviours"]["means"] if (e["group"], e["figure"]) == (group, figure))
        row["mean"] += by

    return change


def of_cost(name: str, core: str | None = None) -> Callable[[Figures], None]:
    def change(figures: Figures) -> None:
        place, key = (figures["costs"], name) if core is None else (figures["costs"]["millions"], core)
        place[key] += 1

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (of_peer("nnse-no-dc-filter", "si_sdr_db", 5.0), "SI-SDR at"),
        (of_peer("rnnoise-0.1.1", "si_sdr_db", -5.0), "SI-SDR at"),
        (of_peer("rnnoise-0.1.1", "estoi", 10.0), "ESTOI at"),
        (of_peer("rnnoise-0.1.1", "pesq", 0.0), "PESQ-WB at"),
        (of_cost("flash_bytes"), "cost of"),
        (of_cost("ram_bytes"), "cost of"),
        (of_cost("millions", "M55"), "cost of"),
        (of_behaviour("fan_60_s", "attenuation_from_2_s_db", -0.01), "steady noise"),
        (of_behaviour("white", "level_deviation_db", 0.01), "its residual"),
        (of_behaviour("white", "power_kurtosis", 0.1), "its residual"),
        (of_behaviour("speech", "estoi", -0.001), "clean speech"),
        (of_behaviour("speech", "level_db", -0.01), "clean speech"),
        (of_behaviour("in_noise", "first_over_settled_db", -0.01), "first second"),
    ],
)
def test_a_bar_that_is_missed_is_not_met(figures: Figures, change: Callable[[Figures], None], what: str) -> None:
    little_one, before = little(figures), beaten(figures)
    change(figures)
    failed = [bar.what for bar in quality_bars(figures, little_one, before, SPREAD) if bar.met is False]
    assert len(failed) == 1 and failed[0].startswith(what)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (of_peer("gtcrn-dns3", "si_sdr_db", 0.0), 0),
        (of_peer("nnse-no-dc-filter", "estoi", 10.0), 1),
        (of_peer("nnse-no-dc-filter", "pesq", -5.0), 2),
    ],
)
def test_a_stretch_that_is_missed_is_not_reached(
    figures: Figures, change: Callable[[Figures], None], place: int
) -> None:
    change(figures)
    bar = judged(figures)[place]
    assert (bar.met, bar.reached) == (True, False)


def test_the_stretch_in_si_sdr_is_at_0_db_alone(figures: Figures) -> None:
    of_peer("gtcrn-dns3", "si_sdr_db", 5.0)(figures)
    assert judged(figures)[0].reached is True


def test_a_small_model_has_to_fit_and_to_beat_every_figure(figures: Figures) -> None:
    before = beaten(figures)
    small = little(figures)
    of_behaviour("speech", "pesq", -0.1)(small)
    bar = quality_bars(figures, small, before, None)[4]
    assert bar.met is False and "22 of 23 figures beaten, not: clean speech: pesq 3.900, before 3.900" in bar.told
    for changed in (of_cost("flash_bytes"), of_cost("millions", "M4")):
        heavy = little(figures)
        changed(heavy)
        assert quality_bars(figures, heavy, before, None)[4].met is False


def test_the_model_before_has_every_figure_and_does_not_beat_itself() -> None:
    before = json.loads((project_root() / BEFORE).read_text())
    assert before["mixtures"]["mixtures"] == 60 and before["engine"] == "fixed"
    bar = quality_bars(before, before, before, None)[4]
    assert bar.met is False and "0 of 23 figures beaten" in bar.told


def test_what_was_not_measured_is_not_judged(figures: Figures) -> None:
    bars = quality_bars(figures, None, None, None)
    assert [bar.met for bar in bars if "not measured" in bar.told] == [None, None]
    assert "give --small" in bars[4].told and "give --extra" in bars[9].told
    del figures["behaviours"]
    with pytest.raises(BlshError, match="lack attenuation_from_2_s_db of white_60_s; make them with: blsh evaluate"):
        quality_bars(figures, None, None, None)
    del figures["peers"]
    with pytest.raises(BlshError, match="lack si_sdr_db beside nnse-no-dc-filter at -5 dB"):
        quality_bars(figures, None, None, None)


def test_a_gap_of_3_9_db_is_too_wide(figures: Figures) -> None:
    wide = Generalisation(mean_interval([7.9]), mean_interval([4.0]), ("wind",), ("juicer",))
    assert quality_bars(figures, None, None, wide)[9].met is False


def test_the_bars_are_written_and_listed(figures: Figures, tmp_path: Path) -> None:
    page, data = write_quality_bars(judged(figures), "blsh bars-quality CORPUS", tmp_path)
    assert "10 of 10 bars met, 3 of 7 stretches reached" in page.read_text()
    assert [bar["state"] for bar in json.loads(data.read_text())["bars"]] == ["met"] * 10
    assert "bars-quality" in (tmp_path / "README.md").read_text()
