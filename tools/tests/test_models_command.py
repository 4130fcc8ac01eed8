# SPDX-License-Identifier: Apache-2.0
"""`blsh models`, and the names that it lists in the place of artifacts."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import soundfile

from blsh_codegen.spec.hard_signals import edge_signal
from blsh_tools.bench import box_costs
from blsh_tools.bench.box_costs import BOX_COSTS
from blsh_tools.commands import train
from blsh_tools.options.arguments import DEFAULT_MODEL, complete_model
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.boxed_models import SMALL, boxed_models
from blsh_trainer.signals.geometry import CLASSES

from .blsh_command import Blsh

pytestmark = pytest.mark.heavy


@pytest.fixture
def recording(blsh: Blsh, rng: Any) -> Path:
    soundfile.write(blsh.cwd / "in.wav", edge_signal("speech_like", 16_000, rng), 16_000)
    return blsh.cwd / "in.wav"


def test_models_are_listed_with_what_they_take(blsh: Blsh) -> None:
    listed = blsh.json("models")
    assert listed["default"] == DEFAULT_MODEL.name and set(listed["models"]) == set(boxed_models())
    assert listed["default"] in listed["models"]
    for name, figures in listed["models"].items():
        geometry = CLASSES[name.removesuffix(SMALL)]
        assert figures["geometry"] == list(geometry.numbers)
        assert figures["flash_bytes"] <= (64 if name.endswith(SMALL) else 192) << 10
        assert 3 < figures["test_si_sdr_gain_db"] < 7
    table = blsh("models").stdout
    assert "hearing" in table and "8 ms" in table and "8 kHz" in table


def test_the_box_has_the_costs_that_an_estimate_finds(
    blsh: Blsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box_costs, "BOX_COSTS", tmp_path / "costs.json")
    renewed = blsh.json("models", "--renew")
    assert (tmp_path / "costs.json").read_text() == BOX_COSTS.read_text(), "run blsh models --renew"
    assert blsh.json("models") == renewed


def test_a_name_is_taken_where_a_model_is_asked_for(blsh: Blsh, recording: Path) -> None:
    for options, name in (((), DEFAULT_MODEL.name), (("--model", "phone"), "phone")):
        written = blsh.json("denoise", recording, "out.wav", *options)
        assert written["sample_rate_hz"] == CLASSES[name].rate_hz
    assert blsh.json("card")["name"] == DEFAULT_MODEL.name
    assert blsh.json("estimate", "hearing")["model"] == "hearing"
    assert blsh.json("generate", "headset", "-o", "c")["model_sha256"] == load_model(boxed_models()["headset"]).sha256
    assert blsh.json("export", "--to", "library")["model_name"] == DEFAULT_MODEL.name


def test_a_name_that_is_not_there_is_refused(blsh: Blsh, recording: Path) -> None:
    outcome = blsh("denoise", recording, "out.wav", "--model", "herring")
    assert outcome.code == 2 and "in the box, did you mean hearing?; it has recorder, " in outcome.stderr
    assert not (blsh.cwd / "out.wav").exists()


def test_names_artifacts_and_folders_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("head.npz", "head.txt"):
        Path(name).touch()
    Path("heads").mkdir()
    Path("heads/one.npz").touch()
    assert complete_model("hea") == [
        *("headset", "headset-small", "hearing", "hearing-small"),
        *("head.npz", "heads"),
    ]
    assert complete_model("heads/") == ["heads/one.npz"]


@pytest.mark.parametrize("name", boxed_models())
def test_the_command_on_a_card_asks_for_the_options_of_its_model(
    blsh: Blsh, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def keep(self: Any, place: Any) -> None:
        asked.append(self._options.to_card())
        raise BlshError("asked")

    monkeypatch.setattr(train._Joint, "check", keep)
    card = blsh.json("card", name)
    outcome = blsh(*shlex.split(card["trained_by"])[1:])
    assert "asked" in outcome.stderr
    assert asked == [card["card"]["options"]]
