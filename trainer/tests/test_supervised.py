# SPDX-License-Identifier: Apache-2.0
"""The supervised learner: its gradient, what it learns, the order of its bits, resuming, and what it refuses."""

import os
from itertools import pairwise

import numpy as np
import pytest

from blsh_trainer.compute.hamming_index import hamming_knn
from blsh_trainer.corpora.varied_mixtures import varied_mixtures
from blsh_trainer.errors import BlshError
from blsh_trainer.learning.dictionary_refine import Schedule, Start, refine
from blsh_trainer.learning.mask_distil import distilled_masks
from blsh_trainer.learning.options import EXTENDED
from blsh_trainer.learning.soft_knn import Batch, gradient, mask_error, soft_masks
from blsh_trainer.learning.supervised import SupervisedBLSH
from blsh_trainer.learning.train import train_model
from blsh_trainer.learning.training_frames import TrainingFrames, gather_frames
from blsh_trainer.model.artifact import load_model, save_model
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.model.projection import LSH, hash_codes
from blsh_trainer.signals.masks import MASK_KINDS, MaskKind, band_edges

pytestmark = pytest.mark.heavy

SEED = 20_24


def clustered(count, rng):
    """Return frames (T, 24) of 12 kinds, each with a mask (6,) of its own, from 10 mixtures; half of it distracts."""
    rng_kinds = np.random.default_rng(SEED)
    centres, masks = rng_kinds.standard_normal((12, 24)), rng_kinds.random((12, 6)).round()
    kind = rng.integers(12, size=count)
    H = centres[kind] * 0.4 + rng.standard_normal((count, 24)) * np.r_[np.full(12, 0.3), np.full(12, 1.0)]
    H /= np.linalg.norm(H, axis=1, keepdims=True)
    weights = np.ones((count, 6), np.float32)
    return H.astype(np.float32), masks[kind].astype(np.float32), weights, rng.integers(10, size=count).astype(np.int32)


def knn_error(learner, seen, unseen):
    nearest, _ = hamming_knn(learner.transform(unseen[0]), learner.transform(seen[0]), 10)
    return mask_error(seen[1][nearest].mean(axis=1), unseen[1], unseen[2])


def test_the_gradient_is_that_of_the_error(rng):
    """By finite differences in log tau and the masks, where the error is smooth; the signs have a stand-in."""
    query_z, reference_z = (rng.standard_normal((n, 5)).astype(np.float32) for n in (7, 11))
    masks, wanted = (rng.random((n, 3)).astype(np.float32) for n in (11, 7))
    weights = rng.random((7, 3)).astype(np.float32) + 0.1
    frozen = rng.integers(-3, 4, (7, 11)).astype(np.float32)
    excluded = rng.random((7, 11)) < 0.2

    def at(tau, reference_masks):
        return gradient(query_z, reference_z, frozen, tau, Batch(reference_masks, wanted, weights, excluded))

    found, step = at(0.4, masks), 1e-2
    slope = (at(0.4 * np.exp(step), masks).loss - at(0.4 * np.exp(-step), masks).loss) / (2 * step)
    assert found.log_tau == pytest.approx(slope, rel=2e-2, abs=1e-5)
    for at_row, at_band in ((0, 0), (10, 2), (5, 1)):
        moved = masks.copy()
        moved[at_row, at_band] += 0.1
        back = masks.copy()
        back[at_row, at_band] -= 0.1
        slope = (at(0.4, moved).loss - at(0.4, back).loss) / 0.2
        assert found.masks[at_row, at_band] == pytest.approx(slope, rel=2e-2, abs=1e-5)


def test_pairs_that_are_excluded_do_not_see_each_other(rng):
    z = rng.standard_normal((6, 4)).astype(np.float32)
    masks, weights = rng.random((6, 3)).astype(np.float32), np.ones((6, 3), np.float32)
    alone = np.ones((6, 6), dtype=bool)
    alone[:, 2] = False
    batch = Batch(masks, np.broadcast_to(masks[2], (6, 3)), weights, alone)
    found = gradient(z, z, np.zeros((6, 6), np.float32), 1.0, batch)
    assert found.loss == pytest.approx(0.0, abs=1e-12)


