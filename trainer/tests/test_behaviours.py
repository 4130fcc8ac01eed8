# SPDX-License-Identifier: Apache-2.0
"""Behaviours: their figures on signals whose answer is known, and the signals that are made of a corpus."""

from dataclasses import dataclass

import numpy as np
import pytest

from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.behaviour import at_level, power_db
from blsh_trainer.evaluation.behaviours import BEHAVIOURS, measure_behaviours
from blsh_trainer.evaluation.clean_speech import MOST_SI_SDR_DB, damage, from_onset, speech_gain_db, utterances
from blsh_trainer.evaluation.peer_scores import load_recipes
from blsh_trainer.evaluation.steadiness import (
    Fan,
    RecordedNoise,
    WhiteNoise,
    block_levels,
    fan_noise,
    noise_figures,
    power_kurtosis,
    repeated,
    steady_trials,
)

from .conftest import say

RATE = 16_000
BLOCK = 512


@dataclass(frozen=True)
class Gain:
    """A denoiser that scales what it hears, its first `slow` samples by `start` besides."""

    gain: float = 1.0
    slow: int = 0
    start: float = 1.0

    def denoise(self, x):
        y = self.gain * x
        y[: self.slow] *= self.start
        return y


@dataclass(frozen=True)
class Broken:
    def denoise(self, x):
        raise ValueError("no model")


# ---- steadiness -------------------------------------------------------------------------------------------------


@pytest.fixture
def white(rng):
    return 0.01 * rng.standard_normal(20 * RATE)


def test_the_power_of_gaussian_noise_has_a_kurtosis_of_nine(rng):
    assert power_kurtosis(rng.standard_normal(120 * RATE)) == pytest.approx(9, abs=1)


