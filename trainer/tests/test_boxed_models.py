# SPDX-License-Identifier: Apache-2.0
"""The models that the package carries: one for each class of products, with their rights and the way to make them."""

from pathlib import Path

import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.peer_scores import SNRS_DB, load_recipes
from blsh_trainer.evaluation.protocols import PEERS_RATE_HZ
from blsh_trainer.evaluation.score_sheet import boxed_scores
from blsh_trainer.learning.joint.training_command import training_command
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.boxed_models import BOX, SMALL, boxed_model, boxed_models, model_file
from blsh_trainer.model.card import CORPORA
from blsh_trainer.model.voting_model import VotingModel
from blsh_trainer.signals.geometry import CLASSES, Geometry

BOXED = boxed_models()
MOST_BYTES = 2 << 20
DOUBTFUL = ("ESC-50", "Projektarbeit-1")


def test_every_class_has_a_large_and_a_small_model_and_no_file_has_another_name() -> None:
    assert set(BOXED) == {name + size for name in CLASSES for size in ("", SMALL)}
    assert {file.stem for file in BOX.iterdir() if file.suffix == ".npz"} == set(BOXED)
    assert sum(file.stat().st_size for file in BOX.iterdir()) <= MOST_BYTES


@pytest.mark.parametrize("name", BOXED)
def test_a_card_says_what_the_model_is_and_what_it_was_learned_from(name: str) -> None:
    model = load_model(BOXED[name])
    assert isinstance(model, VotingModel)
    assert (model.name, model.geometry) == (name, CLASSES[name.removesuffix(SMALL)])
    assert model.card["metrics"]["valid"]["mean_improvement_db"] > 3.0
    rows = [row for corpus in model.card[CORPORA] for row in corpus["credits"]]
    assert rows and all(row["licence"] and row["source"] for row in rows)
    assert not [row["source"] for row in rows if any(word in row["source"] for word in DOUBTFUL)]
    command = training_command(model)
    assert command is not None and command.endswith(f"-o {name}.npz") and "--without '*ESC-50*'" in command


@pytest.mark.parametrize("name", BOXED)
def test_every_model_has_scores_on_all_mixtures_of_the_peers(name: str) -> None:
    model = load_model(BOXED[name])
    scores = boxed_scores(model)
    assert scores is not None, "run make bench-box"
    assert (scores.mixture_count, scores.engine, scores.entries) == (len(load_recipes()), "fixed", model.entries)
    assert scores.snrs_db == SNRS_DB and scores.gains[0.0, "si_sdr_db"].low > 0
    assert bool(scores.differences) is (model.geometry.rate_hz == PEERS_RATE_HZ)


def test_a_name_stands_for_its_file_unless_a_file_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert model_file(Path("hearing")) == BOXED["hearing"]
    for other in ("hearing.npz", "models/hearing", "none.npz"):
        assert model_file(Path(other)) == Path(other)
    Path("hearing").mkdir()
    assert model_file(Path("hearing")) == BOXED["hearing"]
    Path("hearing").rmdir()
    Path("hearing").touch()
    assert model_file(Path("hearing")) == Path("hearing")
    with pytest.raises(
        BlshError,
        match=r"no model of that name in the box, did you mean hearing[?]; it has recorder, ",
    ):
        model_file(Path("herring"))


def test_a_geometry_finds_the_large_model_of_its_class() -> None:
    for name, geometry in CLASSES.items():
        assert boxed_model(geometry).name == name
    with pytest.raises(BlshError, match=r"no model in the box has the geometry 16000/512/64/128; .* --geometry 16000"):
        boxed_model(Geometry(16_000, 512, 64, 128))
