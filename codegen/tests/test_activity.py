# SPDX-License-Identifier: Apache-2.0
"""What hops tell of speech, noise and silence, by a voting model made by hand: a gate for each pair of bands."""

from dataclasses import dataclass

import numpy as np
import pytest

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.host_core import HostCore
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser, Vectors
from blsh_codegen.spec.constants import ATTENUATION_OFF, LOG_FRACTION_BITS, MEMORY_PAIRS, Q14_ONE, TRACKED_BANDS
from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.mixture_sources import read_speech
from blsh_trainer.model.voting_model import LEVELS_A_UNIT, RESPONSE_ORIGIN, RESPONSES, VOTE_WEIGHTS, VotingModel
from blsh_trainer.signals.audio import at_rate
from blsh_trainer.signals.features import mel_filters
from blsh_trainer.signals.geometry import CLASSES, Geometry
from blsh_trainer.signals.masks import band_edges

OPENS = 2 * 16 << LOG_FRACTION_BITS  # 16 times the steps that both bands, on average, are above their floor
QUIET = 15
RMS = 3000.0


def gate(geometry: Geometry) -> VotingModel:
    """Return a model whose bands open where their pair is two octaves above its floor."""
    pairs, bands = np.arange(MEMORY_PAIRS), np.arange(geometry.bands)
    rows = np.zeros((MEMORY_PAIRS, 257), np.int8)
    rows[pairs, 2 * pairs] = rows[pairs, 2 * pairs + 1] = 2
    rows[pairs, TRACKED_BANDS + pairs] = -4  # the floor of the pair
    heard = mel_filters(TRACKED_BANDS, geometry).reshape(MEMORY_PAIRS, 2, -1).sum(axis=1)
    edges = band_edges(geometry)
    pair = np.argmax(np.add.reduceat(heard, edges[:-1], axis=1) / np.diff(edges), axis=0)
    bit_votes = np.zeros((MEMORY_PAIRS, 2, geometry.bands), np.int8)
    bit_votes[pair, 0, bands], bit_votes[pair, 1, bands] = -128, 127
    odds = (np.arange(RESPONSES) - RESPONSE_ORIGIN) / LEVELS_A_UNIT
    return VotingModel(
        name="gate",
        neighbours=1,
        projections=rows,
        thresholds=np.full((MEMORY_PAIRS, 1), OPENS, np.int32),
        code_bits=np.zeros((1, 1, MEMORY_PAIRS), np.bool_),
        group_edges=np.array([0, geometry.bands], np.int16),
        votes=np.zeros((1, geometry.bands), np.int8),
        weights=np.ones((1, VOTE_WEIGHTS), np.uint8),
        bit_votes=bit_votes,
        response_q14=np.round(Q14_ONE * np.clip((odds + 2) / 4, 0.02, 1)).astype(np.int16),
        card={},
        geometry=geometry,
        smoothing_down=8,
    )


@dataclass(frozen=True)
class Scene:
    """Two seconds of noise, then speech 10 dB above it, then a second of silence; and what hops tell of the three."""

    speech: FloatArray
    geometry: Geometry
    told: Vectors

    @property
    def noise(self) -> slice:
        """The hops of the second second."""
        second = self.geometry.rate_hz // self.geometry.hop
        return slice(second, 2 * second)

    @property
    def silence(self) -> slice:
        """The hops whose frames hold silence alone."""
        begin = 2 * self.geometry.rate_hz + len(self.speech) + self.geometry.window
        return slice(begin // self.geometry.hop, None)

    def loud(self, late: int) -> FloatArray:
        """Return the hops that are `late` samples behind hops of speech within 20 dB of the loudest one."""
        energy = (self.speech.reshape(-1, self.geometry.hop) ** 2).sum(axis=1)
        first = (2 * self.geometry.rate_hz + late) // self.geometry.hop
        return first + np.flatnonzero(energy > energy.max() / 100)


def scene(corpus: Corpus, geometry: Geometry, limit: int, rng: np.random.Generator) -> Scene:
    speech = at_rate(read_speech(corpus, corpus.select("speech", "test")[0]), geometry.rate_hz)
    speech = speech[: len(speech) // geometry.hop * geometry.hop]
    speech = speech * (RMS / np.sqrt(np.mean(speech**2)))
    heard = np.concatenate([np.zeros(2 * geometry.rate_hz), speech])
    heard += rng.normal(0, RMS / np.sqrt(10), len(heard))
    samples = np.concatenate([heard, np.zeros(geometry.rate_hz)])[: -(geometry.rate_hz % geometry.hop) or None]
    samples = samples.clip(-32768, 32767).astype(np.int16)
    model = integer_model(gate(geometry), GenerateOptions())
    limits = [limit] * (len(samples) // geometry.hop)
    told = VectorisedDenoiser(model).stages(samples, limits)
    core = HostCore(model)
    core.set_attenuation(limit)
    for t, hop in enumerate(samples.reshape(-1, geometry.hop)[:200]):
        found = core.hop(hop)
        assert (found.activity, found.reduction_db) == (told.activity[t], told.reduction_db[t]), f"hop {t}"
    return Scene(speech, geometry, told)


@pytest.mark.parametrize("limit", [12, ATTENUATION_OFF])
@pytest.mark.parametrize("geometry", CLASSES.values(), ids=CLASSES)
def test_hops_tell_speech_noise_and_silence_apart(
    any_corpus: Corpus, rng: np.random.Generator, geometry: Geometry, limit: int
) -> None:
    found = scene(any_corpus, geometry, limit, rng)
    activity, reduction = found.told.activity, found.told.reduction_db
    in_noise, in_speech = activity[found.noise], activity[found.loud(geometry.window // 2)]
    right = (in_noise < QUIET).mean(), (in_speech >= QUIET).mean()
    print(f"hops told right: {right[0]:.0%} of noise, {right[1]:.0%} of speech, median {np.median(in_speech)}")
    assert min(right) >= 0.7 and np.median(in_speech) >= 2 * QUIET
    assert not activity[found.silence].any()
    assert reduction[found.noise].max() <= (12 if limit == 12 else 35)  # by 34 dB where all bands are shut
    assert np.median(reduction[found.noise]) >= (9 if limit == 12 else 16)
    assert np.median(reduction[found.loud(geometry.lag)]) <= 4
    assert not reduction[found.silence].any()
