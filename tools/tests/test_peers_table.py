# SPDX-License-Identifier: Apache-2.0
"""A model beside its peers: what the tables say, where the costs come from, and the points of the picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions
from blsh_firmware.build.project_files import firmware_digest
from blsh_firmware.measure.bench_inputs import describe_model
from blsh_tools.bench.model_costs import BENCH, ESTIMATED, MEASURED, ModelCosts, model_costs
from blsh_tools.bench.peer_costs import PeerCost, load_peer_costs
from blsh_tools.bench.peers_table import BETTER, OPEN, WORSE, PeersComparison, shown
from blsh_tools.bench.quality_points import METRICS_SHOWN, our_point, peer_points, write_points
from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.evaluate import Evaluation, Score
from blsh_trainer.evaluation.metrics import METRICS, Metric, Notation
from blsh_trainer.evaluation.peer_comparison import Against
from blsh_trainer.evaluation.peer_scores import load_recipes
from blsh_trainer.model.artifact import load_model

COSTS = ModelCosts({"M0": 29.0, "M4": 11.5, "M55": 5.4}, 150_000, 12_000, MEASURED)


def against(metric: str, snr_db: float, low: float, high: float, peer: str = "rnnoise-0.1.1") -> Against:
    return Against(peer, snr_db, metric, 3.0, 3.0 - (low + high) / 2, (low + high) / 2, low, high, 2)


def scores() -> Evaluation:
    rows = [Score(who, which, snr, "s", "n", "t", {"si_sdr_db": 3.0, "pesq": 1.5})
            for which in "ab" for snr in (0.0, 5.0) for who in ("mixture", "model")]  # fmt: skip
    return Evaluation({"mixtures": 2, "split": "test"}, ("si_sdr_db", "pesq"), 0, tuple(rows))


# ---- tables -----------------------------------------------------------------------------------------------------


def test_an_interval_that_excludes_0_says_which_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(against("si_sdr_db", 0.0, 0.1, 0.3)) == BETTER
    assert shown(against("si_sdr_db", 0.0, -0.3, -0.1)) == WORSE
    assert shown(against("si_sdr_db", 0.0, -0.1, 0.1)) == shown(against("si_sdr_db", 0.0, 0.0, 0.1)) == OPEN
    clicks = Metric("clicks", lambda _s, _e: 0.0, Notation("Clicks", "1/s", 1), better="lower")
    monkeypatch.setitem(METRICS, "clicks", clicks)
    assert shown(against("clicks", 0.0, 0.1, 0.3)) == WORSE


def test_the_tables_have_figures_costs_differences_and_words() -> None:
    found = (
        against("si_sdr_db", 0.0, 0.1, 0.3),
        against("pesq", 0.0, -0.3, -0.1),
        against("si_sdr_db", 5.0, 0.2, 0.4),
        against("si_sdr_db", 0.0, -0.1, 0.1, "gtcrn-dns3"),
    )
    figures, differences, words = PeersComparison(scores(), COSTS, found).tables()
    assert figures.title == "Means over 2 mixtures of test at 0 / 5 dB"
    assert figures.rows == [
        ["mixture", "3.00 / 3.00", "1.500 / 1.500", ""],
        ["model", "3.00 / 3.00", "1.500 / 1.500", "11.5, measured"],
        ["rnnoise-0.1.1", "2.80 / 2.70", "3.200 / -", "157 to 189"],
        ["gtcrn-dns3", "3.00 / -", "- / -", "240 to 563"],
    ]
    assert differences.rows == [
        ["rnnoise-0.1.1", "0", "+0.20 (0.10 to 0.30)", "-0.200 (-0.300 to -0.100)"],
        ["rnnoise-0.1.1", "5", "+0.30 (0.20 to 0.40)", "-"],
        ["gtcrn-dns3", "0", "+0.00 (-0.10 to 0.10)", "-"],
    ]
    assert words.rows == [
        ["rnnoise-0.1.1", "SI-SDR at 0, 5 dB", "PESQ-WB at 0 dB", ""],
        ["gtcrn-dns3", "", "", "SI-SDR at 0 dB"],
    ]


# ---- costs ------------------------------------------------------------------------------------------------------


def row(board: str, entries: int) -> dict[str, Any]:
    return {
        "board": board,
        "case": "extended",
        "entries": entries,
        "hop": 256,
        "instructions": {"millions_per_second": 10.0 + len(board)},
        "flash": {"code": 15_000, "tables": 50_000},
        "ram": {"state": 10_000, "stack_computed": 1_000},
    }


def test_costs_are_the_measured_ones_where_the_shape_is_the_same(model: Path, corpus: Path, tmp_path: Path) -> None:
    artifact, recordings = load_model(model), load_corpus(corpus)
    options = GenerateOptions(entries=100, bits=16)
    like = {**describe_model(artifact), "name": "another", "sha256": "0", "bits": 16}
    bench: dict[str, Any] = {
        "firmware_sha256": firmware_digest(),
        "models": {"extended": like},
        "rows": [row(board, 100) for board in ("microbit", "mps2-an386", "mps3-an547")],
    }

    def found() -> ModelCosts:
        (tmp_path / BENCH).write_text(json.dumps(bench))
        return model_costs(artifact, options, recordings, tmp_path)

    assert found() == ModelCosts({"M0": 18.0, "M4": 20.0, "M55": 20.0}, 65_000, 11_512, MEASURED)
    bench["rows"][1]["entries"] = 96
    estimated = found()
    assert estimated.source == ESTIMATED and set(estimated.millions) == {"M0", "M4", "M55"}
    assert 5 < estimated.millions["M4"] < 20 and 9_000 < estimated.ram_bytes < 14_000
    bench["rows"][1]["entries"], bench["firmware_sha256"] = 100, "of other sources"
    assert found() == estimated == model_costs(artifact, options, recordings, tmp_path / "nowhere")
    (tmp_path / BENCH).write_text("[]")
    assert model_costs(artifact, options, recordings, tmp_path) == estimated


def test_a_peer_s_cost_is_a_range() -> None:
    ranges = {peer.peer: peer.m4_range for peer in load_peer_costs()}
    assert ranges["rnnoise-0.1.1"] == (157.0, 189.0) and ranges["speexdsp-30dB"] == (16.7, 16.7)
    assert PeerCost("p", "t", "w", "3", "", "1", "1", "1").m4_range == (3.0, 3.0)


# ---- the picture ------------------------------------------------------------------------------------------------


def result(**changes: Any) -> dict[str, Any]:
    rows = [{"system": "model", "metric": name, "snr_db": 0.0, "mean": 1.25} for name in METRICS_SHOWN]
    mixtures = {"protocol": "peers", "mixtures": len(load_recipes())}
    return {"mixtures": mixtures, "costs": COSTS.to_dict(), "summary": rows, **changes}


def test_the_picture_has_our_models_and_every_peer(tmp_path: Path) -> None:
    (tmp_path / "64-bits.json").write_text(json.dumps(result()))
    points = [our_point(tmp_path / "64-bits.json"), *peer_points()]
    assert [p.name for p in points if p.ours] == ["64-bits"] and len(points) == 6
    picture, data = write_points(points, "blsh quality-plot 64-bits.json", tmp_path / "new")
    assert picture.read_bytes().startswith(b"\x89PNG") and "quality" in (tmp_path / "new/README.md").read_text()
    told = json.loads(data.read_text())["points"]
    assert told[0] == {
        "name": "64-bits",
        "ours": True,
        "m4_low": 11.5,
        "m4_high": 11.5,
        "figures": dict.fromkeys(METRICS_SHOWN, 1.25),
    }
    before = picture.read_bytes()
    write_points(points, "blsh quality-plot 64-bits.json", tmp_path / "new")
    assert picture.read_bytes() == before


def test_a_dense_network_of_the_experiment_is_a_point_that_is_not_ours(tmp_path: Path) -> None:
    report = {"experiment": "dense", "data": {**result(), "network": {"width": 96}}}
    (tmp_path / "dense.json").write_text(json.dumps(report))
    found = our_point(tmp_path / "dense.json")
    assert (found.name, found.ours, found.m4_low, found.figures["pesq"]) == ("dense", False, 11.5, 1.25)


def test_the_points_of_the_peers_are_the_published_means() -> None:
    gtcrn = next(point for point in peer_points() if point.name.startswith("GTCRN"))
    assert gtcrn.figures["si_sdr_db"] == pytest.approx(6.42, abs=0.005)
    assert gtcrn.figures["estoi"] == pytest.approx(0.690, abs=0.0005)
    assert all(np.isfinite(list(point.figures.values())).all() for point in peer_points())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, r"cannot read .*one\.json: No such file"),
        ("{", "has no figures of si_sdr_db, pesq, estoi and costs at 0 dB"),
        (json.dumps(result(summary=[])), "has no figures of"),
        (json.dumps(result(costs={})), "has no figures of"),
        (json.dumps(result(mixtures={"protocol": "drawn", "mixtures": 60})), "is not of all 60 mixtures of the peers"),
        (json.dumps(result(mixtures={"protocol": "peers", "mixtures": 2})), "is not of all 60 mixtures of the peers"),
    ],
)
def test_a_file_that_is_no_such_result_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "one.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BlshError, match=words):
        our_point(file)
