# SPDX-License-Identifier: Apache-2.0
"""The joint learner: its frames, its loss, its integers, and that an interrupted training goes on as if it had not."""

import math
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.scenes import SceneMaker
from blsh_trainer.errors import BlshError
from blsh_trainer.learning.joint import fit
from blsh_trainer.learning.joint.devices import Devices
from blsh_trainer.learning.joint.integers import response_table, voting_model
from blsh_trainer.learning.joint.network import (
    Scaling,
    clarity,
    codes,
    first_parameters,
    group_edges,
    log_odds,
    loss,
    settled,
)
from blsh_trainer.learning.joint.options import JointOptions, joint_options
from blsh_trainer.learning.joint.scene_frames import SceneFrames, gather_scenes, scene_frames
from blsh_trainer.learning.joint.train import train_jointly
from blsh_trainer.model.artifact import load_model, save_model
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.model.gain_rules import GainRules, Settling
from blsh_trainer.model.voting_model import VotingModel, voting_codes
from blsh_trainer.signals.geometry import CLASSES, RECORDER
from blsh_trainer.signals.masks import band_edges
from blsh_trainer.signals.spectra import stft

pytestmark = pytest.mark.heavy

SMALL = JointOptions(
    projections=12, thresholds=2, dictionaries=4, entries=16, neighbours=8, passes=1, steps=30, sequences=8, span=16
)
CPU = Devices("cpu")


@pytest.fixture(scope="module")
def frames(tiny_corpus: Corpus) -> SceneFrames:
    return gather_scenes(tiny_corpus, 2, 0, jobs=1)


@pytest.fixture(scope="module")
def learned(frames: SceneFrames):
    return fit.fit_jointly(frames, SMALL, 0, CPU)


def test_sums_give_the_error_of_any_gains(tiny_corpus: Corpus) -> None:
    """The error m^2 A - 2 m B + C equals that of the spectra, up to the scale of the scene and float16."""
    maker = SceneMaker(tiny_corpus, "train", 1)
    scene = next(found for found in map(maker.make, range(20)) if found.speech.any())
    found = scene_frames(scene)
    X, S = stft(scene.mixture), stft(scene.speech)
    rng = np.random.default_rng(2)
    gains = rng.random((len(X), 80))
    error = (np.abs(np.repeat(gains, np.diff(band_edges(RECORDER)), axis=1) * X - S) ** 2).sum(axis=1)
    A, B = (found.sums[:, i].astype(np.float64) for i in range(2))
    ours = (gains**2 * A - 2 * gains * B).sum(axis=1) + found.rest[:, 0]
    scale = (np.abs(S) ** 2).sum(axis=1).sum() / found.rest[:, 0].sum(dtype=np.float64)
    np.testing.assert_allclose(ours * scale, error, rtol=5e-3, atol=5e-3 * error.max())


def test_frames_do_not_depend_on_the_processes(tiny_corpus: Corpus, frames: SceneFrames) -> None:
    shared = gather_scenes(tiny_corpus, 2, 0, jobs=2)
    assert (shared.features == frames.features).all() and (shared.lengths == frames.lengths).all()
    assert shared.sums.tobytes() == frames.sums.tobytes()


def test_sequences_lie_within_scenes(frames: SceneFrames) -> None:
    ends = np.cumsum(frames.lengths)
    for start in frames.starts(16).tolist():
        scene = int(np.searchsorted(ends, start, side="right"))
        assert start + 16 <= ends[scene]
    with pytest.raises(BlshError, match="choose a shorter span"):
        frames.starts(int(frames.lengths.max()) + 1)


def test_learning_lowers_the_loss(frames: SceneFrames, learned) -> None:
    parameters, scaling = learned
    first = first_parameters(SMALL, frames, scaling, np.random.default_rng(0))
    batch = fit.draw_batch(frames, scaling, frames.starts(SMALL.span), SMALL, np.random.default_rng(9), slice(None))
    assert float(loss(log_odds, SMALL, parameters, batch)) < float(loss(log_odds, SMALL, first, batch)) - 0.05


def test_the_same_seed_gives_the_same_parameters(frames: SceneFrames, learned) -> None:
    again, _ = fit.fit_jointly(frames, SMALL, 0, CPU)
    assert all((again[name] == learned[0][name]).all() for name in again)
    other, _ = fit.fit_jointly(frames, SMALL, 1, CPU)
    assert not (other["projections"] == again["projections"]).all()


