# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.signals.features import (
    FEATURE_KINDS,
    FeatureExtractor,
    features,
    find_feature_kind,
    l2_normalise,
    mel_filters,
)
from blsh_trainer.signals.geometry import RECORDER
from blsh_trainer.signals.spectra import (
    BINS,
    HISTORY,
    HOP,
    WINDOW,
    analysis_window,
    filter_frames,
    istft,
    stft,
)


@pytest.mark.parametrize("samples", [0, 1, 255, 256, 257, 1024, 5000, 16_000])
def test_stft_is_undone_exactly(samples):
    x = np.random.default_rng(samples).standard_normal(samples)
    X = stft(x)
    assert X.shape == (RECORDER.hops_of(samples), BINS)
    assert RECORDER.hops_of(samples) == int(np.ceil((samples + 768) / 256))
    np.testing.assert_allclose(istft(X, samples), x, atol=1e-12)


@pytest.mark.parametrize("samples", [0, 1, 1024, 1023 * HOP, 1024 * HOP - 767, 2048 * HOP - 768, 2100 * HOP + 5])
def test_frames_are_changed_block_by_block_as_in_one(samples):
    x = np.random.default_rng(samples).standard_normal(samples)
    seen = []

    def change(X):
        seen.append(X)
        return X * np.abs(X)

    X = stft(x)
    np.testing.assert_allclose(filter_frames(x, change), istft(X * np.abs(X), samples), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(np.concatenate(seen), X)
    assert max(map(len, seen)) <= 1024


def test_frame_t_is_what_the_device_holds_after_hop_t():
    x = np.random.default_rng(1).standard_normal(4 * HOP)
    X = stft(x)
    history = np.zeros(WINDOW)
    for t in range(4):
        history = np.concatenate([history[HOP:], x[t * HOP : (t + 1) * HOP]])
        np.testing.assert_allclose(X[t], np.fft.rfft(history * analysis_window()), atol=1e-12)


def test_every_sample_lies_in_four_frames():
    for at in (0, 700, 1999):
        x = np.zeros(2000)
        x[at] = 1.0
        # The window is zero at its first sample, so a frame that begins there would not show.
        frames = [t for t in range(RECORDER.hops_of(2000)) if HOP * t - HISTORY <= at < HOP * t + HOP]
        assert len(frames) == 4
        assert set(np.flatnonzero(np.abs(stft(x)).max(axis=1) > 0)) <= set(frames)


def test_analysis_window_is_periodic_and_its_squares_sum_to_a_constant():
    window = analysis_window()
    assert window[0] == 0.0 and window[WINDOW // 2] == 1.0
    np.testing.assert_allclose((window.reshape(4, HOP) ** 2).sum(axis=0), 1.5)


def test_mel_filters_cover_the_spectrum():
    for bands in (128, 64):
        filters = mel_filters(bands)
        assert filters.shape == (bands, 513) and filters.dtype == np.float64
        assert (filters >= 0).all() and (filters.max(axis=1) > 0).all()


@pytest.mark.parametrize("bands", [1, 64, 128, 300])
def test_mel_filters_are_librosa_s(bands):
    librosa = pytest.importorskip("librosa")
    theirs = librosa.filters.mel(sr=16_000, n_fft=WINDOW, n_mels=bands, dtype=np.float64)
    np.testing.assert_allclose(mel_filters(bands), theirs, rtol=1e-12)
    if librosa.__version__.startswith("0.11."):  # which models were trained with
        assert mel_filters(bands).tobytes() == theirs.tobytes()


def test_features_have_their_width_and_kind():
    X = stft(np.random.default_rng(2).standard_normal(3000))
    np.testing.assert_array_equal(features(X, "stft"), np.abs(X))
    np.testing.assert_allclose(features(X, "mel"), np.abs(X) @ mel_filters().T)
    assert [find_feature_kind(kind).count() for kind in ("stft", "mel", "tracked")] == [513, 128, 128]


def test_tracked_features_are_roots_of_mel_and_their_floors():
    level = np.concatenate([np.linspace(0, 3, 20), np.linspace(3, 1, 15), np.full(100, 4.0), [0.5, 9.0]])
    X = level[:, None] * np.random.default_rng(5).normal(size=(1, 513))
    found = features(X, "tracked")
    np.testing.assert_allclose(found[:, :64], np.sqrt(np.abs(X) @ mel_filters(64).T))
    floors = np.empty(len(level))  # band 7, in scalars
    for t, c in enumerate(found[:, 7]):
        s = c if t == 0 else floors[t - 1]
        floors[t] = s + (c - s) / (128 if c >= s and t >= 32 else 4)
    np.testing.assert_allclose(found[:, 64 + 7], floors)


@pytest.mark.parametrize("kind", FEATURE_KINDS)
def test_features_of_blocks_are_those_of_the_whole(kind):
    X = np.random.default_rng(6).normal(size=(90, 513))
    extract = FeatureExtractor(FEATURE_KINDS[kind])
    parts = [extract(part) for part in np.split(X, [1, 1, 30, 33, 70])]
    # features are as large as 3000, and some are differences of such numbers
    np.testing.assert_allclose(np.concatenate(parts), features(X, kind), rtol=1e-12, atol=1e-11)


def test_tracked_features_of_silence_are_zeros():
    assert not features(np.zeros((3, 513)), "tracked").any()


@pytest.mark.parametrize("call", [lambda: find_feature_kind("mfcc"), lambda: features(np.zeros((2, 513)), "mfcc")])
def test_unknown_feature_kind_is_refused(call):
    with pytest.raises(BlshError, match=r"'mfcc' is unknown.*stft, mel, tracked"):
        call()


def test_normalising_keeps_zero_rows():
    H = l2_normalise(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(H, [[0.6, 0.8], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((2, 100)), "one channel"),
        (np.array([0.0, np.nan]), "nan at sample 1"),
        (np.array([0.0, 1.0, -np.inf]), "-inf at sample 2"),
        (np.array([1j]), "real samples"),
    ],
)
def test_bad_signals_are_refused(x, words):
    with pytest.raises(BlshError, match=words):
        stft(x)


def test_bad_spectra_are_refused():
    with pytest.raises(BlshError, match=r"expected \(frames, 513\)"):
        istft(np.zeros((4, 512)), 256)
    with pytest.raises(BlshError, match="cannot be turned into 9999 samples"):
        istft(np.zeros((4, 513)), 9999)
