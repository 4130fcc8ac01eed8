# SPDX-License-Identifier: Apache-2.0
from functools import partial

import numpy as np
import pytest
import scipy.linalg
import scipy.signal

from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.metrics import (
    ESTOI_LEAST_S,
    METRICS,
    PESQ_LEAST_S,
    SDR_TAPS,
    estoi,
    pesq_score,
    sdr,
    si_sdr,
)

from .conftest import rustle, say

SECONDS = 16_000


@pytest.fixture
def speech(rng):
    return say(3 * SECONDS, rng)


@pytest.fixture
def noise(rng, speech):
    noise = rustle(speech.size, rng)
    return noise * np.linalg.norm(speech) / np.linalg.norm(noise)


# ---- the table --------------------------------------------------------------------------------------------------


def test_metrics_stand_under_their_own_names():
    assert {name: metric.name for name, metric in METRICS.items()} == {name: name for name in METRICS}
    assert list(METRICS) == ["sdr_db", "si_sdr_db", "pesq", "estoi"]


def test_a_notation_writes_figures_and_intervals():
    estoi_in_tables = METRICS["estoi"].paper
    assert estoi_in_tables is not None and estoi_in_tables.figure(0.7034) == "70.3"
    assert METRICS["estoi"].shown.figure(0.7034, "+") == "+0.703"
    assert METRICS["sdr_db"].shown.interval(-1.004, 2.5) == "-1.00 to 2.50"


# ---- all of them ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METRICS)
def test_more_noise_scores_worse(name, speech, noise):
    # No louder than 0 dB: PESQ has reached its floor there, and wavers by its size below.
    scores = [METRICS[name].measure(speech, speech + gain * noise, 16_000) for gain in (0.01, 0.1, 1.0)]
    assert scores == sorted(scores, reverse=METRICS[name].better == "higher")
    assert max(scores[0], scores[2]) > 1.1 * min(scores[0], scores[2])


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("scale", [1e-3, 0.5, 20.0])
def test_the_scale_of_the_estimate_matters_not(name, scale, speech, noise):
    # PESQ takes both on one scale and rounds to float32, so not to the last digit.
    expected = METRICS[name].measure(speech, speech + noise, 16_000)
    assert METRICS[name].measure(speech, scale * (speech + noise), 16_000) == pytest.approx(expected, abs=1e-2)
    assert METRICS[name].measure(scale * speech, speech + noise, 16_000) == pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize("name", METRICS)
def test_scores_repeat_bit_for_bit_and_leave_the_random_numbers_alone(name, speech, noise):
    np.random.seed(5)
    first = METRICS[name].measure(speech, speech + noise, 16_000)
    np.random.seed(6)
    expected = np.random.random(3)
    np.random.seed(6)
    assert METRICS[name].measure(speech, speech + noise, 16_000) == first
    np.testing.assert_array_equal(np.random.random(3), expected)


@pytest.mark.parametrize("name", METRICS)
def test_what_cannot_be_scored_is_refused(name, speech):
    metric = partial(METRICS[name].measure, rate_hz=16_000)
    with pytest.raises(BlshError, match=r"reference is silent, so .* is undefined"):
        metric(np.zeros(SECONDS), np.ones(SECONDS))
    with pytest.raises(BlshError, match="has 3 samples, the reference 4"):
        metric(np.ones(4), np.ones(3))
    with pytest.raises(BlshError, match="the estimate holds nan at sample 1"):
        metric(np.ones(2), np.array([1.0, np.nan]))
    with pytest.raises(BlshError, match="the reference holds inf at sample 0"):
        metric(np.array([np.inf, 0.0]), np.ones(2))
    with pytest.raises(BlshError, match="expected one channel"):
        metric(np.ones((2, SECONDS)), np.ones((2, SECONDS)))


def test_a_silent_estimate_is_the_worst_or_undefined(speech):
    silence = np.zeros_like(speech)
    assert sdr(speech, silence) == si_sdr(speech, silence) == -np.inf
    assert np.isnan(pesq_score(speech, silence)) and estoi(speech, silence) == 0.0


def test_what_is_too_short_is_undefined(speech):
    for metric, least in (
        (sdr, SDR_TAPS),
        (pesq_score, round(PESQ_LEAST_S * 16_000)),
        (estoi, round(ESTOI_LEAST_S * 16_000)),
    ):
        loud = speech + 0.1 * np.sin(np.arange(speech.size))  # sounds everywhere
        assert np.isnan(metric(loud[: least - 1], loud[: least - 1])), metric
        assert metric(loud[:least], loud[:least]) > 0.9, metric


