# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from blsh_trainer.compute.block_pool import LocalPool
from blsh_trainer.compute.frame_chunks import Codes, frame_blocks
from blsh_trainer.learning.boosted import BLSH, BoostOptions
from blsh_trainer.learning.objectives import AllPairsResidual, SegmentPairs, second_moments
from blsh_trainer.learning.pair_forms import DIVERGENCES, BoostedPairs, ResidualPairs, target_similarity
from blsh_trainer.signals.features import l2_normalise

pytestmark = pytest.mark.heavy

POOL = LocalPool(1)


def frames(rng, count, width=12):
    return l2_normalise(rng.gamma(0.3, size=(count, width)) + 0.01).astype(np.float32)


def random_bits(rng, *shape):
    return np.where(rng.random(shape) < 0.5, -1, 1).astype(np.float32)


def divergence(name, S, b):
    """Return a reading of the paper's D (eq. 9), (n, n): S~ clipped near to 0 and 1, scaled by its largest value."""
    like = (np.outer(b, b) + 1) / 2
    if name == "squared":
        return (like - S) ** 2
    if name == "cross-entropy":
        tiny = 1e-300
        clipped = np.where(like > 0.5, 1.0, tiny)  # 1 - tiny is 1.0
        unlike = np.where(like > 0.5, tiny, 1.0)
        return (S * np.log(clipped) + (1 - S) * np.log(unlike)) / np.log(tiny)
    S = np.clip(S, 0.01, 0.99)
    return (like * np.log(S) + (1 - like) * np.log(1 - S)) / np.log(0.01)


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("target", ["linear", "rbf"])
def test_derived_weights_are_those_kept_by_equations_11_to_13(rng, name, target):
    H = frames(rng, 300)
    S = np.clip(target_similarity(H, H, target, 0.5), 0, 1).astype(np.float64)
    W = np.full(S.shape, 1 / S.size)
    bits, betas = np.empty((300, 0), dtype=np.float32), []
    for _ in range(4):
        A, constant = BoostedPairs(target, 0.5, name).weigh(H, bits, np.array(betas))
        b = random_bits(rng, 300)
        D = divergence(name, S, b)
        assert D.min() >= 0 and D.max() <= 1
        epsilon = float((W * D).sum())
        assert constant - float(b @ (A @ b)) == pytest.approx(epsilon, rel=1e-4)
        betas.append(float(np.log((1 - epsilon) / epsilon)))
        bits = np.column_stack([bits, b])
        W = W * np.exp(betas[-1] * D)
        W /= W.sum()


@pytest.mark.parametrize("name", DIVERGENCES)
def test_divergence_and_form_agree_for_every_pair_of_bits(rng, name):
    H = frames(rng, 40)
    S = np.clip(H.astype(np.float64) @ H.T, 0, 1)
    A, constant = BoostedPairs("linear", 0.5, name).weigh(H, np.empty((40, 0), dtype=np.float32), np.empty(0))
    same, differs = divergence(name, S, np.ones(40)), divergence(name, S, np.where(np.arange(40) == 7, -1.0, 1.0))
    np.testing.assert_allclose(2 * A[7, :7] * 1600, (differs - same)[7, :7], atol=1e-4)
    assert constant == pytest.approx(float((same + S.size * A).mean()), rel=1e-4)


def test_weights_stay_finite_when_betas_add_up_to_hundreds(rng):
    H = frames(rng, 200)
    A, constant = BoostedPairs("linear", 0.5, "squared").weigh(H, random_bits(rng, 200, 300), np.full(300, 2.0))
    assert np.isfinite(A).all() and 0 < constant < 1
    assert np.abs(A).sum() <= 0.5001


