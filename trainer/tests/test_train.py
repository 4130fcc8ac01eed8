# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from blsh_trainer.compute.hamming_index import hamming_knn
from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.corpora.mixing import draw_mixtures
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.card_scores import VALIDATION_ENTRIES
from blsh_trainer.evaluation.evaluate import MIXTURE, Blind, evaluate_systems
from blsh_trainer.evaluation.metrics import si_sdr
from blsh_trainer.evaluation.protocols import DrawnMixtures
from blsh_trainer.learning.options import PAPER
from blsh_trainer.learning.train import train_model
from blsh_trainer.learning.training_frames import gather_frames
from blsh_trainer.model.artifact import load_model, save_model
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.model.projection import hash_codes
from blsh_trainer.signals.features import features
from blsh_trainer.signals.masks import ideal_binary_mask
from blsh_trainer.signals.spectra import istft, stft

pytestmark = pytest.mark.heavy

OPTIONS = PAPER.with_(name="tiny", bits=20, neighbours=5, fit_frames=600, steps=60)


def si_sdr_of(model, mixtures):
    """Return summaries of the mixture and of the model, at the recipe's one SNR."""
    systems = {"model": Blind(FloatDenoiser(model))}
    found = evaluate_systems(systems, mixtures, ("si_sdr_db",), jobs=1, seed=mixtures.seed)
    return [found.find(name, "si_sdr_db", mixtures.snrs_db[0]) for name in (MIXTURE, "model")]


def test_training_twice_gives_one_model(tiny_corpus, tiny_model, tmp_path):
    again = train_model(tiny_corpus, OPTIONS)
    assert again.sha256 == tiny_model.sha256
    save_model(tmp_path / "model.npz", tiny_model)
    assert load_model(tmp_path / "model.npz").card == tiny_model.card
    assert train_model(tiny_corpus, OPTIONS.with_(seed=1)).sha256 != tiny_model.sha256


def test_the_card_tells_where_a_model_came_from(tiny_corpus, tiny_model):
    card = tiny_model.card
    assert card["corpus"] == {"name": "tiny", "sha256": tiny_corpus.sha256}
    assert card["options"]["bits"] == 20 and card["seed"] == 0
    assert card["frames"] == {"made": 12 * 82, "kept": 12 * 82, "fitted": 600}
    assert card["versions"]["numpy"] == np.__version__
    assert str(tiny_corpus.root) not in str(card)


def test_passes_and_max_frames_set_the_dictionary(tiny_corpus):
    assert train_model(tiny_corpus, OPTIONS.with_(passes=2)).entries == 2 * 12 * 82
    few = train_model(tiny_corpus, OPTIONS.with_(max_frames=300, learner="lsh"))
    assert few.entries == 300 and few.card["frames"]["fitted"] == 300


@pytest.mark.parametrize("most", [50, 300, 900])
def test_frames_are_thinned_as_they_come_and_keep_their_order(tiny_corpus, most):
    everything, kept = (
        gather_frames(tiny_corpus, options.frames, np.random.default_rng(0), np.random.default_rng(1))
        for options in (OPTIONS, OPTIONS.with_(max_frames=most))
    )
    assert everything.made == kept.made == len(everything) == 12 * 82
    assert len(kept) == len(kept.ibm) == most
    at = [np.flatnonzero((row == everything.H).all(axis=1)).item() for row in kept.H]
    assert at == sorted(set(at))
    for name in ("ibm", "band_masks", "band_weights", "mixture"):
        np.testing.assert_array_equal(getattr(everything, name)[at], getattr(kept, name))
    # All have the same chance: the mean place of a sample without replacement, within four deviations.
    deviation = np.sqrt((984**2 / 12) / most * (984 - most) / 983)
    assert abs(np.mean(at) - 983 / 2) < 4 * deviation


def test_the_card_scores_the_valid_split(tiny_corpus, tiny_model):
    scores = tiny_model.card["metrics"]["valid"]
    assert (scores["mixtures"], scores["dictionary_entries"], scores["snr_db"]) == (2, 12 * 82, 0.0)
    # `blsh evaluate --split valid` says the same.
    mixture, model = si_sdr_of(tiny_model, DrawnMixtures(tiny_corpus, "valid", count=2))
    assert scores["mean_mixture_si_sdr_db"] == round(mixture.mean, 3)
    assert scores["mean_estimate_si_sdr_db"] == round(model.mean, 3)
    assert scores["mean_improvement_db"] == round(model.improvement, 3)
    large = train_model(tiny_corpus, OPTIONS.with_(passes=6, bits=2, snr_db=3.0))
    scores = large.card["metrics"]["valid"]
    assert large.entries > scores["dictionary_entries"] == VALIDATION_ENTRIES and scores["snr_db"] == 3.0
    assert scores["mean_mixture_si_sdr_db"] == pytest.approx(3.0, abs=0.5)


def test_without_a_valid_split_the_card_has_no_scores(make_folder, corpus_rows):
    rows = [row for row in corpus_rows if (row["kind"], row["split"]) != ("noise", "valid")]
    assert train_model(load_corpus(make_folder(rows)), OPTIONS.with_(bits=2)).card["metrics"] == {}


def test_a_model_whose_masks_are_all_empty_has_no_scores(tiny_corpus):
    model = train_model(tiny_corpus, OPTIONS.with_(bits=2, snr_db=-100.0))
    assert not model.mask_levels.any() and model.card["metrics"] == {}


