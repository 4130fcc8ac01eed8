# SPDX-License-Identifier: Apache-2.0
"""The distance of the integers from the mathematics that they stand for."""

import zlib
from dataclasses import replace
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.model.mel_bands import quantised_mel
from blsh_codegen.pipeline.reference import analyse, fft, real_samples, real_spectrum
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.constants import (
    RADICES,
    digit_reversed,
    mask_shift,
    round_trip_shift,
    sine_q14,
    spectrum_shift,
    synthesis_q14,
    window_q14,
)
from blsh_trainer.signals.features import features, l2_normalise, mel_filters
from blsh_trainer.signals.geometry import RECORDER, WINDOWS, Geometry
from blsh_trainer.signals.spectra import analysis_window, stft, synthesis_window

from .conftest import ALL_GEOMETRIES, random_model

MEL_CRC32 = {128: 0xA6A1B2F5, 64: 0x2260D26A}
"""CRC-32 of first bins, counts and weights of our filters, for each number of bands."""


def snr_db(reference: npt.NDArray[np.float64], actual: npt.NDArray[np.float64]) -> float:
    error = np.sum((np.asarray(reference) - np.asarray(actual)) ** 2)
    return float(np.inf if error == 0 else 10 * np.log10(np.sum(np.asarray(reference) ** 2) / error))


