# SPDX-License-Identifier: Apache-2.0
"""The scores of the models of the box: which are measured anew, which stay, and how they are read."""

import json
from pathlib import Path
from typing import Any

import pytest

from blsh_tools import score_box as scoring
from blsh_tools.evaluate_model import EvaluateOptions, ModelScores
from blsh_tools.score_box import score_box
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.evaluate import Evaluation, Score
from blsh_trainer.evaluation.score_sheet import MODEL, boxed_scores, read_scores, sheet_of
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.boxed_models import boxed_models

BOX = boxed_models()
NO_CORPUS: Any = None
OPTIONS = EvaluateOptions(engine="fixed", metrics=("si_sdr_db",), peers=True, snrs_db=(0.0,), count=2)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the models that were scored, which grows; each gains 2 dB on two mixtures."""
    names: list[str] = []

    def evaluate(model: Any, _corpus: Corpus, options: EvaluateOptions, _progress: Any) -> ModelScores:
        names.append(model.artifact.name)
        recipe = {"mixtures": options.count, "snrs_db": [0.0], "split": "test"}
        rows = [("mixture", "a", 1.0), (MODEL, "a", 3.0), ("mixture", "b", 2.0), (MODEL, "b", 4.0)]
        scores = tuple(Score(who, which, 0.0, "s", "n", "t", {"si_sdr_db": dB}) for who, which, dB in rows)
        return ModelScores(Evaluation(recipe, options.metrics, 0, scores), model.told)

    monkeypatch.setattr(scoring, "evaluate_model", evaluate)
    return names


def test_a_model_is_scored_once_and_again_only_when_asked_for_other_mixtures(tmp_path: Path, scored: list[str]) -> None:
    file, chosen = tmp_path / "new" / "scores.json", {name: BOX[name] for name in ("phone", "hearing")}
    made = score_box(chosen, NO_CORPUS, file, OPTIONS)
    assert json.loads(file.read_text()) == made and scored == ["phone", "hearing"]
    assert score_box(chosen, NO_CORPUS, file, OPTIONS) == made and len(scored) == 2
    old = json.loads(file.read_text())
    old["models"]["phone"]["model_sha256"] = "0" * 64
    file.write_text(json.dumps({"models": {**old["models"], "gone": {}}}))
    score_box({"phone": BOX["phone"]}, NO_CORPUS, file, OPTIONS)
    assert scored[2:] == ["phone"] and json.loads(file.read_text()) == made
    score_box(chosen, NO_CORPUS, file, EvaluateOptions(**{**OPTIONS.__dict__, "count": 3}))
    assert scored[3:] == ["phone", "hearing"]


def test_an_interrupted_run_keeps_the_models_that_it_scored(
    tmp_path: Path, scored: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, chosen, first = (
        tmp_path / "s.json",
        {name: BOX[name] for name in ("phone", "hearing")},
        scoring.evaluate_model,
    )

    def interrupted(model: Any, *rest: Any) -> ModelScores:
        if model.artifact.name == "hearing":
            raise KeyboardInterrupt
        return first(model, *rest)

    monkeypatch.setattr(scoring, "evaluate_model", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score_box(chosen, NO_CORPUS, file, OPTIONS)
    assert list(json.loads(file.read_text())["models"]) == ["phone"]
    monkeypatch.setattr(scoring, "evaluate_model", first)
    assert list(score_box(chosen, NO_CORPUS, file, OPTIONS)["models"]) == ["phone", "hearing"]
    assert scored == ["phone", "hearing"]


def test_scores_are_found_by_the_models_hash(tmp_path: Path, scored: list[str]) -> None:
    file = tmp_path / "scores.json"
    made = score_box({"phone": BOX["phone"]}, NO_CORPUS, file, OPTIONS)["models"]["phone"]
    assert scored == ["phone"]
    sheet = boxed_scores(load_model(BOX["phone"]), file)
    assert sheet is not None and sheet == sheet_of(made)
    level = sheet.levels[MODEL, 0.0, "si_sdr_db"]
    assert (level.mean, level.n, sheet.mixture_count, sheet.engine, sheet.peers) == (3.5, 2, 2, "fixed", ())
    assert boxed_scores(load_model(BOX["hearing"]), file) is None
    assert boxed_scores(load_model(BOX["phone"]), tmp_path / "none.json") is None


def test_files_that_are_no_scores_are_refused(tmp_path: Path, scored: list[str]) -> None:
    file, phone = tmp_path / "scores.json", load_model(BOX["phone"])
    for text in ("{", "[]", '{"models": []}'):
        file.write_text(text)
        with pytest.raises(BlshError, match="is no file of `blsh bench-box`"):
            score_box({"phone": BOX["phone"]}, NO_CORPUS, file, OPTIONS)
    assert scored == []
    with pytest.raises(BlshError, match=r"renew it with: blsh bench-box CORPUS -o"):
        boxed_scores(phone, file)
    with pytest.raises(BlshError, match=r"is no file of scores; make it with: blsh evaluate MODEL CORPUS -o"):
        read_scores(file, phone)
    with pytest.raises(BlshError, match=r"cannot read .*none.json: No such file"):
        read_scores(tmp_path / "none.json", phone)
    made = score_box({"hearing": BOX["hearing"]}, NO_CORPUS, tmp_path / "other.json", OPTIONS)["models"]["hearing"]
    file.write_text(json.dumps(made))
    assert read_scores(file, load_model(BOX["hearing"])).mixture_count == 2
    with pytest.raises(BlshError, match="has scores of the model with SHA-256"):
        read_scores(file, phone)