def test_all_pairs_and_explicit_residuals_are_the_same_form(rng):
    H = frames(rng, 200)
    blocks = frame_blocks(H, 64)
    moment = second_moments(POOL, blocks, 200)
    streamed = AllPairsResidual(POOL, blocks, moment, 200, 0.5)
    share = 0.5 / float(np.trace(ResidualPairs("linear", 0.5, 1.0).centred(H)) / 200)
    explicit = SegmentPairs(POOL, frame_blocks(H, 200), [1], ResidualPairs("linear", 0.5, share), 1)
    for _ in range(3):
        np.testing.assert_allclose(streamed.start(rng), explicit.start(rng) / 200**2, atol=1e-5)
        v = np.append(rng.standard_normal(12), 0.1 * rng.standard_normal())
        value, gradient = streamed.climb(v)
        expected, slope = explicit.climb(v)
        assert value == pytest.approx(expected / 200**2, abs=1e-5)
        np.testing.assert_allclose(gradient, slope / 200**2, atol=1e-5)
        assert streamed.beta(v) == explicit.beta(v) == 1.0
        streamed.take(v, 1.0)
        explicit.take(v, 1.0)


def test_the_residual_is_what_the_bits_leave_of_the_centred_target(rng):
    H, bits = frames(rng, 50), random_bits(rng, 50, 3)
    A, _ = ResidualPairs("linear", 0.5, 0.25).weigh(H, bits, np.ones(3))
    centred = (H - H.mean(axis=0)) @ (H - H.mean(axis=0)).T
    np.testing.assert_allclose(A, 0.25 * 4 * centred - bits @ bits.T, atol=1e-4)


def test_codes_are_packed_and_grow_bit_by_bit(rng):
    H = frames(rng, 130)
    (block,) = frame_blocks(H, 50, least=3)
    codes = Codes.empty(block)
    vectors = rng.standard_normal((11, 13))
    for v in vectors:
        codes = codes.extended(block, v)
    expected = np.where(H @ vectors[:, :-1].T.astype(np.float32) + vectors[:, -1] >= 0, 1, -1)
    found = np.concatenate([codes.bipolar(k) for k in range(3)])
    assert codes.bits == 11 and found.dtype == np.float32
    assert (found == expected).mean() > 0.999  # a sum at the edge may round either way


@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize("options", [{}, {"weighting": "adaboost"}, {"target": "rbf"}, {"sample": 3}])
def test_threads_do_not_change_a_bit(rng, threads, options):
    H = frames(rng, 700)
    options = {"weighting": "adaboost", **options} if "sample" in options else options
    boost = BoostOptions(segment=100, **options)
    one, many = (BLSH(3, np.random.default_rng(1), boost, LocalPool(n)).fit(H) for n in (1, threads))
    np.testing.assert_array_equal(one.projections_, many.projections_)
    np.testing.assert_array_equal(one.betas_, many.betas_)


@pytest.mark.parametrize("weighting", ["residual", "adaboost"])
def test_a_memory_mapped_file_learns_what_the_array_does(rng, tmp_path, weighting):
    H = frames(rng, 500)
    np.save(tmp_path / "H.npy", H)
    mapped = np.load(tmp_path / "H.npy", mmap_mode="r")
    learned = [BLSH(4, np.random.default_rng(1), BoostOptions(weighting, segment=90)).fit(x) for x in (H, mapped)]
    np.testing.assert_array_equal(learned[0].projections_, learned[1].projections_)


def test_cutting_covers_every_frame_once(rng):
    for total in (2, 99, 1000, 7001):
        order = rng.permutation(total)
        blocks = frame_blocks(np.arange(total, dtype=np.float32)[:, None], 10, order)
        rows = [block.segment(k)[:, 0] for block in blocks for k in range(len(block))]
        assert len(blocks) <= 32 and all(len(part) == 10 for part in rows[:-1])
        np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(total))
        np.testing.assert_array_equal(rows[0], np.sort(order[:10]))


def test_a_sample_of_segments_learns_nearly_as_much(rng):
    H, unseen = frames(rng, 3000), frames(rng, 400)
    S = unseen @ unseen.T

    def fit_of(model):
        bits = np.where(model.transform(unseen), 1.0, -1.0)
        return np.corrcoef((bits @ bits.T).ravel(), S.ravel())[0, 1]

    few, all_of_them = (
        BLSH(12, np.random.default_rng(2), BoostOptions("adaboost", segment=200, sample=n)).fit(H) for n in (4, 15)
    )
    assert fit_of(few) > fit_of(all_of_them) - 0.05
