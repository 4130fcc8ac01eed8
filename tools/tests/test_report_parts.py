# SPDX-License-Identifier: Apache-2.0
"""What the page about a model is made of: losses of stages, scores in words, drawings, budgets, colours."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_hil.prove.random_model import random_voting_model
from blsh_tools.audio.engines import FixedEngine, FloatEngine
from blsh_tools.report import budgets as budgeting
from blsh_tools.report.budgets import budgets
from blsh_tools.report.charts import Difference, forest, scatter
from blsh_tools.report.device import BOARD, CORE, FIXED, chosen_device
from blsh_tools.report.page import PAGE
from blsh_tools.report.recordings import Source, hear
from blsh_tools.report.scores import Scores, counted_words, level_tables, peer_level
from blsh_tools.report.stage_loss import StageLoss, stage_losses
from blsh_tools.report.verdict import BAD, GOOD, NOTE, summary
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.score_sheet import sheet_of
from blsh_trainer.model.artifact import AnyModel, load_model
from blsh_trainer.model.boxed_models import boxed_models
from blsh_trainer.signals.geometry import CLASSES

from .score_files import PEERS, scores_of
from .test_playground_parts import contrast, themes
from .tiny_corpus import noise, speech

STAGES = ("window", "spectrum", "features", "accumulators", "code", "neighbours", "mask", "output")
WHOLE = GenerateOptions()


@pytest.fixture(scope="module")
def hearing() -> AnyModel:
    return load_model(boxed_models()["hearing"])


def noisy(samples: int = 8_000) -> Any:
    rng = np.random.default_rng(3)
    return np.round((speech(samples, rng) + noise(samples, rng)) * 32768).astype(np.int16)


# ---- losses --------------------------------------------------------------------------------------------------------


def losses(model: AnyModel, integers: IntegerModel) -> dict[str, StageLoss]:
    found = stage_losses(model, integers, [noisy()])
    assert [each.stage for each in found] == list(STAGES)
    return {each.stage: each for each in found}


def test_each_stage_loses_what_its_integers_cost(hearing: AnyModel) -> None:
    found = losses(hearing, integer_model(hearing, WHOLE))
    assert found["window"].mean > 80 and found["spectrum"].mean > 70 and found["features"].mean > 30
    assert 98 < found["code"].mean < 100 and 85 < found["neighbours"].mean < 100
    assert found["output"].mean > 20 and found["output"].least == found["output"].mean
    assert {each.unit for each in found.values()} == {"dB", "%"}


def test_a_fault_shows_in_its_stage_and_in_those_behind_it(hearing: AnyModel) -> None:
    integers = integer_model(hearing, WHOLE)
    rows = integers.projection_q7.copy()
    rows[::2] = -rows[::2]
    sound, broken = losses(hearing, integers), losses(hearing, replace(integers, projection_q7=rows))
    assert [broken[stage] == sound[stage] for stage in STAGES] == [True] * 3 + [False] * 5
    assert broken["accumulators"].mean < 5 and broken["code"].mean < 80 and broken["output"].mean < 20


def test_the_recordings_are_compared_with_the_reference(hearing: AnyModel) -> None:
    fixed = FixedEngine(hearing, WHOLE)
    source = Source("speech", "noise", "fan", 0.0, noisy(), noisy())
    (same,) = hear([source], FloatEngine(hearing, WHOLE), fixed.reference, fixed)

    def spoilt(samples: Any) -> Any:
        found = fixed.denoise(samples)
        found[:3] += 1 / 32768
        return found

    (other,) = hear([source], FloatEngine(hearing, WHOLE), fixed.reference, SimpleNamespace(denoise=spoilt))
    assert (same.differing, other.differing) == (0, 3)
    assert list(same.sounds) == ["noisy", "clean", "float", "device"] and same.si_sdr_db["noisy"] is None


# ---- scores --------------------------------------------------------------------------------------------------------


def test_scores_are_counted_and_told_with_their_intervals(hearing: AnyModel) -> None:
    scores = Scores(sheet_of(scores_of(hearing)), "from a test")
    assert scores.beside_peers and counted_words(scores) == {"better": 12, "worse": 12, "open": 12}
    title, header, rows = level_tables(scores)[0]
    assert (title, header) == ("SI-SDR, dB", ["", "-5 dB", "0 dB", "5 dB", "10 dB"])
    assert rows[0] == ["this model"] + ["2.00 (1.80 to 2.50)"] * 4
    assert [row[0] for row in rows[1:]] == ["unprocessed", "GTCRN, floats", "RNNoise 0.1.1", "SpeexDSP, fixed point"]
    level = peer_level(PEERS[0], 0.0, "si_sdr_db")
    assert level is not None and level.low < level.mean < level.high and level.n == 60
    assert peer_level("nobody", 0.0, "si_sdr_db") is None


def test_peers_stand_beside_the_model_only_on_all_of_their_mixtures(hearing: AnyModel) -> None:
    sheet = sheet_of(scores_of(hearing))
    for changed in ({"mixtures": 12}, {"rate_hz": 8_000}, {"protocol": "drawn"}):
        scores = Scores(replace(sheet, mixtures={**sheet.mixtures, **changed}), "")
        assert not scores.beside_peers and len(level_tables(scores)[0][2]) == 2


def test_the_summary_follows_from_the_figures(hearing: AnyModel) -> None:
    found: Any = SimpleNamespace(board=SimpleNamespace(name="tiny"), model=hearing, cpu_share_most=1.2)
    heard: Any = [SimpleNamespace(differing=2, source=SimpleNamespace(noisy=np.zeros(1000)))]
    lost = [StageLoss("output", "dB", 31.6, 28.2)]
    scores = Scores(sheet_of(scores_of(hearing)), "")
    told = [(each.state, each.text) for each in summary(found, scores, lost, heard, "a stand-in")]
    assert told[0] == (
        GOOD,
        "SI-SDR gains +1.50 dB (1.00 to 2.00) at 0 dB, mean of 60 mixtures with its 95 % interval.",
    )
    assert told[1][0] == NOTE and "better in 12 of 36 comparisons, worse in 12, no difference shown in 12" in told[1][1]
    assert told[2][0] == BAD and told[2][1].startswith("Too slow for tiny: its dearest hop takes 120 %")
    assert told[3] == (BAD, "2 of 1,000 samples of the device differ from the integer reference. Device: a stand-in.")
    assert "32 dB above its difference" in told[4][1] and told[5][0] == GOOD
    unknown = summary(found, None, lost, heard, "")
    assert unknown[0].text.startswith("This model has no scores yet.") and len(unknown) == 5
    bare = replace(random_voting_model(geometry=CLASSES["hearing"]), card={})
    assert summary(SimpleNamespace(**{**vars(found), "model": bare}), None, lost, heard, "")[-1].state == BAD


# ---- drawings ------------------------------------------------------------------------------------------------------


def test_a_difference_stands_to_the_right_of_zero_where_it_is_positive() -> None:
    drawn = forest("t", [("a", [Difference(1.0, 0.5, 1.5, "better", "")]), ("b", [Difference(-1, -2, 0, "worse", "")])])
    (_, _, [better]), (_, _, [worse]) = drawn.rows
    assert drawn.zero < better.low < better.mean < better.high and worse.low < worse.mean < drawn.zero
    assert better.y < worse.y and worse.high == pytest.approx(drawn.zero)
    assert [tick.label for tick in drawn.ticks] == ["-2", "-1", "0", "1"]
    assert next(tick.at for tick in drawn.ticks if tick.label == "0") == pytest.approx(drawn.zero)


def test_cheaper_is_left_and_better_is_up() -> None:
    points = [(1, 10.0, 10.0, 5.0, "model", ""), (2, 100.0, 200.0, 6.0, "peer", "")]
    drawn = scatter("t", points, None, 10.0)
    ours, theirs = drawn.dots
    assert ours.x < theirs.x_low < theirs.x and theirs.y < ours.y and drawn.mark is None
    assert [tick.label for tick in drawn.x_ticks] == ["10", "20", "50", "100", "200"]
    costly = scatter("t", points[1:], 10.0, 10.0)
    assert costly.mark is not None and costly.mark < costly.dots[0].x_low


def test_texts_and_marks_stand_out() -> None:
    light, dark = re.findall(r":root \{(.*?)\}", (PAGE / "report.css").read_text(), re.DOTALL)
    for theme, text in (("light", light), ("dark", dark)):
        colours = themes()[theme] | dict(re.findall(r"--(\S+): (#\w{6});", text))
        texts = [("good", "card"), ("bad", "card"), ("soft", "card"), ("accent", "card"), ("accent", "paper")]
        assert [pair for pair in texts if contrast(colours[pair[0]], colours[pair[1]]) < 4.5] == [], theme
        assert contrast(colours["bad"], colours["cell"]) >= 3


# ---- budgets and devices -------------------------------------------------------------------------------------------


def test_measured_figures_are_those_of_this_model_on_this_board(
    hearing: AnyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = SimpleNamespace(size=100_000)
    board = SimpleNamespace(name="here", flash=memory, ram=memory, clock_hz=10_000_000)
    needs = SimpleNamespace(
        flash_bytes=50_000, ram_bytes=9_000, stack_bytes=1_000, millions_per_second=4.0, worst=10_000
    )
    plan = SimpleNamespace(estimate=needs)
    found: Any = SimpleNamespace(board=board, model=hearing, options=WHOLE, plan=plan)
    load = SimpleNamespace(hop=(8_000.0, 9_000.0), unit="instructions")
    hello = {"client": {"model_sha256": hearing.sha256, "entries": hearing.entries}}
    runs = [SimpleNamespace(board="here", hello=hello, loads=[load])]
    record = SimpleNamespace(model_sha256=hearing.sha256, dictionary_entries=hearing.entries, bits=hearing.bits)
    image = SimpleNamespace(record=record, size=SimpleNamespace(flash_bytes=49_000, ram_bytes=8_500))
    (tmp_path / "firmware.elf").touch()
    monkeypatch.setattr(budgeting, "elf_path", lambda _board, _root: tmp_path / "firmware.elf")
    monkeypatch.setattr(budgeting, "built_image", lambda _board, _root: image)
    monkeypatch.setattr(budgeting, "load_reports", lambda _folder: runs)
    flash, ram, mean, most = budgets(found, tmp_path)
    assert (flash.share, flash.measured, ram.used, ram.measured) == (0.5, 49_000, 10_000, 9_500)
    assert (mean.share, mean.measured, most.used, most.measured) == (0.4, 2.0, 2.5, 2.25)
    assert (flash.words, mean.words) == ("48.8 KiB of 97.7 KiB", "4.0 M/s of 10.0 M/s")
    hello["client"]["entries"], record.bits = hearing.entries - 1, 1
    assert [each.measured for each in budgets(found, tmp_path)] == [None] * 4


def test_a_device_is_chosen_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/gcc")
    assert (chosen_device(None, None), chosen_device(None, "/dev/tty"), chosen_device(FIXED, None)) == (
        CORE,
        BOARD,
        FIXED,
    )
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert chosen_device(None, None) == FIXED
    with pytest.raises(BlshError, match="--device 'chip' is unknown; choose one of core, fixed, board"):
        chosen_device("chip", None)
    with pytest.raises(BlshError, match="a port is for --device board"):
        chosen_device(CORE, "/dev/tty")
