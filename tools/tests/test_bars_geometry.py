# SPDX-License-Identifier: Apache-2.0
"""`blsh bars-geometry`: what it refuses, what it keeps, what it writes, and the table of docs/choosing.md."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blsh_codegen.project import project_root
from blsh_hil.prove.random_model import random_voting_model
from blsh_tools import judge_geometry
from blsh_tools.bench.class_costs import ClassCosts
from blsh_tools.bench.class_quality import SCORES
from blsh_tools.bench.class_signals import worst_transform_snrs
from blsh_tools.bench.demand import Demand
from blsh_tools.bench.latency_points import DOCUMENT, NAME, latency_rows, read_classes, renewed
from blsh_tools.judge_geometry import Findings, GeometryOptions, write_geometry
from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.evaluation.protocols import DrawnMixtures
from blsh_trainer.experiments.work_store import Store
from blsh_trainer.model.artifact import save_model
from blsh_trainer.signals.geometry import Geometry

from .blsh_command import Blsh
from .test_class_bars import GEOMETRIES, class_costs

COMMAND = "blsh bars-geometry CORPUS --models DIR"


@pytest.fixture
def findings() -> Findings:
    """Return findings of three classes at two SNRs, one of them at 8 kHz."""
    models = {name: random_voting_model(geometry=GEOMETRIES[name]) for name in ("recorder", "headset", "phone")}
    scores = {
        name: {snr_db: {metric: {"00": 2.0 + at, "01": 4.0 + at} for metric in SCORES} for snr_db in (0.0, 5.0)}
        for at, name in enumerate(models)
    }
    bars = [
        Demand("one", "1", "", "1", True),
        Demand("two", "2", "", "3", False, None, {}),
        Demand("x", "", "", "", None),
    ]
    return Findings(models, scores, {name: class_costs(name) for name in models}, bars)


def test_bad_input_is_refused_before_any_work(blsh: Blsh, corpus: Path) -> None:
    blsh.refuse(r"no folder models; name one that holds recorder\.npz", "bars-geometry", corpus, "--models", "models")
    models = blsh.cwd / "models"
    models.mkdir()
    blsh.refuse(r"models has no model of a class", "bars-geometry", corpus, "--models", "models")
    save_model(models / "hearing.npz", random_voting_model())
    expected = r"models/hearing\.npz is a model of 64 ms at 16000 Hz .*--geometry hearing -o models/hearing\.npz"
    blsh.refuse(expected, "bars-geometry", corpus, "--models", "models")
    save_model(models / "hearing.npz", random_voting_model(geometry=GEOMETRIES["hearing"]))
    blsh.refuse("the protocol peers needs the recordings", "bars-geometry", corpus, "--models", "models")
    blsh.refuse("--snr 101", "bars-geometry", corpus, "--models", "models", "--snr", "101")


def test_scores_are_kept_by_model_and_mixtures(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, store = random_voting_model(geometry=GEOMETRIES["phone"]), Store(tmp_path)
    mixtures = DrawnMixtures(load_corpus(corpus), count=1)
    first = judge_geometry._scores(model, mixtures, store, 1, None)
    assert set(first) == set(SCORES) and all(len(of) == 1 for of in first.values())
    monkeypatch.setattr(judge_geometry, "evaluate_systems", None)  # another evaluation would fail
    assert judge_geometry._scores(model, mixtures, store, 1, None) == first
    with pytest.raises(TypeError):
        judge_geometry._scores(random_voting_model(5), mixtures, store, 1, None)


def test_every_size_of_frames_is_measured_with_the_classes_own_windows(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Geometry] = []

    def snrs(speech: np.ndarray, geometry: Geometry) -> dict[int, tuple[float, float]]:
        seen.append(geometry)
        assert np.abs(speech).max() == 1.0
        return {0: (80.0, 70.0 + len(seen)), -60: (90.0 - len(seen), 75.0)}

    monkeypatch.setattr("blsh_tools.bench.class_signals.transform_snrs", snrs)
    found = worst_transform_snrs([GEOMETRIES["hearing"], GEOMETRIES["recorder"]], load_corpus(corpus))
    assert [str(each) for each in seen] == [
        *("16000/256/64/256", "16000/512/128/512", "16000/512/64/128", "16000/1024/256/1024")
    ]
    assert found[512] == {0: (80.0, 72.0), -60: (87.0, 75.0)}


def test_page_data_and_picture_are_written_and_listed(findings: Findings, tmp_path: Path) -> None:
    folder = tmp_path / "docs" / "results"
    folder.mkdir(parents=True)
    document = folder.parent / DOCUMENT
    document.write_text("before\n<!-- written by: blsh bars-geometry -->\nold\n<!-- end of written text -->\nbehind\n")
    files = write_geometry(findings, COMMAND, folder)
    page = (folder / f"{NAME}.md").read_text()
    assert "1 met, 1 NOT MET, 1 not measured; no model of intercom, hearing" in page
    assert "| `headset` | 5 dB | SI-SDR +1.00 (1.00 to 1.00) dB, " in page and "| `phone` | 0 dB" not in page
    assert page.count("| mps2-an386 |") == 6
    found = json.loads((folder / f"{NAME}.json").read_text())
    assert [bar["state"] for bar in found["bars"]] == ["met", "NOT MET", "not measured"]
    assert found["classes"]["headset"]["quality"]["0"]["pesq"]["mean"] == 4.0
    assert found["classes"]["headset"]["less recorder"]["5"]["estoi"]["mean"] == 1.0
    assert found["classes"]["phone"]["less recorder"] == {}
    index = (folder / "README.md").read_text()
    assert f"{NAME}: [md]({NAME}.md), [json]({NAME}.json)" in index and "latency.png" in index
    with Image.open(folder / "latency.png") as picture:
        assert picture.size[0] > 1000
    assert document in files and document.read_text() == renewed(document.read_text(), found["classes"])
    assert (
        "| `phone` | 32 ms | 8 kHz, 512 / 128 / 256 | 5.00 | 5.000 (PESQ-NB) | 5.000 | 7.0 | 17.0 |"
        in document.read_text()
    )
    assert document.read_text().startswith("before\n") and document.read_text().endswith("behind\n")
    before = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in write_geometry(findings, COMMAND, folder)] == before


def test_costs_of_the_table_are_those_of_the_class_s_own_model(findings: Findings) -> None:
    name, own = "recorder", findings.costs["recorder"].rows["own", "mps2-an386"]
    (line,) = latency_rows({name: findings.classes()[name]})
    flash = own["flash"]["code"] + own["flash"]["tables"]
    assert line[-4:] == ["9.2", "25.0", f"{4_000 + 1_400 + 512:,}", f"{flash:,}"]


def test_the_table_of_choosing_is_that_of_the_results() -> None:
    text = (project_root() / "docs" / DOCUMENT).read_text(encoding="utf-8")
    classes = read_classes(project_root() / "docs" / "results" / f"{NAME}.json")
    assert text == renewed(text, classes), "run blsh bars-geometry, which renews the table"


def test_all_bars_are_judged_in_the_order_of_the_page(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The measuring is replaced: it takes minutes."""
    figures = {metric: {"00": 1.0} for metric in SCORES}
    replaced: dict[str, Any] = {
        "choose_mixtures": lambda protocol, corpus, snrs_db: DrawnMixtures(corpus, snrs_db=snrs_db),
        "_scores": lambda *_: figures,
        "reconstruction_db": lambda *_: 70.0,
        "worst_transform_snrs": lambda *_: {size: {0: (70.0, 70.0)} for size in (256, 512, 1024)},
        "measure_costs": lambda name, *_: class_costs(name),
        "ram_of_other_sizes": lambda _: {},
        "code_bar": lambda: Demand("code", "", "", "", True),
    }
    for name, function in replaced.items():
        monkeypatch.setattr(judge_geometry, name, function)
    models = {"hearing": random_voting_model(geometry=GEOMETRIES["hearing"])}
    options = GeometryOptions((5.0, 0.0), tmp_path / "work", tmp_path / "reports")
    found = judge_geometry.judge_geometry(models, load_corpus(corpus), options, lambda *_: None)
    assert list(found.scores["hearing"]) == [0.0, 5.0]
    assert isinstance(found.costs["hearing"], ClassCosts) and len(found.bars) == 41
    assert {bar.met for bar in found.bars if bar.what.startswith("recorder")} == {None}
    assert sum(bar.met is True for bar in found.bars) == 1 + 1 + 1 + 1 + 3 + 2
