# SPDX-License-Identifier: Apache-2.0
"""Scenes: each depends on its number alone, and all that should occur occurs."""

import numpy as np
import pytest

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.mixing import rms
from blsh_trainer.corpora.scenes import Scene, SceneMaker, in_room
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ, WINDOW

SCENES = 60


@pytest.fixture(scope="module")
def scenes(tiny_corpus: Corpus) -> list[Scene]:
    return list(SceneMaker(tiny_corpus, "train", 3).scenes(range(SCENES)))


def test_a_scene_depends_on_seed_and_number_alone(tiny_corpus: Corpus, scenes: list[Scene]) -> None:
    again = SceneMaker(tiny_corpus, "train", 3).make(17)
    assert (again.mixture == scenes[17].mixture).all() and (again.speech == scenes[17].speech).all()
    assert not np.array_equal(SceneMaker(tiny_corpus, "train", 4).make(17).mixture, again.mixture)


def test_mixtures_are_samples_of_16_bits(scenes: list[Scene]) -> None:
    for scene in scenes:
        steps = scene.mixture * 32_768
        assert scene.mixture.size == scene.speech.size >= WINDOW
        assert (steps == np.round(steps)).all() and steps.min() >= -32_768 and steps.max() <= 32_767


def test_clean_speech_pauses_and_loud_noise_occur(scenes: list[Scene]) -> None:
    snr_db = [
        20 * np.log10(rms(scene.speech) / rms(scene.mixture - scene.speech)) if scene.speech.any() else -np.inf
        for scene in scenes
    ]
    assert sum(snr == -np.inf for snr in snr_db) >= 1, "no pause"
    assert sum(snr > 14 for snr in snr_db) >= SCENES * 0.1, "too few quiet scenes"
    assert sum(-15 < snr < 14 for snr in snr_db) >= SCENES * 0.5, "too few loud scenes"


def test_a_room_keeps_the_direct_sound_and_adds_a_tail() -> None:
    click = np.zeros(SAMPLE_RATE_HZ)
    click[100] = 1.0
    heard = in_room(click, np.random.default_rng(5))
    assert heard.size == click.size and heard[100] == pytest.approx(1.0) and np.allclose(heard[:100], 0.0)
    tail = np.sum(heard[101:] ** 2)
    assert 10 ** (-15 / 10) * 0.9 < tail < 1.1, "the room is at most as loud as the direct sound, and heard"
    early, late = heard[132:1100], heard[-1600:]
    assert np.sum(early**2) > 100 * np.sum(late**2)