def test_the_softmax_survives_large_similarities():
    A, found = soft_masks(np.array([[300.0, -300.0]], np.float32), 10.0, np.array([[1.0], [0.0]], np.float32))
    assert A.tolist() == [[1.0, 0.0]] and found.tolist() == [[1.0]]


def test_learned_bits_find_better_masks_than_random_ones(rng):
    seen, unseen = clustered(1500, rng), clustered(400, rng)
    learned = SupervisedBLSH(16, np.random.default_rng(SEED), steps=120).fit(*seen)
    random = [LSH(16, np.random.default_rng(s)).fit(seen[0]) for s in range(3)]
    assert knn_error(learned, seen, unseen) < 0.8 * min(knn_error(each, seen, unseen) for each in random)


def test_the_first_bits_of_a_long_code_are_those_of_a_short_one(rng):
    seen = clustered(600, rng)
    long, short = (SupervisedBLSH(bits, np.random.default_rng(SEED), steps=20).fit(*seen) for bits in (40, 17))
    np.testing.assert_array_equal(long.projections_[:17], short.projections_)
    np.testing.assert_array_equal(long.biases_[:17], short.biases_)
    np.testing.assert_array_equal(long.betas_[:17], short.betas_)


def test_each_bit_takes_less_off_the_error_than_the_ones_before(rng):
    learner = SupervisedBLSH(25, np.random.default_rng(SEED), steps=120).fit(*clustered(1500, rng))
    assert learner.betas_[:5].mean() > learner.betas_[5:10].mean() > learner.betas_[10:].mean()


class StopNowError(Exception):
    """An interruption."""


def test_an_interrupted_fit_goes_on_to_the_same_result(rng, tmp_path):
    seen, file = clustered(600, rng), tmp_path / "checkpoint.npz"
    whole = SupervisedBLSH(30, np.random.default_rng(SEED), steps=20).fit(*seen)

    def stop(what, done, total):
        if done == 45:  # in the third block
            raise StopNowError

    with pytest.raises(StopNowError):
        SupervisedBLSH(30, np.random.default_rng(SEED), steps=20).fit(*seen, progress=stop, checkpoint=file)
    steps = []
    resumed = SupervisedBLSH(30, np.random.default_rng(SEED), steps=20)
    resumed.fit(*seen, progress=lambda _what, done, _total: steps.append(done), checkpoint=file)
    assert steps[0] == 41  # the finished blocks were not learned again
    np.testing.assert_array_equal(resumed.projections_, whole.projections_)
    np.testing.assert_array_equal(resumed.betas_, whole.betas_)
    with pytest.raises(BlshError, match="steps"):
        SupervisedBLSH(30, np.random.default_rng(SEED), steps=21).fit(*seen, checkpoint=file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: (d[0], d[1][:5], d[2], d[3]), "5 masks"),
        (lambda d: (d[0], d[1], d[2], np.zeros_like(d[3])), "one mixture"),
        (lambda d: (np.ones_like(d[0]) / np.sqrt(24, dtype=np.float32), *d[1:]), "all alike"),
        (lambda d: (2 * d[0], *d[1:]), "unit length"),
    ],
)
def test_unfit_frames_are_refused(rng, change, words):
    with pytest.raises(BlshError, match=words):
        SupervisedBLSH(8, rng, steps=5).fit(*change(clustered(100, rng)))


