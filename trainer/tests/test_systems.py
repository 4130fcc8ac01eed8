# SPDX-License-Identifier: Apache-2.0
import pickle
from dataclasses import replace

import numpy as np
import pytest

from blsh_trainer.compute.cosine_index import KNN
from blsh_trainer.corpora.mixing import draw_mixtures
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.evaluate import evaluate_systems
from blsh_trainer.evaluation.metrics import si_sdr
from blsh_trainer.evaluation.protocols import DrawnMixtures
from blsh_trainer.evaluation.systems import HashDenoiser, IbmOracle, KnnDenoiser, MixtureSystem, ModelSize
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.signals.features import features
from blsh_trainer.signals.masks import MASK_KINDS, ideal_binary_mask, pack_bits
from blsh_trainer.signals.spectra import stft


@pytest.fixture(scope="module")
def mixtures(tiny_corpus):
    return [named.signals for named in draw_mixtures(tiny_corpus, "test", 4, 0.0, np.random.default_rng(5))]


@pytest.fixture(scope="module")
def knn(tiny_corpus):
    drawn = draw_mixtures(tiny_corpus, "train", None, 0.0, np.random.default_rng(6))
    pairs = [
        (
            features(stft(named.signals.mixture), "mel"),
            ideal_binary_mask(stft(named.signals.speech), stft(named.signals.noise)),
        )
        for named in drawn
    ]
    H, Y = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return KNN(neighbours=5).fit(H, pack_bits(Y))


def test_the_mixture_is_itself(mixtures):
    np.testing.assert_array_equal(MixtureSystem().estimate(mixtures[0]), mixtures[0].mixture)


def test_systems_keep_their_order_oracle_first_mixture_last(mixtures, knn, tiny_model):
    def mean(system):
        return np.mean([si_sdr(signals.speech, system.estimate(signals)) for signals in mixtures])

    oracle, raw, hashed = (mean(s) for s in (IbmOracle(), KnnDenoiser(knn, "mel"), HashDenoiser(tiny_model)))
    unprocessed = mean(MixtureSystem())
    assert oracle > raw > unprocessed
    assert oracle > hashed > unprocessed


def test_blind_systems_hear_the_mixture_alone_and_survive_a_pickle(mixtures, knn, tiny_model):
    signals = mixtures[0]
    silent = type(signals)(np.zeros_like(signals.speech), np.zeros_like(signals.noise), signals.mixture)
    for system in (KnnDenoiser(knn, "mel"), HashDenoiser(tiny_model)):
        estimate = system.estimate(signals)
        assert estimate.shape == signals.mixture.shape
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(system)).estimate(silent), estimate)


def test_the_hash_system_is_the_float_denoiser(mixtures, tiny_model):
    expected = FloatDenoiser(tiny_model).denoise(mixtures[1].mixture)
    np.testing.assert_array_equal(HashDenoiser(tiny_model).estimate(mixtures[1]), expected)


def test_sizes_count_codes_projections_features_and_masks(knn, tiny_model):
    size = HashDenoiser(tiny_model).size
    entries = tiny_model.entries
    assert size.entries == -(-entries * 20 // 8)
    assert size.parameters == 4 * 20 * (128 + 1)
    assert size.masks == -(-entries * 513 // 8)
    raw = KnnDenoiser(knn, "mel").size
    assert raw == ModelSize(entries=4 * 128 * len(knn.masks_), masks=-(-len(knn.masks_) * 513 // 8))
    assert raw.to_dict()["without_masks"] == raw.entries
    assert raw.to_dict()["total"] == raw.entries + raw.masks


def test_the_size_of_masks_is_that_of_their_levels(tiny_model):
    bands = MASK_KINDS["bands"]
    levels = np.zeros((tiny_model.entries, bands.width), dtype=np.uint8)
    model = replace(tiny_model, mask_kind="bands", mask_levels=levels)
    assert HashDenoiser(model).size.masks == tiny_model.entries * 40


def test_the_papers_size_of_its_small_mel_system_is_found_again():
    # Table I: L = 50, mel, 1 % of 2 453 960 frames: 0.18 MB, which leaves out the masks' 1.57 MB.
    size = ModelSize(entries=24_540 * 50 // 8, parameters=4 * 50 * 129, masks=24_540 * 513 // 8)
    assert round(size.without_masks / 1e6, 2) == 0.18
    assert round(size.masks / 1e6, 2) == 1.57


def test_evaluations_score_them_in_any_number_of_processes(tiny_corpus, knn, tiny_model):
    systems = {"ibm": IbmOracle(), "knn": KnnDenoiser(knn, "mel"), "hash": HashDenoiser(tiny_model)}
    mixtures = DrawnMixtures(tiny_corpus, "test", (0.0,), 3, 0)
    one, two = (evaluate_systems(systems, mixtures, ("si_sdr_db",), jobs=jobs) for jobs in (1, 2))
    assert one.to_dict() == two.to_dict()
    assert one.systems == ("mixture", "ibm", "knn", "hash")


def test_an_unknown_kind_of_features_is_refused(knn):
    with pytest.raises(BlshError, match="'cepstrum' is unknown"):
        KnnDenoiser(knn, "cepstrum")
