# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from blsh_trainer.compute.hamming_index import hamming_knn
from blsh_trainer.model.artifact import Model
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.model.projection import hash_codes
from blsh_trainer.signals.features import features, find_feature_kind
from blsh_trainer.signals.geometry import RECORDER
from blsh_trainer.signals.masks import MASK_KINDS
from blsh_trainer.signals.spectra import istft, stft


def random_model(rng, kind="tracked", mask_kind="bands", **options):
    masks = MASK_KINDS[mask_kind]
    return Model(
        name="random",
        feature_kind=kind,
        neighbours=5,
        projections=rng.standard_normal((20, find_feature_kind(kind).count())),
        biases=0.1 * rng.standard_normal(20),
        betas=np.ones(20),
        code_bits=rng.random((60, 20)) < 0.5,
        mask_levels=rng.integers(0, masks.top + 1, (60, masks.width)).astype(np.uint8),
        card={},
        mask_kind=mask_kind,
        **options,
    )


def mean_gains(model, X):
    codes = hash_codes(features(X, model.feature_kind), model.projections, model.biases)
    indices, _ = hamming_knn(codes, model.code_bits, model.neighbours)
    masks = MASK_KINDS[model.mask_kind]
    return model.mask_levels[indices].sum(axis=1) / (model.neighbours * masks.top)


@pytest.mark.parametrize("mask_kind", MASK_KINDS)
def test_masks_are_means_of_levels_floored_and_smoothed(rng, mask_kind):
    X = stft(rng.standard_normal(9000))
    plain = random_model(rng, mask_kind=mask_kind)
    gains = mean_gains(plain, X)
    np.testing.assert_allclose(FloatDenoiser(plain).masks(X), MASK_KINDS[mask_kind].to_bins(gains), atol=1e-15)
    model = Model(**{**vars(plain), "smoothing": 12, "floor": 64})
    floored = np.maximum(gains, 0.25)
    before, expected = floored[0], []
    for row in floored:
        before = (12 * before + 4 * row) / 16
        expected.append(before)
    found = FloatDenoiser(model).masks(X)
    np.testing.assert_allclose(found, MASK_KINDS[mask_kind].to_bins(np.array(expected)), atol=1e-12)


def test_a_signal_in_blocks_is_denoised_as_in_one_and_leaves_nothing_behind(rng):
    model = random_model(rng, smoothing=10, floor=20)
    denoiser = FloatDenoiser(model)
    x = rng.standard_normal(1500 * 256)
    assert RECORDER.hops_of(x.size) > 1024, "more than filter_frames holds at once"
    X = stft(x)
    for _ in range(2):
        np.testing.assert_allclose(denoiser.denoise(x), istft(X * denoiser.masks(X), x.size), rtol=0, atol=1e-12)
