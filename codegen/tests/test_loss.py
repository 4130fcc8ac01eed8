# SPDX-License-Identifier: Apache-2.0
"""The loss of quality by integers against double precision, on recordings."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions, integer_model, reduced_model
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.mixing import draw_mixtures
from blsh_trainer.evaluation.evaluate import Blind, evaluate_systems
from blsh_trainer.evaluation.protocols import DrawnMixtures
from blsh_trainer.learning.options import PAPER
from blsh_trainer.learning.train import train_model
from blsh_trainer.model.artifact import Model
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.model.projection import LSH
from blsh_trainer.signals.audio import from_int16, to_int16
from blsh_trainer.signals.features import features, l2_normalise
from blsh_trainer.signals.masks import MASK_KINDS, ideal_band_levels
from blsh_trainer.signals.spectra import stft

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("loss")]  # the models of its fixtures are trained once

MIXTURES = 24


@pytest.fixture(scope="module", params=[pytest.param("mel", marks=pytest.mark.slow), "stft", "extended"])
def model(request: pytest.FixtureRequest, any_corpus: Corpus) -> Model:
    if request.param == "extended":
        return extended_model(any_corpus)
    options = PAPER.with_(feature_kind=request.param, bits=32, fit_frames=2000, max_frames=8000, steps=100)
    return train_model(any_corpus, options)


def extended_model(corpus: Corpus) -> Model:
    """Return a model with every option, quick to make: centred LSH, and masks of the frames themselves."""
    rng = np.random.default_rng(5)
    H, levels = [], []
    for mixture in draw_mixtures(corpus, "train", 60, 0.0, rng):
        spectrum = stft(mixture.signals.mixture)
        H.append(features(spectrum, "tracked"))
        levels.append(ideal_band_levels(stft(mixture.signals.speech), spectrum, MASK_KINDS["bands"]))
    sounding = np.concatenate(H).any(axis=1)
    rows = l2_normalise(np.concatenate(H)[sounding])
    learner = LSH(64, rng).fit(rows)
    return Model(
        name="extended",
        feature_kind="tracked",
        neighbours=10,
        projections=learner.projections_,
        biases=learner.biases_,
        betas=learner.betas_,
        code_bits=learner.transform(rows),
        mask_levels=np.concatenate(levels)[sounding],
        card={},
        mask_kind="bands",
        smoothing=4,
        floor=6,
    )


def test_fixed_path_loses_at_most_a_tenth_of_a_decibel(model: Model, any_corpus: Corpus) -> None:
    options = GenerateOptions(entries=1500)
    reduced = reduced_model(model, options)
    fixed = VectorisedDenoiser(integer_model(model, options))

    mixtures = DrawnMixtures(any_corpus, "test", (0.0,), MIXTURES, 3)
    systems = {"float": Blind(FloatDenoiser(reduced)), "fixed": Blind(FixedDenoiser(fixed))}
    found = evaluate_systems(systems, mixtures, ("si_sdr_db",), jobs=1)
    in_floats, in_integers = (found.find(name, "si_sdr_db", 0.0) for name in systems)
    loss = in_floats.mean - in_integers.mean
    print(f"{model.feature_kind}: float {in_floats.mean:.3f} dB, fixed loses {loss:+.4f} dB")
    assert in_integers.n == MIXTURES
    assert in_floats.improvement > 0.5, "a model that denoises nothing would lose nothing"
    assert loss <= 0.1


@dataclass(frozen=True)
class FixedDenoiser:
    """The integer path behind the interface of a denoiser of floats."""

    integers: VectorisedDenoiser

    def denoise(self, samples: FloatArray) -> FloatArray:
        return from_int16(self.integers.denoise(to_int16(samples)))


def test_all_ones_mask_passes_speech_at_its_own_precision(model: Model, any_corpus: Corpus) -> None:
    """60 dB at a peak of -6 dBFS, and at -46 dBFS no more than 3 dB below what rounding to int16 alone costs."""
    integers = integer_model(model, GenerateOptions(entries=10))
    through = VectorisedDenoiser(replace(integers, masks=np.full_like(integers.masks, 0xFFFFFFFF)))
    for mixture in draw_mixtures(any_corpus, "test", 6, 0.0, np.random.default_rng(4)):
        speech = mixture.signals.speech / np.abs(mixture.signals.speech).max()
        for peak_dbfs, least in ((-6, 60.0), (-46, 0.0)):
            exact = speech * 10 ** (peak_dbfs / 20)
            rounded = to_int16(exact)
            passed = _snr_db(exact, from_int16(through.denoise(rounded)))
            alone = _snr_db(exact, from_int16(rounded))
            print(f"{mixture.speech_path} at {peak_dbfs} dBFS: {passed:.1f} dB, rounding alone {alone:.1f} dB")
            assert passed >= max(least, alone - 3)


def _snr_db(exact: FloatArray, actual: FloatArray) -> float:
    return float(10 * np.log10(np.sum(exact**2) / np.sum((exact - actual) ** 2)))
