# SPDX-License-Identifier: Apache-2.0
"""`blsh demo`: the whole chain on a tiny corpus and the virtual board, and every file and figure that it leaves."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from blsh_codegen.emit.generated_record import read_record
from blsh_codegen.spec.stages import STAGES
from blsh_firmware.build.images import built_image, generated_folder
from blsh_firmware.build.project_files import copy_project
from blsh_hil.boards.table import find_board
from blsh_tools import demo_chain
from blsh_tools.options import corpora
from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.evaluation.metrics import si_sdr
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.boxed_models import boxed_models
from blsh_trainer.model.voting_model import VotingModel
from blsh_trainer.signals.geometry import CLASSES, RECORDER, Geometry

from .blsh_command import Blsh
from .conftest import Require
from .projects import BOARD

pytestmark = pytest.mark.heavy

RECORDINGS = ("noisy", "clean", "float", "fixed", "device")
FILES = {*(f"{name}.wav" for name in RECORDINGS), "model.npz", "result.json", "spectrograms.png"}


# A small model by a loss of spectra alone, which few steps lower: the rest is the build, the emulator and the figures.
QUICK = {
    **{"passes": 4, "steps": 300, "projections": 24, "thresholds": 2, "entries": 32, "jobs": 1},
    **{"clarity": 0, "hearing": 0},
}


@pytest.fixture
def own(blsh: Blsh, tmp_path: Path, require: Require) -> Blsh:
    """Return `blsh` with a project of its own."""
    require("qemu-system-arm", "arm-none-eabi-gcc")
    return Blsh(blsh.cwd, copy_project(blsh.project, tmp_path / "project"))


def test_demo_goes_all_the_way(own: Blsh, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a model of the box; the synthetic recordings, which take seconds to make, are replaced."""
    monkeypatch.setattr(corpora, "corpus_or_synthetic", lambda _given, _seed, _progress: load_corpus(corpus))
    result = check_demo(own, corpus, CLASSES["headset"], "--latency", "16ms")
    assert (result["model"], result["trained"], result["corpus"]["synthetic"]) == ("headset", False, True)
    assert load_model(own.cwd / "deep" / "demo" / "model.npz").sha256 == load_model(boxed_models()["headset"]).sha256


@pytest.mark.slow
def test_demo_trains_on_recordings(own: Blsh, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs within the process of the tests, where it can be made to train less."""
    monkeypatch.setattr(demo_chain, "TRAINING", QUICK)
    result = check_demo(own, corpus, CLASSES["headset"], "--latency", "16ms", "--corpus", corpus)
    assert (result["model"], result["trained"], result["corpus"]["synthetic"]) == ("demo", True, False)


def test_a_geometry_without_a_model_in_the_box_is_told_at_once(own: Blsh) -> None:
    outcome = own("demo", "--geometry", "16000/512/64/128")
    assert outcome.code == 2 and "no model in the box has the geometry 16000/512/64/128" in outcome.stderr


@pytest.mark.slow
def test_demo_as_it_is_typed(own: Blsh, corpus: Path) -> None:
    """It trains for two minutes."""
    check_demo(own.apart(), corpus, RECORDER, "--corpus", corpus)


def test_what_the_training_says_is_all_that_is_said(own: Blsh, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_chain, "TRAINING", {**QUICK, "neighbours": 33})
    outcome = own("demo", "--corpus", corpus, "--seconds", 1)
    assert (outcome.code, outcome.stdout, "error" in outcome.stderr) == (2, "", False)
    assert list(own.cwd.rglob("*.*")) == []


def test_an_interrupted_demo_leaves_nothing(own: Blsh, corpus: Path) -> None:
    outcome = own.interrupt("mixing", "demo", "--corpus", corpus, "--seconds", 1, numbers=(signal.SIGTERM,))
    assert (outcome.code, outcome.stdout) == (128 + signal.SIGTERM, "")
    assert "Traceback" not in outcome.stderr and list(own.cwd.rglob("*.*")) == []


def check_demo(blsh: Blsh, corpus: Path, geometry: Geometry, *options: object) -> dict[str, Any]:
    project, rate_hz = blsh.project, geometry.rate_hz
    result: dict[str, Any] = blsh.json("demo", "--seconds", 2, "-o", "deep/demo", *options)
    folder = blsh.cwd / "deep" / "demo"

    # the files, and no others
    assert {path.name for path in folder.iterdir()} == FILES
    assert [path.name for path in blsh.cwd.iterdir()] == ["deep"]
    assert json.loads((folder / "result.json").read_text()) == result
    assert (folder / "spectrograms.png").read_bytes().startswith(b"\x89PNG")
    infos = {name: soundfile.info(folder / f"{name}.wav") for name in RECORDINGS}
    assert {(info.samplerate, info.channels, info.subtype) for info in infos.values()} == {(rate_hz, 1, "PCM_16")}
    (length,) = {info.frames for info in infos.values()}
    assert length / rate_hz == pytest.approx(result["seconds_of_audio"], abs=0.01)
    assert result["seconds_of_audio"] >= 2

    # the board is right, and the recording is its own
    samples = {name: soundfile.read(folder / f"{name}.wav")[0] for name in RECORDINGS}
    assert np.array_equal(samples["device"], samples["fixed"])
    assert result["device_equals_fixed"] is True
    assert result["mismatches"] == dict.fromkeys(STAGES, 0)
    assert result["frames_compared"] >= length // geometry.hop

    # the figures of quality
    quality = result["si_sdr_db"]
    assert set(quality) == {"mixture", "float", "fixed", "device"}
    assert quality["device"] == quality["fixed"]
    assert quality["mixture"] == pytest.approx(0, abs=0.5)
    assert quality["float"] > 3 and abs(quality["fixed"] - quality["float"]) < 1
    for name, recording in (("mixture", "noisy"), ("float", "float"), ("device", "device")):
        assert quality[name] == pytest.approx(si_sdr(samples["clean"], samples[recording]), abs=3)
    assert result["test_mixtures_si_sdr_db"]["fixed"] > result["test_mixtures_si_sdr_db"]["mixture"]

    # the figures of size and speed
    assert 20_000 < result["flash_bytes"] < 4 << 20 and 2_000 < result["ram_bytes"] < 1 << 20
    assert 20_000 < result["instructions_per_hop"] < 10_000_000
    assert set(result["instructions"]["stages"]) == set(STAGES)

    # where all of it came from
    model = load_model(folder / "model.npz")
    assert (model.geometry, result["geometry"]) == (geometry, list(geometry.numbers))
    assert isinstance(model, VotingModel) and model.name == result["model"]
    assert (result["board"], result["bits"], result["feature_kind"]) == (BOARD, model.bits, model.feature_kind)
    assert (result["model_sha256"], result["neighbours"]) == (model.sha256, model.neighbours)
    assert (result["corpus"]["name"], result["corpus"]["sha256"]) == ("corpus", load_corpus(corpus).sha256)
    record = read_record(generated_folder(project), model)
    assert result["dictionary_entries"] == record.dictionary_entries == model.entries
    assert result["dictionaries"] == model.dictionaries
    assert result["build_id"] == f"{built_image(find_board(BOARD), project).build_id:08x}"
    return result
