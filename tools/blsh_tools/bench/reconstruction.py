# SPDX-License-Identifier: Apache-2.0
"""Measure how exactly the fixed pipeline returns speech where every mask is one."""

from typing import Final

import numpy as np

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.mixing import draw_mixtures
from blsh_trainer.model.artifact import Model
from blsh_trainer.signals.audio import from_int16, to_int16
from blsh_trainer.signals.features import find_feature_kind
from blsh_trainer.signals.geometry import Geometry

PEAK_DBFS: Final = -6.0
_UTTERANCES = 6


def reconstruction_db(geometry: Geometry, corpus: Corpus) -> float:
    """Return the least SNR in dB, over utterances of the test split, of the delayed output against the input.

    The peak of each utterance is PEAK_DBFS. The error holds what rounding the input to 16 bits costs. The pipeline is
    codegen's `vectorised`, whose bits are the firmware's.
    """
    through = VectorisedDenoiser(integer_model(_all_ones(geometry), GenerateOptions()))
    found = []
    for mixture in draw_mixtures(corpus, "test", _UTTERANCES, 0.0, np.random.default_rng(0)):
        speech = mixture.at_rate(geometry.rate_hz).signals.speech
        exact = speech * (10 ** (PEAK_DBFS / 20) / np.abs(speech).max())
        error = exact - from_int16(through.denoise(to_int16(exact)))
        found.append(10 * np.log10(np.sum(exact**2) / np.sum(error**2)))
    return float(min(found))


def _all_ones(geometry: Geometry) -> Model:
    """Return a model whose only mask is one in every bin, whatever it hears."""
    features = find_feature_kind("mel").count(geometry)
    return Model(
        name="all-ones",
        feature_kind="mel",
        neighbours=1,
        projections=np.ones((1, features)),
        biases=np.zeros(1),
        betas=np.ones(1),
        code_bits=np.ones((1, 1), bool),
        mask_levels=np.ones((1, geometry.bins), np.uint8),
        card={},
        geometry=geometry,
    )
