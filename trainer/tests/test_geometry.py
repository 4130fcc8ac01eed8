# SPDX-License-Identifier: Apache-2.0
from itertools import product

import numpy as np
import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.signals.features import FEATURE_KINDS, FeatureExtractor, features, features_of_ticks, mel_filters
from blsh_trainer.signals.geometry import (
    CLASSES,
    RATES_HZ,
    RECORDER,
    WINDOWS,
    Geometry,
    class_of_latency,
    parse_geometry,
)
from blsh_trainer.signals.masks import band_edges, find_mask_kind
from blsh_trainer.signals.spectra import (
    analysis_window,
    filter_frames,
    istft,
    overlap_gain,
    stft,
    synthesis_window,
)


def _legal(numbers: tuple[int, int, int, int]) -> bool:
    try:
        Geometry(*numbers)
    except BlshError:
        return False
    return True


ALL = [
    Geometry(*numbers)
    for numbers in product(RATES_HZ, WINDOWS, (32, 64, 96, 128, 256, 512), (64, 128, 256, 384, 512, 1024))
    if _legal(numbers)
]
SHORT = Geometry(16_000, 512, 64, 128)


def test_there_are_33_geometries_and_each_class_is_one():
    assert len(ALL) == 33
    assert set(CLASSES.values()) <= set(ALL)
    latencies = {name: 1000 * each.latency_s for name, each in CLASSES.items()}
    assert latencies == {"recorder": 64, "intercom": 32, "headset": 16, "hearing": 8, "phone": 32}


@pytest.mark.parametrize("geometry", ALL, ids=str)
def test_spectra_give_the_signal_back(geometry):
    x = np.random.default_rng(geometry.window).standard_normal(5_000)
    X = stft(x, geometry)
    assert X.shape == (geometry.hops_of(5_000), geometry.bins)
    np.testing.assert_allclose(istft(X, x.size, geometry), x, atol=1e-12)
    np.testing.assert_allclose(filter_frames(x, lambda spectra: spectra, geometry), x, atol=1e-12)
    frame = np.concatenate([np.zeros(geometry.history), x])[: geometry.window]
    np.testing.assert_allclose(X[0], np.fft.rfft(frame * analysis_window(geometry)), atol=1e-12)


@pytest.mark.parametrize("geometry", ALL, ids=str)
def test_both_windows_are_at_most_1_and_reconstruct(geometry):
    analysis, synthesis = analysis_window(geometry), synthesis_window(geometry)
    assert (analysis.shape, synthesis.shape) == ((geometry.window,), (geometry.synthesis,))
    assert min(analysis.min(), synthesis.min()) >= 0 and max(analysis.max(), synthesis.max()) <= 1
    products = (analysis[-geometry.synthesis :] * synthesis).reshape(-1, geometry.hop)
    np.testing.assert_allclose(products.sum(axis=0), overlap_gain(geometry), atol=1e-12)
    peak = geometry.window - geometry.synthesis // 2
    assert (np.diff(analysis[: peak + 1]) > 0).all() and (np.diff(analysis[peak:]) < 0).all()


def test_the_paper_has_hann_windows_and_short_ones_that_fall_in_half_of_the_synthesis():
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    np.testing.assert_array_equal(analysis_window(RECORDER), hann)
    asymmetric = Geometry(16_000, 1024, 128, 256)
    np.testing.assert_allclose(analysis_window(asymmetric)[-128:], np.cos(np.pi * np.arange(128) / 256), atol=1e-12)


@pytest.mark.parametrize("geometry", ALL, ids=str)
def test_bands_cover_all_bins_and_single_bins_reach_500_hz(geometry):
    edges = band_edges(geometry)
    assert len(edges) - 1 == geometry.bands == {1024: 80, 512: 64, 256: 48}[geometry.window]
    assert edges[0] == 0 and edges[-1] == geometry.bins and (np.diff(edges) > 0).all()
    singles = next(band for band, width in enumerate(np.diff(edges)) if width > 1)
    assert singles * geometry.rate_hz / geometry.window >= 500 * (1 - 1e-9)
    assert find_mask_kind("bands", geometry).width == geometry.bands
    assert find_mask_kind("ibm", geometry).width == geometry.bins


@pytest.mark.parametrize("geometry", ALL, ids=str)
def test_mel_filters_end_at_half_of_the_rate(geometry):
    filters = mel_filters(64, geometry)
    assert filters.shape == (64, geometry.bins)
    assert filters.any(axis=1).all(), "each of 64 bands holds a bin"
    centre_hz = (filters[-1].argmax()) * geometry.rate_hz / geometry.window
    assert 0.9 * geometry.rate_hz / 2 < centre_hz < geometry.rate_hz / 2


@pytest.mark.parametrize("kind", ["tracked", "memory"])
def test_statistics_move_once_in_16_ms(kind):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((400, SHORT.bins)) + 1j * rng.standard_normal((400, SHORT.bins))
    found = features(X, kind, SHORT)
    slow = features(X[::4], kind, Geometry(16_000, 512, 256, 512))
    np.testing.assert_allclose(found[::4], slow, rtol=1e-12, atol=1e-9)
    np.testing.assert_array_equal(features_of_ticks(X[::4], kind, SHORT), found[::4])
    assert (SHORT.hops_per_tick, RECORDER.hops_per_tick) == (4, 1)
    held = slice(64, 128) if kind == "tracked" else slice(192, 256)
    np.testing.assert_array_equal(found[1:4, held], np.repeat(found[:1, held], 3, axis=0))


def test_features_in_blocks_are_those_of_the_whole():
    X = stft(np.random.default_rng(6).standard_normal(3_000), SHORT)
    extractor = FeatureExtractor(FEATURE_KINDS["memory"], SHORT)
    parts = [extractor(X[:7]), extractor(X[7:9]), extractor(X[9:])]
    np.testing.assert_allclose(np.concatenate(parts), features(X, "memory", SHORT), atol=1e-9)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((44_100, 1024, 256, 1024), "rate of 44100 Hz is not offered; choose one of 8000, 16000"),
        ((16_000, 1000, 256, 1024), "window of 1000 samples is not offered; choose one of 256, 512, 1024"),
        ((16_000, 512, 100, 256), "hop of 100 samples does not divide a window of 512 at 16000 Hz .* 64, 128, 256"),
        ((8_000, 512, 256, 512), "at most 16 ms; choose one of 64, 128"),
        ((16_000, 512, 128, 128), "synthesis of 128 samples does not reconstruct .* choose one of 256, 512"),
        ((16_000, 512, 128, 1024), "synthesis of 1024 .* choose one of 256, 512"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(numbers, words):
    with pytest.raises(BlshError, match=words):
        Geometry(*numbers)


def test_a_geometry_is_found_by_name_numbers_and_latency():
    assert parse_geometry("headset") == CLASSES["headset"]
    assert parse_geometry(str(SHORT)) == SHORT
    assert class_of_latency(8.0) == CLASSES["hearing"]
    assert class_of_latency(32.0, 8_000) == CLASSES["phone"]
    for text in ("16000/512", "laptop", "16000/512/a/b"):
        with pytest.raises(BlshError, match=r"give RATE/WINDOW/HOP/SYNTHESIS .* or one of recorder, intercom"):
            parse_geometry(text)
    with pytest.raises(BlshError, match=r"latency of 20 ms at 16000 Hz; choose 64 ms \(recorder\), 32 ms"):
        class_of_latency(20.0)
    with pytest.raises(BlshError, match="choose a rate of 8000, 16000 Hz"):
        class_of_latency(32.0, 44_100)
