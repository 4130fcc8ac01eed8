# SPDX-License-Identifier: Apache-2.0
"""The costs of the models of the box: kept beside them, and estimated where the file does not hold."""

import json
from pathlib import Path

import pytest

from blsh_tools.bench import box_costs as kept
from blsh_tools.bench.box_costs import BOX_COSTS, ModelCosts, box_costs, renew_box_costs
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.boxed_models import boxed_models

BOX = boxed_models()
CHOSEN = {name: BOX[name] for name in ("phone", "hearing")}
FOUND = ModelCosts(80_000, 8_000, 7.5)


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the models that were estimated, which grows; each costs the same."""
    names: list[str] = []

    def estimate(path: Path) -> ModelCosts:
        names.append(path.stem)
        return FOUND

    monkeypatch.setattr(kept, "_estimated", estimate)
    return names


def test_no_model_of_the_box_is_estimated_for_a_list(estimated: list[str]) -> None:
    assert list(box_costs(BOX, BOX_COSTS)) == list(BOX)
    assert estimated == [], f"run blsh models --renew, which writes {BOX_COSTS.name} of the box"


def test_a_model_that_the_file_does_not_know_is_estimated(tmp_path: Path, estimated: list[str]) -> None:
    file = tmp_path / "costs.json"
    assert box_costs(CHOSEN, file) == dict.fromkeys(CHOSEN, FOUND) and estimated == list(CHOSEN)
    assert renew_box_costs(CHOSEN, file) == box_costs(CHOSEN, file) and len(estimated) == 4
    written = json.loads(file.read_text())
    assert written["models"]["phone"]["model_sha256"] == load_model(BOX["phone"]).sha256
    written["models"]["phone"]["model_sha256"] = "0" * 64
    file.write_text(json.dumps(written))
    assert box_costs(CHOSEN, file)["phone"] == FOUND and estimated[4:] == ["phone"]


@pytest.mark.parametrize("name", ["board", "costs_sha256"])
def test_costs_that_rest_on_others_do_not_hold(tmp_path: Path, estimated: list[str], name: str) -> None:
    file = tmp_path / "costs.json"
    renew_box_costs({"phone": BOX["phone"]}, file)
    file.write_text(json.dumps({**json.loads(file.read_text()), name: "other"}))
    box_costs({"phone": BOX["phone"]}, file)
    assert estimated == ["phone", "phone"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"board": 1}'])
def test_a_file_that_is_none_of_costs_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "costs.json"
    file.write_text(text)
    with pytest.raises(BlshError, match=r"costs\.json is no file of costs; renew it with: blsh models --renew"):
        box_costs(CHOSEN, file)