def test_the_parts_of_ranks_are_the_batch_of_one_process(frames: SceneFrames) -> None:
    scaling, starts = Scaling.of(frames.features), frames.starts(SMALL.span)
    ranks = Devices("cpu")
    ranks.count = 4
    parts = []
    for rank in range(4):
        ranks.rank = rank
        parts.append(
            fit.draw_batch(frames, scaling, starts, SMALL, np.random.default_rng(3), ranks.part(SMALL.sequences))
        )
    whole = fit.draw_batch(frames, scaling, starts, SMALL, np.random.default_rng(3), slice(None))
    for name, rows in whole.items():
        assert np.concatenate([part[name] for part in parts]).tobytes() == rows.tobytes()
    with pytest.raises(BlshError, match="9 sequences cannot be shared by 4 ranks"):
        ranks.part(9)


def test_an_interrupted_fit_goes_on_as_if_it_had_not_been(
    frames: SceneFrames, learned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.ck"
    monkeypatch.setattr(fit, "_KEPT_S", -1.0)  # after each step
    drawn = fit.draw_batch

    def stop_at_ten(*given):
        stop_at_ten.calls += 1
        if stop_at_ten.calls == 11:
            raise KeyboardInterrupt
        return drawn(*given)

    stop_at_ten.calls = 0
    monkeypatch.setattr(fit, "draw_batch", stop_at_ten)
    with pytest.raises(KeyboardInterrupt):
        fit.fit_jointly(frames, SMALL, 0, CPU, kept)
    seen: list[int] = []
    monkeypatch.setattr(fit, "draw_batch", lambda *given: seen.append(1) or drawn(*given))
    parameters, _ = fit.fit_jointly(frames, SMALL, 0, CPU, kept)
    assert len(seen) == SMALL.steps - 10
    assert all((parameters[name] == learned[0][name]).all() for name in parameters)
    with pytest.raises(BlshError, match="of a fit with projections 12, this one has 13"):
        fit.fit_jointly(frames, replace(SMALL, projections=13), 0, CPU, kept)


def test_a_file_that_is_no_checkpoint_is_refused(frames: SceneFrames, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.ck"
    wrong.write_text("something else")
    with pytest.raises(BlshError, match="is no checkpoint of a joint fit"):
        fit.fit_jointly(frames, SMALL, 0, CPU, wrong)


def test_integers_keep_the_codes_and_the_votes(frames: SceneFrames, learned) -> None:
    """Rounding turns few bits; where codes agree and all entries vote, the gains are those of the learner."""
    parameters, scaling = learned
    model = voting_model(parameters, scaling, replace(SMALL, floor_db=-80.0), {})
    rows = frames.features[::7]
    ours = voting_codes(rows, model)
    theirs = np.asarray(codes(parameters, jnp.asarray(scaling.scaled(rows)))) > 0
    order = np.argsort(parameters["thresholds"], axis=1, kind="stable")
    theirs = np.take_along_axis(theirs.reshape(len(rows), *order.shape), order[None], axis=2).reshape(ours.shape)
    assert (ours == theirs).mean() > 0.98
    assert (model.code_bits.sum(), model.neighbours) == ((parameters["entries"] >= 0).sum(), 8)
    assert (np.diff(model.thresholds, axis=1) > 0).all()


def test_bits_follow_their_thresholds_into_ascending_order(frames: SceneFrames) -> None:
    scaling = Scaling.of(frames.features)
    first = first_parameters(SMALL, frames, scaling, np.random.default_rng(0))
    first["bit_votes"] = np.random.default_rng(1).normal(0, 0.2, first["bit_votes"].shape).astype(np.float32)
    turned = {**first, "thresholds": first["thresholds"][:, ::-1].copy()}
    bits = np.arange(SMALL.bits).reshape(-1, 2)[:, ::-1].ravel()
    turned["entries"], turned["bit_votes"] = first["entries"][:, :, bits], first["bit_votes"][bits]
    one, other = (voting_model(each, scaling, SMALL, {}) for each in (first, turned))
    assert one.sha256 == other.sha256
    x = jnp.asarray(scaling.scaled(frames.features[:50]))
    np.testing.assert_allclose(log_odds(first, x), log_odds(turned, x), atol=1e-4)


def test_the_response_rises_from_the_floor_to_one() -> None:
    table = response_table(-20.0, 0.0)
    assert table[0] == round(0.1 * 16_384) and table[128] == 8192 and table[255] > 16_370
    assert np.array_equal(response_table(-20.0, 0.5)[:-8], table[8:])
    assert (np.diff(table) >= 0).all()


def test_log_odds_settle_in_training_as_in_a_denoiser_that_has_run_for_long() -> None:
    print("seed 5")
    odds = np.random.default_rng(5).normal(0.0, 5.0, (3, 20, 4)).astype(np.float32)
    rules = GainRules(4, 11, 0.0, 0.0)
    found = np.asarray(settled(jnp.asarray(odds), rules))
    np.testing.assert_allclose(
        found, [Settling(rules)(sequence, np.zeros(20, np.bool_)) for sequence in odds], atol=1e-5
    )


def test_clarity_is_one_for_the_same_envelopes_and_falls_with_noise() -> None:
    rng = np.random.default_rng(8)
    wanted = jnp.asarray(rng.gamma(0.5, 2.0, (4, 32, 80)))
    noise = jnp.asarray(rng.gamma(0.5, 2.0, (4, 32, 80)))
    same, noisy, other = (float(clarity(each, wanted, RECORDER)) for each in (3.0 * wanted, wanted + noise, noise))
    assert same == pytest.approx(1.0, abs=1e-3) and abs(other) < 0.2 < noisy < same
    silence = jnp.zeros((4, 32, 80))
    assert float(clarity(noise, silence, RECORDER)) == 0.0


def test_groups_cover_the_bands() -> None:
    for groups in (1, 3, 8, 80):
        edges = group_edges(groups, RECORDER.bands)
        assert edges[0] == 0 and edges[-1] == 80 and (np.diff(edges) > 0).all() and len(edges) == groups + 1


def test_a_model_is_trained_saved_and_heard(tiny_corpus: Corpus, tmp_path: Path) -> None:
    model = train_jointly(tiny_corpus, SMALL, jobs=1)
    save_model(tmp_path / "voting.npz", model)
    loaded = load_model(tmp_path / "voting.npz")
    assert loaded.sha256 == model.sha256 and loaded.card["options"]["projections"] == 12
    assert {"jax", "optax", "numpy"} <= loaded.card["versions"].keys()
    x = np.random.default_rng(4).normal(0, 0.05, 8000)
    y = FloatDenoiser(loaded).denoise(x)
    assert y.shape == x.shape and 0 < np.sum(y**2) < np.sum(x**2)


@pytest.mark.parametrize("name", ["hearing", "phone"])
def test_a_model_of_another_geometry_is_trained_saved_and_heard(name: str, tiny_corpus: Corpus, tmp_path: Path) -> None:
    geometry = CLASSES[name]
    model = train_jointly(tiny_corpus, replace(SMALL, geometry=geometry, steps=8), jobs=1)
    save_model(tmp_path / "voting.npz", model)
    loaded = load_model(tmp_path / "voting.npz")
    assert isinstance(loaded, VotingModel) and loaded.sha256 == model.sha256
    assert (loaded.geometry, loaded.format_version, loaded.votes.shape[1]) == (geometry, 5, 48)
    assert loaded.card["options"]["geometry"] == list(geometry.numbers)
    x = np.random.default_rng(4).normal(0, 0.05, 4000)
    y = FloatDenoiser(loaded).denoise(x)
    assert y.shape == x.shape and 0 < np.sum(y**2) < np.sum(x**2)


def test_short_hops_keep_as_much_over_16_ms() -> None:
    assert [joint_options({"geometry": each}).smoothing for each in CLASSES.values()] == [4, 4, 8, 11, 4]
    assert joint_options({"geometry": CLASSES["hearing"], "smoothing": 3}).smoothing == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"projections": 200}, "200 projections of 3 thresholds make 600 bits"),
        ({"neighbours": 20, "entries": 10}, "20 neighbours of 10 entries"),
        ({"thresholds": 0}, "thresholds is 0; choose 1 to"),
        ({"floor_db": 3.0}, "floor_db is 3; choose -37 to 0"),
        ({"floor_db": -38.0}, "floor_db is -38; choose -37 to 0, as low as log odds go with shift_odds -0.3"),
        ({"start_odds": 4.0}, "start_odds is 4; choose 0 to 3.98"),
        ({"steady_odds": -1.0}, "steady_odds is -1; choose 0 to 3.98"),
        ({"steady_odds": math.nan}, "steady_odds is nan; choose 0 to 3.98"),
        ({"shift_odds": 2.5}, "shift_odds is 2.5; choose -2 to 2"),
        ({"shift_odds": math.nan}, "shift_odds is nan; choose -2 to 2"),
        ({"mask_kind": "ibm"}, "the system voting has no option mask_kind"),
        ({"rate": 0.0}, "rate is 0; choose more than 0 to 1"),
    ],
)
def test_options_that_cannot_be_used_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(BlshError, match=said):
        joint_options(given)


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(BlshError, match="device 'gpu': JAX finds none here"):
        Devices("gpu")