def test_distilled_masks_lower_the_error_and_entries_that_none_meets_keep_theirs(rng):
    H, wanted, weights, _ = clustered(2000, rng)
    wanted = np.clip(wanted + 0.3 * rng.standard_normal(wanted.shape), 0, 1).astype(np.float32)
    learner = LSH(24, rng).fit(H)
    codes = learner.transform(H)
    nearest, _ = hamming_knn(codes, codes[:100], 4)
    own = wanted[:100].copy()
    masks = distilled_masks(nearest, wanted, weights, own)
    assert masks.min() >= 0.0 and masks.max() <= 1.0
    before, after = (mask_error(m[nearest].mean(axis=1), wanted, weights) for m in (own, masks))
    assert after < 0.95 * before
    unmet = distilled_masks(np.minimum(nearest, 98), wanted, weights, own)
    np.testing.assert_allclose(unmet[99], own[99], atol=1e-6)


def test_varied_mixtures_begin_with_noise_and_repeat_from_their_seed(tiny_corpus):
    first, again = (list(varied_mixtures(tiny_corpus, "train", 2, np.random.default_rng(SEED))) for _ in range(2))
    assert len(first) == 2 * len(tiny_corpus.select("speech", "train"))
    assert len({named.noise_type for named in first}) > 4
    assert 0 < sum(named.lead == 0 for named in first) < len(first) / 2
    for one, other in zip(first, again, strict=True):
        s = one.signals
        assert not s.speech[: one.lead].any() and 0 <= one.lead <= 32_000
        np.testing.assert_array_equal(s.mixture, other.signals.mixture)
        ratio = 10 * np.log10(np.mean(s.speech[one.lead :] ** 2) / np.mean(s.noise[one.lead :] ** 2))
        assert ratio == pytest.approx(one.snr_db, abs=1e-6) and -7.0 <= one.snr_db <= 12.0


def small(**changes):
    sizes = {"bits": 16, "lengths": (8,), "steps": 40, "refine_steps": 20, "entries": 200, "fit_frames": 1000}
    return EXTENDED.with_(passes=1, **{**sizes, **changes})


def test_the_extended_system_trains_to_the_same_bytes_and_survives_a_file(tiny_corpus, tmp_path):
    first, again = (train_model(tiny_corpus, small()) for _ in range(2))
    save_model(tmp_path / "model.npz", first)
    assert load_model(tmp_path / "model.npz").sha256 == first.sha256 == again.sha256
    assert (first.entries, first.bits, first.feature_kind, first.mask_kind) == (200, 16, "tracked", "bands2")
    masks = FloatDenoiser(first).masks(np.ones((3, 513), dtype=complex))
    assert masks.shape == (3, 513) and 0.0 <= masks.min() <= masks.max() <= 1.0


def test_a_mask_kind_that_only_this_test_knows_is_trained_like_any_other(tiny_corpus, monkeypatch):
    wide = MaskKind("wide", lambda geometry: band_edges(geometry)[::2], 2)
    monkeypatch.setitem(MASK_KINDS, "wide", wide)
    model = train_model(tiny_corpus, small(mask_kind="wide"))
    assert (model.mask_kind, model.mask_levels.shape, model.nested) == ("wide", (200, 40), True)
    assert {row["mask_kind"] for row in model.card["metrics"]["grid"]} == {"wide"}
    masks = FloatDenoiser(model).masks(np.ones((3, 513), dtype=complex))
    assert all((masks[:, first] == masks[:, first:end].T).all() for first, end in pairwise(wide.edges))


def test_the_card_of_the_extended_system_scores_its_smaller_models(tiny_corpus):
    model = train_model(tiny_corpus, small())
    grid = model.card["metrics"]["grid"]
    assert model.nested and [(row["bits"], row["mask_kind"], row["dictionary_entries"]) for row in grid] == [
        (bits, kind, entries) for bits in (8, 16) for kind in ("bands2", "bands1") for entries in (25, 50, 100, 200)
    ]
    whole = next(
        row for row in grid if (row["bits"], row["mask_kind"], row["dictionary_entries"]) == (16, "bands2", 200)
    )
    assert whole["mean_improvement_db"] == model.card["metrics"]["valid"]["mean_improvement_db"]