def voiced(rng: np.random.Generator, samples: int) -> npt.NDArray[np.float64]:
    """Return pulses through resonances that swell and pause, peak 1: the dynamics of speech without a recording."""
    pulses = np.zeros(samples)
    pulses[np.cumsum(rng.integers(80, 180, samples // 80)).clip(max=samples - 1)] = 1
    shape = np.zeros(400)
    n = np.arange(400)
    for hz, width in ((600, 90), (1300, 120), (2600, 200), (3600, 300)):
        shape += np.exp(-np.pi * width * n / 16000) * np.sin(2 * np.pi * hz * n / 16000)
    speech = np.convolve(pulses, shape)[:samples] * np.abs(np.sin(np.arange(samples) * 0.0004)) ** 3
    return speech / np.abs(speech).max()


@pytest.mark.parametrize("points", RADICES)
def test_digit_reversal_is_its_own_inverse(points: int) -> None:
    reversed_ = [digit_reversed(i, points) for i in range(points)]
    assert sorted(reversed_) == list(range(points))
    assert [reversed_[i] for i in reversed_] == list(range(points))


@pytest.mark.parametrize("points", RADICES)
def test_complex_transform_is_the_dft(rng: np.random.Generator, points: int) -> None:
    z = rng.integers(-(2**28), 2**28, (points, 2))
    got = np.array(fft([(int(re), int(im)) for re, im in z]))
    expected = np.fft.fft(z[:, 0] + 1j * z[:, 1]) / 2 ** (spectrum_shift(2 * points) - 1)
    assert snr_db(np.abs(expected), np.abs(expected) - np.abs(expected - (got[:, 0] + 1j * got[:, 1]))) > 80


def unmasked(bins: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return bins behind gains of 1, which divide by 4."""
    raised = mask_shift(2 * (len(bins) - 1))
    return [(re << raised >> 2, im << raised >> 2) for re, im in bins]


def of_window(window: int) -> list[Geometry]:
    """Return geometries with this window that have each shape of window: symmetric or not."""
    return [Geometry(16_000, window, 64, synthesis) for synthesis in (window, window // 2)]


@pytest.mark.parametrize("level_dbfs", [0, -20, -40, -60])
@pytest.mark.parametrize("geometry", [each for window in WINDOWS for each in of_window(window)], ids=str)
def test_both_transforms_are_accurate_at_every_level(
    rng: np.random.Generator, geometry: Geometry, level_dbfs: int
) -> None:
    """The worst frame of noisy speech, against numpy's transforms of the same samples and of the same bins."""
    size, forward, both = geometry.window, spectrum_shift(geometry.window), round_trip_shift(geometry.window)
    noisy = voiced(rng, 1024 * 8) + rng.normal(0, 0.05, 1024 * 8)
    speech = np.round(noisy / np.abs(noisy).max() * 32767 * 10 ** (level_dbfs / 20))
    table = window_q14(geometry).tolist()
    window = window_q14(geometry) / 2.0**14  # as rounded: its rounding is not the transform's error
    for frame in speech.reshape(-1, size):
        if np.abs(frame * window).max() < 2**-4:
            continue  # silence, or a step at the very edge of the frame, of which nothing reaches an output sample
        shift, windowed = analyse([int(x) for x in frame], table)
        bins = real_spectrum(windowed)
        spectrum = np.array(bins) @ (1, 1j)
        exact = np.fft.rfft(frame * window)
        error = np.abs(exact - spectrum / 2.0 ** (shift + 14 - forward))
        assert 10 * np.log10(np.sum(np.abs(exact) ** 2) / np.sum(error**2)) > 80
        samples = np.array(real_samples(unmasked(bins)))
        assert snr_db(np.fft.irfft(spectrum) / 2.0 ** (both + 2 - forward), samples) > 65


@pytest.mark.parametrize("window", WINDOWS)
def test_transforms_in_turn_scale_by_a_power_of_two(rng: np.random.Generator, window: int) -> None:
    samples = [int(x) for x in rng.integers(-(2**28), 2**28, window)]
    back = real_samples(unmasked(real_spectrum(samples)))
    assert snr_db(np.array(samples) / 2.0 ** (round_trip_shift(window) + 2), np.array(back)) > 65


@pytest.mark.parametrize(
    ("geometry", "level_dbfs"), [*((each, -6) for each in ALL_GEOMETRIES), (RECORDER, -26), (RECORDER, -46)], ids=str
)
def test_all_ones_mask_returns_the_input(rng: np.random.Generator, geometry: Geometry, level_dbfs: int) -> None:
    model = random_model(rng, entries=20, geometry=geometry)
    model = replace(model, masks=np.full_like(model.masks, 0xFFFFFFFF))
    exact = voiced(rng, 20_000) * 32768 * 10 ** (level_dbfs / 20)
    rounded = np.clip(np.floor(exact + 0.5), -32768, 32767).astype(np.int16)
    output = VectorisedDenoiser(model).denoise(rounded)
    assert len(output) == len(rounded)
    through, rounding_alone = snr_db(exact, output), snr_db(exact, rounded)
    print(f"{geometry}, {level_dbfs} dBFS: {through:.1f} dB, rounding alone {rounding_alone:.1f} dB")
    if level_dbfs == -6:
        assert through >= 60
    assert through >= rounding_alone - 3


def test_all_zeros_mask_returns_silence(rng: np.random.Generator) -> None:
    model = random_model(rng, entries=20)
    model = replace(model, masks=np.zeros_like(model.masks))
    assert not VectorisedDenoiser(model).denoise(rng.integers(-9999, 9999, 5000).astype(np.int16)).any()


def test_tables_are_nearest_to_what_they_stand_for() -> None:
    for geometry in ALL_GEOMETRIES:
        assert np.abs(window_q14(geometry) / 2**14 - analysis_window(geometry)).max() <= 2**-15
        assert np.abs(synthesis_q14(geometry) / 2**14 - synthesis_window(geometry)).max() <= 2**-15
    assert np.abs(sine_q14() / 2**14 - np.sin(2 * np.pi * np.arange(1024) / 1024)).max() <= 2**-15
    for bands, geometry in product((128, 64), ALL_GEOMETRIES):
        mel, exact = quantised_mel(bands, geometry).dense(geometry.bins), mel_filters(bands, geometry)
        assert mel.sum(axis=1).max() <= 65_536
        assert mel.max() <= 32_767
        scale = mel.sum() / exact.sum()
        assert np.abs(mel - exact * scale).max() < 1


@pytest.mark.parametrize("bands", MEL_CRC32)
def test_mel_table_is_the_same_with_every_numpy(bands: int) -> None:
    """requirements.lock pins other libraries for newer Pythons: models must not depend on them."""
    mel = quantised_mel(bands)
    digest = zlib.crc32(mel.first.tobytes() + mel.counts.tobytes() + mel.weights_q16.tobytes())
    assert digest == MEL_CRC32[bands]


@pytest.mark.parametrize("level_dbfs", [-6, -36, -66])
def test_tracked_features_are_those_of_the_floats(rng: np.random.Generator, level_dbfs: int) -> None:
    """After speech comes a minute of noise of one step of the input; floors must still move, at 1/128."""
    size = 32768 * 10 ** (level_dbfs / 20)
    sounds = np.concatenate([voiced(rng, 256 * 300) * size, np.zeros(256 * 3700)])
    noise = np.concatenate([np.full(256 * 300, 0.02 * size), np.linspace(2, 0.7, 256 * 3700)])
    samples = np.clip(np.round(sounds + rng.normal(0, 1, len(sounds)) * noise), -32768, 32767).astype(np.int16)
    parts = VectorisedDenoiser(random_model(rng, "tracked", entries=20)).chunks(samples)
    found = l2_normalise(np.concatenate([part.features for part in parts]))
    exact = l2_normalise(features(stft(samples / 32768), "tracked"))[: len(found)]
    error = np.linalg.norm(found - exact, axis=1)
    print(f"{level_dbfs} dBFS: at most {error.max():.1e}, at the end {error[-1]:.1e}")
    assert error.max() < 1.2e-3  # a modulus is within 0.43 %


@pytest.mark.parametrize("smoothing", [1, 8, 15])
def test_smoothed_masks_are_those_of_the_floats(rng: np.random.Generator, smoothing: int) -> None:
    model = random_model(rng, "tracked", neighbours=3, masks="bands", smoothing=smoothing, floor=32)
    stages = VectorisedDenoiser(model).stages(rng.integers(-9999, 9999, 256 * 80).astype(np.int16))
    kept, before = smoothing / 16, None
    for t in range(80):
        mean = model.mask_levels()[stages.neighbours[t, 0::2]].mean(axis=0) / 15
        mean = np.maximum(mean, 0.125)
        before = mean if before is None else kept * before + (1 - kept) * mean
        exact = np.repeat(before, np.diff(model.mask_kind.edges))
        assert np.abs(stages.mask[t] / 2**14 - exact).max() < 2**-10  # the rounding of 16 frames adds up