@pytest.mark.parametrize("changes", [{"learner": "lsh-plain"}, {"feature_kind": "stft"}, {"target": "rbf"}])
def test_other_learners_and_features_train(tiny_corpus, changes):
    model = train_model(tiny_corpus, OPTIONS.with_(bits=4, **changes))
    assert model.bits == 4 and model.projections.shape[1] == (513 if "feature_kind" in changes else 128)


def test_digital_silence_stays_out_of_the_dictionary(make_folder, corpus_rows):
    root = make_folder(corpus_rows)
    for row in corpus_rows:
        samples, _ = soundfile.read(root / row["path"])
        samples[5_000:15_000] = 0.0  # 39 hops: at least 34 frames of nothing but zeros
        soundfile.write(root / row["path"], samples[:20_000], 16_000)
    # With the noise at offset 0 both halves would be silent at once; looped at random only some frames are.
    model = train_model(load_corpus(root), OPTIONS.with_(passes=3))
    assert model.entries < 3 * 12 * 82


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "name is ''; give the model a name"),
        ({"learner": "svm"}, "learner 'svm' is unknown; choose one of blsh, lsh, lsh-plain"),
        ({"feature_kind": "mfcc"}, "'mfcc' is unknown"),
        ({"weighting": "x"}, "weighting 'x'"),
        ({"target": "x"}, "target 'x'"),
        ({"bits": 0}, "0 bits"),
        ({"neighbours": 0}, "neighbours is 0"),
        ({"passes": 0}, "passes is 0"),
        ({"fit_frames": 1}, "fit_frames is 1"),
        ({"max_frames": 4}, "max_frames is 4; choose 5"),
        ({"seed": -1}, "seed is -1"),
        ({"snr_db": float("inf")}, "snr_db is inf; it must be a finite number of -100 to 100"),
        ({"snr_db": -101.0}, "snr_db is -101"),
        ({"snr_db": float("nan")}, "snr_db is nan"),
    ],
)
def test_unfit_options_are_refused(tiny_corpus, changes, words):
    with pytest.raises(BlshError, match=words):
        train_model(tiny_corpus, OPTIONS.with_(**changes))


def test_more_neighbours_than_frames_are_refused(tiny_corpus):
    with pytest.raises(BlshError, match="984 frames with sound; 5000 or more"):
        train_model(tiny_corpus, OPTIONS.with_(neighbours=5000))


def test_progress_covers_mixing_and_learning(tiny_corpus):
    seen = []
    train_model(tiny_corpus, OPTIONS.with_(bits=2), lambda *call: seen.append(call))
    steps = (("mixing", 12), ("learning bits", 60), ("validating", 2))
    assert seen == [(what, n, total) for what, total in steps for n in range(1, total + 1)]


def test_masks_are_means_of_the_neighbours_masks(tiny_corpus, tiny_model):
    mixture = next(draw_mixtures(tiny_corpus, "test", 1, 0.0, np.random.default_rng(1))).signals.mixture
    X = stft(mixture)
    masks = FloatDenoiser(tiny_model).masks(X)
    codes = hash_codes(features(X, "mel"), tiny_model.projections, tiny_model.biases)
    indices, _ = hamming_knn(codes, tiny_model.code_bits, 5)
    np.testing.assert_allclose(masks[7], tiny_model.mask_levels[indices[7]].sum(axis=0) / 5)
    assert masks.shape == X.shape and masks.min() >= 0 and masks.max() <= 1


def test_denoising_keeps_length_and_alignment(tiny_model):
    everything = replace(tiny_model, mask_levels=np.ones_like(tiny_model.mask_levels))
    for samples in (1, 1000, 20_001):
        x = np.random.default_rng(samples).standard_normal(samples)
        np.testing.assert_allclose(FloatDenoiser(everything).denoise(x), x, atol=1e-12)
    assert not FloatDenoiser(tiny_model).denoise(np.zeros(3000)).any()
    with pytest.raises(BlshError, match="nan at sample 0"):
        FloatDenoiser(tiny_model).denoise(np.array([np.nan]))


def test_denoising_by_blocks_is_denoising_the_whole_spectrum(tiny_model):
    denoiser = FloatDenoiser(tiny_model)
    x = np.random.default_rng(9).standard_normal(256 * 2500 + 17)  # 2500 frames: three blocks
    X = stft(x)
    np.testing.assert_allclose(denoiser.denoise(x), istft(X * denoiser.masks(X), x.size), rtol=0, atol=1e-12)


def test_denoising_helps_and_the_ideal_mask_helps_more(tiny_corpus, tiny_model):
    _, model = si_sdr_of(tiny_model, DrawnMixtures(tiny_corpus, count=4))
    assert model.improvement > 1.0
    mixture = next(draw_mixtures(tiny_corpus, "test", 1, 0.0, np.random.default_rng(1))).signals
    mask = ideal_binary_mask(stft(mixture.speech), stft(mixture.noise))
    ideal = si_sdr(mixture.speech, istft(stft(mixture.mixture) * mask, mixture.mixture.size))
    estimate = si_sdr(mixture.speech, FloatDenoiser(tiny_model).denoise(mixture.mixture))
    assert ideal > estimate


@pytest.mark.slow
def test_learned_bits_denoise_real_speech_better_than_random_ones(real_corpus):
    options = PAPER.with_(max_frames=4096, fit_frames=4096, steps=100)
    gains = {}
    for learner in ("blsh", "lsh-plain"):
        model = train_model(real_corpus, options.with_(learner=learner))
        gains[learner] = si_sdr_of(model, DrawnMixtures(real_corpus, count=24))[1].improvement
    assert gains["blsh"] > gains["lsh-plain"] + 0.3
    assert gains["blsh"] > 2.0
