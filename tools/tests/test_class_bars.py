# SPDX-License-Identifier: Apache-2.0
"""The bars of the classes of latency and rate: each verdict follows from its figures, and what is missing is named."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from blsh_codegen.model.quantise import IntegerModel
from blsh_hil.boards.host import HOST
from blsh_hil.prove.random_model import random_voting_model
from blsh_hil.prove.real_time import TOO_SLOW
from blsh_tools.bench.class_costs import BUDGET, OWN, ClassCosts, class_estimate_bars, instruction_bars
from blsh_tools.bench.class_memory import StreamRam, ram_bars, ram_of_other_sizes
from blsh_tools.bench.class_models import load_class_models
from blsh_tools.bench.class_proofs import proof_bars
from blsh_tools.bench.class_quality import SCORES, Figures, less, quality_bars
from blsh_tools.bench.class_signals import reconstruction_bars, transform_bars
from blsh_tools.bench.demand import Demand
from blsh_tools.bench.firmware_costs import virtual_boards
from blsh_tools.bench.reconstruction import reconstruction_db
from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.peer_scores import load_peer_scores
from blsh_trainer.model.artifact import save_model
from blsh_trainer.signals.geometry import CLASSES, RECORDER, Geometry

from .bench_rows import row

M4, M0, SMALLEST = "mps2-an386", "cortex-m0 on mps2-an385", "microbit"
MILLIONS = {"recorder": (9.2, 25), "intercom": (9.2, 25), "headset": (15, 99), "hearing": (26, 99), "phone": (7, 17)}
GEOMETRIES = {
    "recorder": RECORDER,
    "intercom": Geometry(16_000, 512, 256, 512),
    "headset": Geometry(16_000, 512, 128, 256),
    "hearing": Geometry(16_000, 512, 64, 128),
    "phone": Geometry(8_000, 512, 128, 256),
}
"""Geometries of the latency and rate of each class, whatever the classes take."""
Scored = dict[str, Figures]


def states(bars: Sequence[Demand]) -> dict[str, bool | None]:
    return {bar.what: bar.met for bar in bars}


def one(bars: Sequence[Demand], begin: str) -> Demand:
    (found,) = (bar for bar in bars if bar.what.startswith(begin))
    return found


# ---- quality -----------------------------------------------------------------------------------------------------


@pytest.fixture
def scored() -> Scored:
    """Return figures on three mixtures, 0.001 above SpeexDSP's at 0 dB, the same for each class."""
    peer = {s.id: s.figures for s in load_peer_scores() if (s.system, s.snr_db) == ("speexdsp-30dB", 0.0)}
    figures = {metric: {name: peer[name][metric] + 0.001 for name in ("00", "01", "02")} for metric in SCORES}
    return {name: figures for name in ("recorder", "intercom", "headset", "hearing")}


def lower(figures: Figures, **by: float) -> dict[str, dict[str, float]]:
    return {metric: {name: each - by.get(metric, 0.0) for name, each in of.items()} for metric, of in figures.items()}


def test_equal_quality_meets_every_bar_and_the_stretch(scored: Scored) -> None:
    bars = quality_bars(scored)
    assert [bar.met for bar in bars] == [True] * 4
    assert [bar.reached for bar in bars] == [True, None, None, None]
    assert "SI-SDR +0.00 (0.00 to 0.00) dB, PESQ-WB +0.000" in bars[0].told


@pytest.mark.parametrize(
    ("name", "metric", "most"),
    [
        ("intercom", "si_sdr_db", 0.4),
        ("intercom", "pesq", 0.02),
        ("intercom", "estoi", 0.01),
        ("headset", "si_sdr_db", 0.8),
        ("hearing", "si_sdr_db", 1.5),
    ],
)
def test_a_class_may_lose_so_much_and_no_more(scored: Scored, name: str, metric: str, most: float) -> None:
    for by, met in ((0.99 * most, True), (1.01 * most, False)):
        worse = {**scored, name: lower(scored[name], **{metric: by})}
        bar = one(quality_bars(worse), f"{name} ({1000 * CLASSES[name].latency_s:g} ms) against recorder")
        assert bar.met is met, bar.told
        assert bar.reached is (False if name == "intercom" else None)


def test_hearing_has_to_be_above_speex_in_every_metric(scored: Scored) -> None:
    assert one(quality_bars(scored), "hearing (8 ms) against SpeexDSP").met is True
    worse = {**scored, "hearing": lower(scored["hearing"], estoi=0.002)}
    assert one(quality_bars(worse), "hearing (8 ms) against SpeexDSP").met is False


def test_differences_are_paired_by_the_mixture() -> None:
    one_figure = {metric: {"a": 1.0, "b": 5.0} for metric in SCORES}
    other = {metric: {"b": 4.0, "a": 0.5, "c": 99.0} for metric in SCORES}
    assert less(one_figure, other)["pesq"].mean == 0.75