def test_estoi_of_a_click_in_silence_is_undefined():
    """Long enough, but too few frames of it sound."""
    click = np.zeros(SECONDS)
    click[5000:6000] = 0.5
    assert np.isnan(estoi(click, click))


def test_pesq_without_an_utterance_is_undefined(rng):
    burst = np.zeros(SECONDS)
    burst[5000:5400] = 0.5 * rng.standard_normal(400)
    assert np.isnan(pesq_score(burst, burst))
    next_to_nothing = np.zeros(SECONDS)
    next_to_nothing[8000] = 1e-20
    assert np.isnan(pesq_score(rng.standard_normal(SECONDS), next_to_nothing))


# ---- SI-SDR -----------------------------------------------------------------------------------------------------


def test_si_sdr_of_orthogonal_noise_is_the_energy_ratio():
    speech = np.array([1.0, 0.0, 1.0, 0.0])
    noise = np.array([0.0, 0.1, 0.0, -0.1])
    assert si_sdr(speech, speech + noise) == pytest.approx(20.0)


def test_si_sdr_does_not_remove_the_mean():
    speech = np.array([1.0, -1.0])
    assert si_sdr(speech, speech + 0.1) == pytest.approx(20.0)


@pytest.mark.parametrize("scale", [1e-3, 0.5, -2.0, 1e4])
def test_si_sdr_ignores_the_scale_of_either(scale):
    rng = np.random.default_rng(3)
    s, e = rng.standard_normal((2, 500))
    assert si_sdr(s, scale * e) == pytest.approx(si_sdr(s, e))
    assert si_sdr(scale * s, e) == pytest.approx(si_sdr(s, e))


def test_si_sdr_at_its_ends():
    assert si_sdr(np.array([1.0, 0.0]), np.array([2.0, 0.0])) == np.inf
    assert si_sdr(np.array([1.0, 0.0]), np.zeros(2)) == -np.inf
    assert si_sdr(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == -np.inf


# ---- SDR --------------------------------------------------------------------------------------------------------


def test_sdr_is_the_energy_ratio_after_the_best_filter_of_512_taps(rng):
    """Against least squares on the delayed references, written out."""
    s = rng.standard_normal(3000)
    e = np.convolve(s, [0.5, 0.2, -0.1])[:3000] + 0.3 * rng.standard_normal(3000)
    delayed = scipy.linalg.toeplitz(np.r_[s, np.zeros(SDR_TAPS - 1)], np.zeros(SDR_TAPS))
    padded = np.r_[e, np.zeros(SDR_TAPS - 1)]
    target = delayed @ np.linalg.lstsq(delayed, padded)[0]
    expected = 10 * np.log10(target @ target / ((padded - target) @ (padded - target)))
    assert sdr(s, e) == pytest.approx(expected, abs=1e-6)


def test_sdr_forgives_a_filter_and_si_sdr_does_not(speech, noise):
    filtered = scipy.signal.lfilter(np.r_[np.zeros(20), 1.0, 0.5], [1.0], speech)
    assert sdr(speech, filtered) > si_sdr(speech, filtered) + 10


def test_sdr_is_never_below_si_sdr(speech, noise):
    for gain in (0.1, 1.0, 4.0):
        assert sdr(speech, speech + gain * noise) >= si_sdr(speech, speech + gain * noise) - 1e-6


def test_sdr_of_a_copy_is_that_of_rounding(rng):
    s = rng.standard_normal(SECONDS)
    assert sdr(s, 0.5 * s) > 100


def test_sdr_of_a_pure_tone_is_defined(noise):
    """Its autocorrelation matrix is singular."""
    tone = np.sin(0.25 * np.pi * np.arange(noise.size)) * np.linalg.norm(noise) / np.sqrt(noise.size / 2)
    assert sdr(tone, tone + noise) == pytest.approx(0.0, abs=3.0)


# ---- PESQ and ESTOI ---------------------------------------------------------------------------------------------


def test_pesq_of_a_copy_is_the_scale_s_end(speech):
    assert pesq_score(speech, speech) == pytest.approx(4.644, abs=1e-3)


def test_pesq_of_noise_alone_is_near_the_other_end(speech, noise):
    # The scale ends at 4.64. Of 150 seeds the median is 1.04 and the highest, where the noise pauses long, 1.48.
    assert 1.0 < pesq_score(speech, speech + 30 * noise) < 1.7


def test_estoi_of_a_copy_is_one_and_of_noise_about_none(speech, noise):
    assert estoi(speech, speech) == pytest.approx(1.0)
    assert abs(estoi(speech, noise)) < 0.25
