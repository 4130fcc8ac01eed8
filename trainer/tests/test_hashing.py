# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.learning.boosted import BLSH, BoostOptions
from blsh_trainer.model.projection import LSH, hash_codes
from blsh_trainer.signals.features import l2_normalise

pytestmark = pytest.mark.heavy

SEED = 31


def frames(count, seed=SEED):
    """Return non-negative rows of unit norm about a curved sheet: near ones are alike, as spectra are."""
    rng = np.random.default_rng(seed)
    shapes = np.random.default_rng(99).gamma(0.12, size=(12, 24))
    return l2_normalise(rng.gamma(0.4, size=(count, 12)) @ shapes + 0.005 * rng.random((count, 24)))


def residual_objective(S, codes):
    """Return 1 - |S' - a sum_l b_l b_l'|^2 / |S'|^2 at the best a: how well codes (n, L) explain S (n, n).

    S' is the target centred; 1 is perfect. b_l b_l' sums to a constant minus twice the Hamming distance.
    """
    centred = S - S.mean(axis=0) - S.mean(axis=1)[:, None] + S.mean()
    bipolar = np.where(codes, 1.0, -1.0)
    approximation = bipolar @ bipolar.T
    projection = float((approximation * centred).sum()) ** 2 / float((approximation**2).sum())
    return projection / float((centred**2).sum())


def learners(rng_seed=SEED):
    rng = np.random.default_rng(rng_seed)
    yield LSH(16, rng)
    yield LSH(16, rng, centred=False)
    yield BLSH(16, rng)
    yield BLSH(16, rng, BoostOptions(weighting="adaboost", segment=150))
    yield BLSH(16, rng, BoostOptions(target="rbf", segment=150))
    yield BLSH(16, rng, BoostOptions(target="rbf", weighting="adaboost", segment=150))


def test_every_learner_has_the_same_shape():
    H = frames(400)
    for learner in learners():
        assert learner.fit(H) is learner
        assert learner.projections_.shape == (16, 24) and learner.projections_.dtype == np.float64
        assert learner.biases_.shape == learner.betas_.shape == (16,)
        codes = learner.transform(H)
        assert codes.shape == (400, 16) and codes.dtype == np.bool_
        np.testing.assert_allclose(np.linalg.norm(learner.projections_, axis=1), 1.0)


def test_the_same_seed_learns_the_same():
    H = frames(400)
    for first, again in zip(learners(), learners(), strict=True):
        np.testing.assert_array_equal(first.fit(H).projections_, again.fit(H).projections_)
        np.testing.assert_array_equal(first.biases_, again.biases_)


def test_codes_do_not_depend_on_the_level_and_silence_is_all_ones():
    H = frames(300)
    learner = BLSH(12, np.random.default_rng(SEED)).fit(H)
    np.testing.assert_array_equal(learner.transform(4096.0 * H), learner.transform(H))
    assert learner.transform(np.zeros((1, 24))).all()


def test_an_accumulator_of_zero_is_a_one():
    codes = hash_codes(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [-0.5, 0.0]]), np.array([0.0, 0.5]))
    assert codes.tolist() == [[True, True]]


def test_centred_lsh_puts_the_planes_through_the_mean():
    H = frames(300)
    learner = LSH(16, np.random.default_rng(SEED)).fit(H)
    np.testing.assert_allclose(learner.projections_ @ H.mean(axis=0) + learner.biases_, 0, atol=1e-12)
    assert not LSH(16, np.random.default_rng(SEED), centred=False).fit(H).biases_.any()


@pytest.mark.parametrize("options", [{}, {"weighting": "adaboost", "segment": 300}])
def test_learned_bits_explain_the_similarity_of_unseen_frames_better_than_random_ones(options):
    H, unseen = frames(1200), frames(300, seed=SEED + 1)
    S = unseen @ unseen.T
    learned = BLSH(16, np.random.default_rng(SEED), BoostOptions(**options)).fit(H)
    plain = [
        residual_objective(S, LSH(16, np.random.default_rng(s), centred=False).fit(H).transform(unseen))
        for s in range(5)
    ]
    assert residual_objective(S, learned.transform(unseen)) > max(plain)