def test_a_class_without_a_model_is_not_judged(scored: Scored) -> None:
    del scored["recorder"]
    bars = quality_bars(scored)
    assert [bar.met for bar in bars] == [None, None, None, True]
    assert bars[0].told == "not measured: no model of recorder"
    assert quality_bars({})[0].told == "not measured: no model of intercom and recorder"


# ---- signals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("geometry", [GEOMETRIES["hearing"], Geometry(8_000, 256, 128, 256)], ids=str)
def test_all_ones_masks_return_speech(corpus: Path, geometry: Geometry) -> None:
    assert 60 < reconstruction_db(geometry, load_corpus(corpus)) < 90


def test_bars_of_signals_are_met_at_the_limit() -> None:
    bars = reconstruction_bars({"recorder": 60.0, "phone": 59.9})
    assert [bar.met for bar in bars] == [True, None, None, None, False]
    of = {0: (70.0, 65.0), -60: (65.0, 80.0)}
    bars = transform_bars({256: of, 1024: {**of, -60: (64.9, 80.0)}})
    assert [(bar.what[:8], bar.met) for bar in bars] == [("N = 1024", False), ("N = 256:", True)]


# ---- costs -------------------------------------------------------------------------------------------------------


def class_costs(name: str) -> ClassCosts:
    """Return figures that meet every bar of the class, those of instructions by no margin."""
    geometry = GEOMETRIES[name]
    rows = {}
    for case, board in ((BUDGET, M4), (BUDGET, M0), (BUDGET, SMALLEST), (OWN, M4), (OWN, SMALLEST)):
        millions = MILLIONS[name][board != M4]
        found = {**row(board, 100_000, 1, 1.0), "core": "cortex", "case": case, "hop": geometry.hop}
        found["instructions"] = {**found["instructions"], "millions_per_second": float(millions)}
        found["ram"] = {**found["ram"], "state": 4_000}
        found["estimate"] = None if board == M0 else {**found["estimate"], "ram_bytes": 6_948}
        rows[case, board] = found
    return ClassCosts(geometry, rows)


@pytest.fixture
def costs() -> dict[str, ClassCosts]:
    return {name: class_costs(name) for name in CLASSES}


def changed(
    costs: Mapping[str, ClassCosts], name: str, place: tuple[str, str], **changes: Any
) -> dict[str, ClassCosts]:
    of = costs[name]
    return {**costs, name: ClassCosts(of.geometry, {**of.rows, place: {**of.rows[place], **changes}})}


def test_instructions_at_the_limit_are_met(costs: dict[str, ClassCosts]) -> None:
    bars = instruction_bars(costs)
    assert len(bars) == 8 and all(states(bars).values()), states(bars)


@pytest.mark.parametrize(("name", "board"), [("recorder", M4), ("hearing", M4), ("intercom", M0), ("phone", M0)])
def test_instructions_above_the_limit_are_not_met(costs: dict[str, ClassCosts], name: str, board: str) -> None:
    of = costs[name].rows[BUDGET, board]["instructions"]
    more = {**of, "millions_per_second": of["millions_per_second"] + 0.01}
    failed = [bar for bar in instruction_bars(changed(costs, name, (BUDGET, board), instructions=more)) if not bar.met]
    assert len(failed) == 1 and failed[0].what.startswith(f"{name}: ")


def test_a_smaller_dictionary_than_the_budgets_meets_nothing(costs: dict[str, ClassCosts]) -> None:
    bars = instruction_bars(changed(costs, "phone", (BUDGET, M4), entries=4_000))
    assert [bar.what for bar in bars if not bar.met] == [one(bars, "phone: instructions a second on M4").what]


def test_ram_has_a_limit_for_each_size_of_frames(costs: dict[str, ClassCosts]) -> None:
    bars = ram_bars(costs, {})
    assert all(states(bars).values()) and len(bars) == 5
    assert "5,912 bytes: state 4,000, stack 1,400, one hop 512; 6,424 with" in one(bars, "intercom").told
    large = {**costs["intercom"].rows[OWN, SMALLEST]["ram"], "state": 7 * 1024 - 1_400 - 512 + 1}
    bars = ram_bars(changed(costs, "intercom", (OWN, SMALLEST), ram=large), {256: StreamRam(4_000, 481, 128)})
    assert [bar.what.split(":")[0] for bar in bars if not bar.met] == ["intercom", "16000/256/64/256, only compiled"]