def test_musical_noise_has_a_higher_power_kurtosis(rng):
    """Each bin sounds in one frame of a hundred: (1 - 3q + 3q^2) / (q (1 - q)) = 98 for steady tones, q = 0.01."""
    blips = rng.standard_normal(120 * RATE) * np.repeat(rng.random(120 * RATE // 1600) < 0.01, 1600)
    assert power_kurtosis(blips) > 50


def test_silence_has_no_power_kurtosis():
    assert power_kurtosis(np.zeros(RATE)) == 0.0


@pytest.mark.parametrize("gain_db", [0.0, -6.0, -20.0])
def test_a_gain_is_the_attenuation_and_changes_no_other_figure(white, gain_db):
    figures = noise_figures(white, white * 10 ** (gain_db / 20))
    for name in ("attenuation_2_to_10_s_db", "attenuation_from_2_s_db", "attenuation_from_10_s_db"):
        assert figures[name] == pytest.approx(-gain_db, abs=1e-3)
    assert figures["level_deviation_db"] == pytest.approx(10 / np.log(10) * np.sqrt(2 / BLOCK), rel=0.15)
    assert figures["power_kurtosis"] == pytest.approx(power_kurtosis(white[10 * RATE :]))


def test_the_attenuations_are_those_of_their_time(white):
    left = white.copy()
    left[: 2 * RATE] *= 5.0  # before 2 s nothing is measured
    left[2 * RATE : 10 * RATE] *= 10 ** (-10 / 20)
    left[10 * RATE :] *= 10 ** (-30 / 20)
    figures = noise_figures(white, left)
    assert figures["attenuation_2_to_10_s_db"] == pytest.approx(10, abs=0.01)
    assert figures["attenuation_from_10_s_db"] == pytest.approx(30, abs=0.01)
    shares = (8 * 10 ** (-10 / 10) + 10 * 10 ** (-30 / 10)) / 18
    assert figures["attenuation_from_2_s_db"] == pytest.approx(-10 * np.log10(shares), abs=0.1)


def test_a_residual_that_swings_by_three_decibels_deviates_by_three():
    tone = 0.01 * np.sin(2 * np.pi * 1000 * np.arange(20 * RATE) / RATE)  # 32 periods a block: all levels are the same
    blocks = (np.arange(10 * RATE) // BLOCK) % 2
    left = tone.copy()
    left[10 * RATE :] *= 10.0 ** (np.where(blocks, 3.0, -3.0) / 20)
    figures = noise_figures(tone, left)
    assert figures["level_deviation_db"] == pytest.approx(3.0, abs=0.01)
    assert noise_figures(tone, tone)["level_deviation_db"] == pytest.approx(0.0, abs=1e-6)


def test_a_peak_in_every_tenth_block_stands_over_the_median():
    left = 0.01 * np.sin(2 * np.pi * 1000 * np.arange(20 * RATE) / RATE)
    loud = (np.arange(10 * RATE) // BLOCK) % 10 == 0
    left[10 * RATE :] *= np.where(loud, 10.0 ** (12 / 20), 1.0)
    assert noise_figures(left, left)["peak_over_median_db"] == pytest.approx(12, abs=0.01)


def test_levels_end_at_their_floors():
    assert power_db(np.zeros(4)) == pytest.approx(-120)
    assert block_levels(np.zeros(BLOCK)) == pytest.approx([-100])


def test_a_repeated_recording_has_no_seams(rng):
    """A constant stays one through the cross-fades; the first repetition is the recording itself."""
    assert repeated(np.ones(2000), 7000) == pytest.approx(np.ones(7000))
    noise = rng.standard_normal(5000)
    assert np.array_equal(repeated(noise, 3000), noise[:3000])
    long = repeated(noise, 9000)
    assert np.array_equal(long[:4200], noise[:4200]) and np.array_equal(long[5000:9000], noise[800:4800])


def test_noises_of_the_measure_have_their_level_and_length_and_never_change():
    for trial, seconds in ((WhiteNoise("white", 20), 20), (WhiteNoise("white_60_s", 60), 60), (Fan(), 60)):
        signal = trial.signal()
        assert signal.size == seconds * RATE and power_db(signal) == pytest.approx(-40, abs=1e-3)
        assert np.array_equal(trial.signal(), signal)


def test_a_fan_has_tones_of_a_quarter_of_the_noise_s_power():
    sound = fan_noise(60 * RATE)
    power = np.abs(np.fft.rfft(sound)) ** 2
    tones = [60 * 120 * k for k in range(1, 9)]  # bins of 1/60 Hz
    assert power[tones].sum() / (power.sum() - power[tones].sum()) == pytest.approx(0.25, rel=0.05)
    assert power[60 * 4000 :].sum() < 0.1 * power.sum()


def test_steady_noises_of_a_corpus_are_found_by_a_word_of_their_type(corpus_rows, make_folder):
    names = {"kind0": "kitchen_Fan", "kind1": "cabinet", "kind2": "vacuum-cleaner"}
    for row in corpus_rows:
        row["speaker_or_type"] = names.get(row["speaker_or_type"], row["speaker_or_type"])
    trials = steady_trials(load_corpus(make_folder(corpus_rows)))
    assert [trial.group for trial in trials] == ["white", "white_60_s", "fan_60_s", "kitchen_Fan", "vacuum-cleaner"]
    assert [trial.id for trial in trials[3:]] == ["noise/test_0_0.flac", "noise/test_2_0.flac"]
    signal = trials[3].signal()
    assert isinstance(trials[3], RecordedNoise)
    assert signal.size == 60 * RATE and power_db(signal) == pytest.approx(-40, abs=1e-3)


def test_the_recordings_of_the_development_corpus_are_those_of_the_peers(real_corpus):
    if not any(entry.path.endswith("antum_jet_ambience.flac") for entry in real_corpus.entries):
        pytest.skip("another corpus than the one on which the peers were measured")
    names = [trial.id for trial in steady_trials(real_corpus)[3:]]
    assert names == ["noise/test/jet_cabin/antum_jet_ambience.flac", "noise/test/vacuum_cleaner/vacuuming_0.flac"]
    assert [each.entry.path for each in utterances(real_corpus)] == [each.speech for each in load_recipes()[:12]]


# ---- clean speech -----------------------------------------------------------------------------------------------


def test_speech_that_is_left_alone_has_the_best_figures(rng):
    speech = at_level(say(3 * RATE, rng), -26)
    figures = damage(speech, speech.copy())
    assert figures["si_sdr_db"] == MOST_SI_SDR_DB and figures["level_db"] == 0.0
    assert figures["pesq"] > 4.6 and figures["estoi"] == pytest.approx(1.0)


def test_damage_is_what_was_done(rng):
    speech = at_level(say(3 * RATE, rng), -26)
    assert damage(speech, 0.5 * speech)["level_db"] == pytest.approx(-6.02, abs=0.01)
    noise = at_level(rng.standard_normal(speech.size), -46)
    noise -= speech * (noise @ speech) / (speech @ speech)
    assert damage(speech, speech + noise)["si_sdr_db"] == pytest.approx(20, abs=0.05)


def test_the_gain_of_speech_does_not_count_the_noise(rng):
    speech = rng.standard_normal(RATE)
    noise = rng.standard_normal(RATE)
    noise -= speech * (noise @ speech) / (speech @ speech)
    assert speech_gain_db(speech, 0.5 * speech + 3 * noise) == pytest.approx(-6.02, abs=0.01)
    assert speech_gain_db(speech, np.zeros(RATE)) == -120.0


def test_a_passage_begins_where_the_speech_does():
    speech = np.concatenate([np.full(3 * BLOCK, 0.01), np.full(BLOCK, 0.11), np.ones(BLOCK)])
    assert from_onset(speech)[0] == 0.11 and from_onset(speech).size == 2 * BLOCK
    assert from_onset(speech[:100]).size == 100


def test_a_denoiser_that_starts_softly_loses_that_in_the_first_second(tiny_corpus):
    found = measure_behaviours(Gain(0.9, RATE, 0.5), tiny_corpus, ("start",), jobs=1)
    for group in ("in_noise", "clean"):
        assert found.find("start", group, "first_over_settled_db").mean == pytest.approx(-6.02, abs=0.02)
        assert found.find("start", group, "settled_db").mean == pytest.approx(20 * np.log10(0.9), abs=0.1)


# ---- all of them ------------------------------------------------------------------------------------------------


def test_behaviours_stand_under_their_own_names():
    assert {name: behaviour.name for name, behaviour in BEHAVIOURS.items()} == {name: name for name in BEHAVIOURS}


def test_a_denoiser_that_does_nothing_behaves_so(tiny_corpus):
    found = measure_behaviours(Gain(), tiny_corpus, jobs=1)
    means = {(each.behaviour, each.group, each.figure): each for each in found.means()}
    assert means["clean", "speech", "si_sdr_db"].mean == MOST_SI_SDR_DB
    assert means["clean", "speech", "level_db"].mean == means["start", "clean", "first_over_settled_db"].mean == 0.0
    assert means["steadiness", "fan_60_s", "attenuation_from_2_s_db"].mean == 0.0
    assert means["clean", "speech", "estoi"].n == len(utterances(tiny_corpus)) == 4
    for name, behaviour in BEHAVIOURS.items():
        assert {each.figure for each in found.means() if each.behaviour == name} == set(behaviour.shown)


@pytest.mark.slow
def test_the_figures_do_not_depend_on_the_number_of_processes(tiny_corpus):
    one, two = (measure_behaviours(Gain(0.7), tiny_corpus, ("clean",), jobs=jobs) for jobs in (1, 2))
    assert one == two and one.to_dict() == two.to_dict()


def test_behaviours_that_cannot_be_measured_are_refused(tiny_corpus):
    with pytest.raises(BlshError, match="behaviour 'calm' is unknown; choose one of steadiness, clean, start"):
        measure_behaviours(Gain(), tiny_corpus, ("calm",))
    with pytest.raises(BlshError, match="give none twice"):
        measure_behaviours(Gain(), tiny_corpus, ("clean", "clean"))
    with pytest.raises(BlshError, match=r"clean, speech/test0/0.flac:0: ValueError: no model"):
        measure_behaviours(Broken(), tiny_corpus, ("clean",), jobs=1)
    with pytest.raises(BlshError, match="estoi of speech was not measured; measure clean"):
        measure_behaviours(Gain(), tiny_corpus, (), jobs=1).find("clean", "speech", "estoi")