def test_residual_bits_beat_centred_random_ones_on_unseen_frames():
    H, unseen = frames(1200), frames(300, seed=SEED + 1)
    S = unseen @ unseen.T
    learned = residual_objective(S, BLSH(16, np.random.default_rng(SEED)).fit(H).transform(unseen))
    for seed in range(5):
        centred = LSH(16, np.random.default_rng(seed)).fit(H)
        assert learned > residual_objective(S, centred.transform(unseen))


def test_more_bits_explain_more_and_the_first_do_not_change():
    H = frames(800)
    long = BLSH(24, np.random.default_rng(SEED)).fit(H)
    short = BLSH(6, np.random.default_rng(SEED)).fit(H)
    np.testing.assert_array_equal(long.projections_[:6], short.projections_)
    codes = long.transform(H)
    explained = [residual_objective(H @ H.T, codes[:, :bits]) for bits in (2, 6, 12, 24)]
    assert explained == sorted(explained)


def test_residual_objective_is_one_for_codes_that_are_the_target():
    codes = np.random.default_rng(SEED).random((40, 6)) < 0.5
    codes = np.concatenate([codes, ~codes])  # balanced: centring leaves the target as it is
    bipolar = np.where(codes, 1.0, -1.0)
    assert residual_objective(3.0 + 0.5 * bipolar @ bipolar.T, codes) == pytest.approx(1.0)


def test_adaboost_betas_are_positive_and_fall():
    H = frames(600)
    betas = BLSH(16, np.random.default_rng(SEED), BoostOptions("adaboost", segment=300)).fit(H).betas_
    assert (betas > 0).all()
    assert betas[0] == betas.max() and betas[:4].mean() > betas[-4:].mean()


def test_progress_is_told_of_every_bit():
    seen = []
    BLSH(3, np.random.default_rng(SEED)).fit(frames(100), lambda *call: seen.append(call))
    assert seen == [("learning bits", n, 3) for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bits": 0}, "0 bits asked for; a code has 1 to 320"),
        ({"bits": 321}, "321 bits asked for; a code has 1 to 320, as many as a board can hold"),
        ({"target": "cubic"}, "target 'cubic' is unknown; choose one of linear, rbf"),
        ({"weighting": "none"}, "weighting 'none' is unknown; choose one of residual, adaboost"),
        ({"segment": 1}, "segment 1 holds no pair"),
        ({"sigma2": 0.0}, "sigma2 is 0.0"),
        ({"reach": np.nan}, "reach is nan"),
        ({"ridge": -1.0}, "ridge is -1.0"),
        ({"steps": -1}, "steps is -1"),
        ({"sample": 0}, "sample is 0"),
        ({"divergence": "kl"}, "divergence 'kl' is unknown; choose one of squared, cross-entropy, reverse"),
    ],
)
def test_unfit_parameters_are_refused(options, words):
    bits = options.get("bits", 4)
    boost = BoostOptions(**{name: value for name, value in options.items() if name != "bits"})
    with pytest.raises(BlshError, match=words):
        BLSH(bits, np.random.default_rng(0), boost).fit(frames(50))


@pytest.mark.parametrize(
    ("H", "words"),
    [
        (np.zeros(5), "expected \\(frames, features\\)"),
        (np.zeros((1, 5)), "at least two frames"),
        (np.full((3, 5), np.nan), "NaN or an infinity"),
        (np.ones((3, 5)), "not of unit length"),
        (l2_normalise(np.ones((50, 5))), "all alike"),
    ],
)
def test_unfit_training_frames_are_refused(H, words):
    with pytest.raises(BlshError, match=words):
        BLSH(4, np.random.default_rng(0)).fit(H)


def test_features_of_another_width_are_refused():
    learner = LSH(4, np.random.default_rng(0)).fit(frames(50))
    with pytest.raises(BlshError, match=r"expected \(frames, 24\)"):
        learner.transform(np.zeros((2, 23)))