def refinable(rng):
    """Return frames as of `clustered`, with the start that 64 of them are for a dictionary."""
    H, masks, weights, mixture = clustered(2000, rng)
    frames = TrainingFrames(H, np.zeros((2000, 65), np.uint8), masks, weights, mixture, rng.random(2000), 2000)
    entries = rng.permutation(2000)[:64]
    learner = LSH(16, rng).fit(H)
    return frames, entries, Start(learner.projections_, learner.biases_, masks[entries])


def test_every_prefix_of_learned_entries_beats_as_many_drawn_ones(rng):
    frames, entries, start = refinable(rng)
    learned = refine(frames, entries, start, Schedule((8, 16), least=8, top=3, steps=200), rng)
    assert learned.mask_levels.max() <= 3 and learned.code_bits.shape == (64, 16)

    def error(P, b, codes, masks, bits, count):
        queries = hash_codes(frames.H, P[:bits], b[:bits])
        nearest, _ = hamming_knn(queries, np.ascontiguousarray(codes[:count, :bits]), 4)
        return mask_error(masks[:count][nearest].mean(axis=1), frames.band_masks, frames.band_weights)

    drawn = hash_codes(frames.H[entries], start.projections, start.biases)
    for bits in (8, 16):
        for count in (8, 32, 64):
            ours = error(learned.projections, learned.biases, learned.code_bits, learned.mask_levels / 3, bits, count)
            theirs = error(start.projections, start.biases, drawn, start.masks, bits, count)
            assert ours < 0.9 * theirs, (bits, count)


@pytest.mark.parametrize("changes", [{"lengths": (17,)}, {"lengths": (0,)}, {"refine_steps": 0}])
def test_lengths_that_nothing_learns_are_refused(tiny_corpus, changes):
    with pytest.raises(BlshError, match="lengths"):
        train_model(tiny_corpus, small(**changes))


def test_a_small_corpus_gives_all_its_frames_as_entries(tiny_corpus):
    model = train_model(tiny_corpus, small(entries=1_000_000, refine_steps=1))
    assert model.entries == model.card["frames"]["kept"] > 900


def test_refining_without_what_it_needs_is_refused(tiny_corpus):
    with pytest.raises(BlshError, match="refine_steps"):
        train_model(tiny_corpus, small(mask_kind="ibm", lengths=()))


@pytest.mark.slow
def test_learned_bits_beat_centred_random_ones_and_raw_neighbours_on_real_speech(real_corpus):
    """SI-SDR is not needed to see it: the error of the masks, weighted by energy, is what SI-SDR follows."""
    options = EXTENDED.with_(feature_kind="mel", mask_kind="ibm", varied=False, passes=1, refine_steps=0, lengths=())
    frames = gather_frames(real_corpus, options.frames, np.random.default_rng(SEED), np.random.default_rng(SEED))
    rows = np.random.default_rng(SEED).permutation(len(frames))
    fit, seen, unseen = (frames.take(part) for part in (rows[:30_000], rows[30_000:34_000], rows[-2000:]))
    errors = {}
    learned = SupervisedBLSH(50, np.random.default_rng(SEED), steps=300)
    learned.fit(fit.H, fit.band_masks, fit.band_weights, fit.mixture)
    for name, learner in (("learned", learned), ("random", LSH(50, np.random.default_rng(SEED)).fit(fit.H))):
        codes = [hash_codes(part.H, learner.projections_, learner.biases_) for part in (unseen, seen)]
        nearest, _ = hamming_knn(*codes, 10)
        errors[name] = mask_error(seen.band_masks[nearest].mean(axis=1), unseen.band_masks, unseen.band_weights)
    raw = np.argsort(-(unseen.H @ seen.H.T), axis=1)[:, :10]
    errors["raw"] = mask_error(seen.band_masks[raw].mean(axis=1), unseen.band_masks, unseen.band_weights)
    print(errors, os.environ.get("BLSH_TEST_SEED"))
    assert errors["learned"] < errors["random"] and errors["learned"] < errors["raw"]