def test_sizes_that_no_class_has_are_compiled_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Geometry] = []

    def ram(model: IntegerModel) -> StreamRam:
        compiled.append(model.geometry)
        assert (model.entries, model.neighbours, model.dictionaries, model.bits) == (40, 8, 3, 36)
        return StreamRam(1, 2, 3)

    monkeypatch.setattr("blsh_tools.bench.class_memory.compiled_ram", ram)
    models = {name: random_voting_model(geometry=CLASSES["recorder"]) for name in CLASSES}
    assert list(ram_of_other_sizes(models)) == [256, 512]
    assert [each.window for each in compiled] == [256, 512]
    assert not ram_of_other_sizes({})


def test_estimates_are_judged_in_each_class(costs: dict[str, ClassCosts]) -> None:
    assert all(states(class_estimate_bars(costs)).values())
    told = {**costs["phone"].rows[OWN, M4]["estimate"], "ram_bytes": 7_020}
    bars = class_estimate_bars(changed(costs, "phone", (OWN, M4), estimate=told))
    assert [bar.what for bar in bars if not bar.met] == ["phone: estimate of flash and RAM against built firmware"]
    for place in costs["phone"].rows:
        costs = changed(costs, "phone", place, estimate=None)
    open_bars = [bar for bar in class_estimate_bars(costs) if bar.met is None]
    assert len(open_bars) == 2 and "blsh estimate --calibrate" in open_bars[0].told


def test_classes_without_models_leave_their_bars_of_cost_open() -> None:
    bars = [*instruction_bars({}), *ram_bars({}, {}), *class_estimate_bars({})]
    assert len(bars) == 23 and {bar.met for bar in bars} == {None}
    assert all("not measured: no " in bar.told for bar in bars)


# ---- models and proofs -------------------------------------------------------------------------------------------


def test_models_are_found_by_the_names_of_the_classes(tmp_path: Path) -> None:
    with pytest.raises(BlshError, match=r"no folder .*recorder\.npz, intercom\.npz"):
        load_class_models(tmp_path / "none")
    with pytest.raises(BlshError, match="has no model of a class; put recorder"):
        load_class_models(tmp_path)
    other = Geometry(16_000, 1024, 128, 256)  # another geometry of the same latency
    save_model(tmp_path / "headset.npz", random_voting_model(geometry=other))
    assert {name: model.geometry for name, model in load_class_models(tmp_path).items()} == {"headset": other}
    save_model(tmp_path / "phone.npz", random_voting_model(geometry=CLASSES["intercom"]))
    with pytest.raises(BlshError, match=r"phone\.npz is a model of 32 ms at 16000 Hz .* phone is 32 ms at 8000"):
        load_class_models(tmp_path)


def write_reports(
    folder: Path, sha256: str, boards: Sequence[str], mismatches: int = 0, outcome: str = "passed", text: str = ""
) -> None:
    counts = {"hops": 10, "values": 500, "mismatches": mismatches, "stages": {"output": mismatches}}
    test = {"nodeid": "t.py::test_a", "outcome": outcome, "duration_s": 1.0, "text": text, "captured": "", "rerun": ""}
    for board in boards:
        report = {
            **{"format": 1, "board": board, "state": "finished", "started": "", "duration_s": 1.0, "collected": 1},
            **{"options": {}, "versions": {}, "collection_errors": [], "reason": ""},
            "hello": {"board": {"model_sha256": sha256}},
            "tests": [{**test, "properties": {"counts": counts}}],
        }
        (folder / board).mkdir(parents=True, exist_ok=True)
        (folder / board / "report.json").write_text(json.dumps(report))


def test_a_proof_needs_every_board_and_no_difference(tmp_path: Path) -> None:
    model, every = random_voting_model(), [HOST, *virtual_boards()]
    folder = tmp_path / "recorder"

    def proven() -> Demand:
        return one(proof_bars({"recorder": model}, tmp_path), "recorder")

    assert proven().met is None and "no reports in" in proven().told
    write_reports(folder, model.sha256, every[1:])
    assert proven().met is None and f"not measured on {HOST}; run: make hil-geometry" in proven().told
    write_reports(folder, model.sha256, every)
    assert proven().met is True
    assert proven().told.startswith(f"0 of {500 * len(every):,} values, {10 * len(every)} hops x 8 stages, on ")
    write_reports(folder, model.sha256, every[:1], outcome="skipped", text=f"{TOO_SLOW}: 63 MHz are needed")
    assert proven().met is None and f"{HOST}: incomplete" in proven().told
    assert f"; {TOO_SLOW}: {HOST}" in proven().told
    write_reports(folder, model.sha256, every[:1], outcome="failed")
    assert proven().met is None and f"{HOST}: failed" in proven().told
    write_reports(folder, model.sha256, every[:1], mismatches=1, outcome="failed")
    assert proven().met is False
    write_reports(folder, "00" * 32, every[:1])
    assert proven().met is None and f"not measured with this model on {HOST}" in proven().told
    assert [bar.told for bar in proof_bars({}, tmp_path)] == [f"not measured: no model of {name}" for name in CLASSES]
