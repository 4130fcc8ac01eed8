# SPDX-License-Identifier: Apache-2.0
"""The dense network: its width, its weights, its report, and that it is trained and scored once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.baselines.dense_network import DenseDenoiser, DenseNetwork, dense_layers, dense_log_odds
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.protocols import DrawnMixtures
from blsh_trainer.experiments import dense as experiment
from blsh_trainer.experiments.registry import EXPERIMENTS
from blsh_trainer.experiments.settings import ImageCost, Settings
from blsh_trainer.learning.joint import fit
from blsh_trainer.learning.joint.devices import Devices
from blsh_trainer.learning.joint.network import Scaling, loss
from blsh_trainer.learning.joint.options import JointOptions
from blsh_trainer.learning.joint.scene_frames import SceneFrames, gather_scenes
from blsh_trainer.model.artifact import save_model
from blsh_trainer.model.gain_rules import MOST_ODDS

SMALL = JointOptions(passes=1, steps=30, sequences=8, span=16)
WIDTH = 24


class PretendedCosts:
    """A NetworkFirmware by which the look-up costs what networks of 24 to 31 units do on M4, of none on M0."""

    def lookup(self) -> ImageCost:
        return ImageCost({"M0": 2.0, "M4": 3.1}, 30_000, 9_000)

    def network(self, width: int) -> ImageCost:
        return ImageCost({"M0": 2.0 + width, "M4": width / 10 + 0.7}, 20_000 + 345 * width, 9_000)


@pytest.fixture(scope="module")
def frames(tiny_corpus: Corpus) -> SceneFrames:
    return gather_scenes(tiny_corpus, 1, 0, jobs=1)


@pytest.fixture(scope="module")
def learned(frames: SceneFrames) -> Any:
    return fit.fit_jointly(frames, SMALL, 0, Devices("cpu"), learnable=dense_layers(WIDTH))


@pytest.fixture
def given(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings with a voting model of the tiny corpus, and one mixture of it in the place of the peers'."""
    card = {"corpus": {"name": "tiny", "sha256": settings.corpus.sha256}, "options": SMALL.to_card(), "metrics": {}}
    model = random_voting_model()
    save_model(tmp_path / "voting.npz", replace(model, card={**model.card, **card}))
    monkeypatch.setattr(
        experiment, "PeersMixtures", lambda corpus, count: DrawnMixtures(corpus, "test", (0.0,), count, 0)
    )
    monkeypatch.setattr(experiment, "METRICS", ("si_sdr_db",))
    work = tmp_path / "work"
    return replace(settings, work=work, model=tmp_path / "voting.npz", network_firmware=PretendedCosts(), mixtures=1)


def test_learning_lowers_the_loss(frames: SceneFrames, learned: Any) -> None:
    parameters, scaling = learned
    first = dense_layers(WIDTH).first(SMALL, frames, scaling, np.random.default_rng(0))
    rng = np.random.default_rng(9)
    batch: Any = fit.draw_batch(frames, scaling, frames.starts(SMALL.span), SMALL, rng, slice(None))
    errors = [float(loss(dense_log_odds, SMALL, each, batch)) for each in (first, parameters)]
    assert errors[1] < errors[0] - 0.05


def test_rounded_weights_give_the_gains_that_were_learned(frames: SceneFrames, learned: Any) -> None:
    parameters, scaling = learned
    network = DenseNetwork.of(parameters, scaling, replace(SMALL, floor_db=-80.0, shift_odds=0.0))
    rows = frames.features[::5]
    wanted = 1.0 / (1.0 + np.exp(-np.asarray(dense_log_odds(parameters, jnp.asarray(scaling.scaled(rows))))))
    assert network.width == WIDTH and abs(network.hidden).max() == abs(network.output).max() == 127
    assert np.sqrt(np.mean((network.gains(network.log_odds(rows)) - wanted) ** 2)) < 0.01


def test_gains_stay_between_the_floor_and_the_limit_of_log_odds(frames: SceneFrames) -> None:
    scaling = Scaling.of(frames.features)
    parameters = dense_layers(8).first(SMALL, frames, scaling, np.random.default_rng(1))
    parameters["output_bias"] -= 50.0
    network = DenseNetwork.of(parameters, scaling, replace(SMALL, floor_db=-20.0))
    assert network.gains(network.log_odds(frames.features[:9])) == pytest.approx(0.1)
    x = np.random.default_rng(2).normal(0, 0.05, 6000)
    np.testing.assert_allclose(DenseDenoiser(network).denoise(x), 0.1 * x, atol=1e-9)
    open_wide = replace(network, output_bias=network.output_bias + 100.0)
    widest = 1.0 / (1.0 + np.exp(-MOST_ODDS - SMALL.shift_odds))
    np.testing.assert_allclose(DenseDenoiser(open_wide).denoise(x), widest * x, atol=1e-9)


def test_the_widest_network_of_the_cost_is_trained_and_scored_once(
    given: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = EXPERIMENTS["dense"](given)
    found = report.data
    assert found["network"]["width"] == 24 and found["network"]["widths_of_equal_cost"] == {"M0": 0, "M4": 24}
    assert found["costs"]["millions"]["M4"] == pytest.approx(3.1) and found["costs"]["flash_bytes"] == 28_280
    assert {each["system"] for each in found["summary"]} == {"mixture", "model", "look-up"}
    apart = next(each for each in found["against_lookup"] if each["metric"] == "si_sdr_db")
    means = {each["system"]: each["mean"] for each in found["summary"]}
    assert apart["mean"] == pytest.approx(means["model"] - means["look-up"])
    told = {row[0]: row[1:] for row in report.rows}
    assert told["M instructions/s on M0"] == ["26.0", "2.0", "+24.0; equal with none"]
    assert told["bytes of flash"] == ["28,280", "30,000", "-1,720"]
    monkeypatch.setattr(experiment, "gather_scenes", None)  # a call would fail
    monkeypatch.setattr(experiment, "evaluate_systems", None)
    assert EXPERIMENTS["dense"](given).table == report.table


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": None}, "has the cost of a voting model; give one as --model"),
        ({"network_firmware": None}, "has no votes, or nothing counts its cost"),
    ],
)
def test_what_is_missing_is_named(given: Settings, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BlshError, match=said):
        EXPERIMENTS["dense"](replace(given, **changes))


def test_a_model_of_another_corpus_is_refused(given: Settings, tmp_path: Path) -> None:
    save_model(tmp_path / "voting.npz", random_voting_model())
    with pytest.raises(BlshError, match=r"was trained on no corpus, not on .*; give the corpora"):
        EXPERIMENTS["dense"](given)


class Costly(PretendedCosts):
    """A NetworkFirmware by which every network costs more than the look-up."""

    def network(self, width: int) -> ImageCost:
        return ImageCost({"M0": 50.0, "M4": 50.0}, 20_000, 9_000)


def test_a_look_up_that_is_too_cheap_is_refused(given: Settings) -> None:
    with pytest.raises(BlshError, match=r"no dense network costs as little as .* on M4"):
        EXPERIMENTS["dense"](replace(given, network_firmware=Costly()))
