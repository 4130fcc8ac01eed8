# SPDX-License-Identifier: Apache-2.0
"""PDM to PCM, examples/audio/pdm.c: every bit against a model of its filters, and what these filters do to sound."""

import ctypes
import re
import subprocess
from typing import Any

import numpy as np
import pytest

from .pdm_model import ORDER, RATE, SOURCES, TAPS, TAPS_TOOL, as_words, cic_taps, model, modulated, tone

pytestmark = [pytest.mark.heavy, pytest.mark.needs("gcc"), pytest.mark.xdist_group("pdm")]

RATIOS = (64, 128)
PASS = (50, 7000)  # Hz
FLAT_DB, FOLDED_DB = 0.2, -61  # as pdm.h says
LEAST_SNR_DB = {64: 69, 128: 85}  # of a second-order modulator's sine at half of full scale
ROUNDING_DB = 92  # SNR of that sine when it is rounded to 16 bits: 6.02 * 16 + 1.76 - 6
MOST_LOSS_DB = 0.5  # of SNR, beside that rounding and the noise that the modulator itself leaves below 7 kHz
DELAY = 16  # PDM_DELAY_SAMPLES


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Compile pdm.c, with a trap for behaviour that C leaves undefined."""
    path = tmp_path_factory.mktemp("pdm") / "pdm.so"
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-fsanitize=undefined"]
    flags += ["-fsanitize-undefined-trap-on-error", "-shared", "-fPIC"]
    done = subprocess.run(["gcc", *flags, str(SOURCES / "pdm.c"), "-o", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = ctypes.CDLL(str(path))
    loaded.pdm_init.restype = ctypes.c_bool
    return loaded


def decimated(library: ctypes.CDLL, bits: np.ndarray, ratio: int, gain: int = 0, pieces: Any = ()) -> np.ndarray:
    """Return the samples that pdm.c makes, called for `pieces` of so many samples and then for the rest."""
    state = ctypes.create_string_buffer(4096)
    assert library.pdm_init(state, ratio, gain)
    words = as_words(bits)
    samples = np.zeros(len(bits) // ratio, np.int16)
    done = 0
    for count in (*pieces, len(samples) - int(np.sum(pieces))):
        source, target = words[done * ratio // 16 :], samples[done:]
        library.pdm_decimate(state, source.ctypes.data_as(ctypes.c_void_p), target.ctypes.data_as(ctypes.c_void_p), int(count))  # fmt: skip # noqa: E501
        done += int(count)
    return samples


def response(frequency: np.ndarray, ratio: int) -> np.ndarray:
    """Return the gain of all filters at frequencies of the bits' side, in Hz."""
    angle = 2 * np.pi * np.asarray(frequency, float) / RATE
    cic = np.polyval(cic_taps(ratio)[::-1], np.exp(-1j * angle / ratio)) / (ratio // 4) ** ORDER
    fir = np.polyval(TAPS[::-1], np.exp(-1j * angle / 4)) / 2**16
    high_pass = (1 - np.exp(-1j * angle)) / (1 - np.exp(-1j * angle) * (1 - 2**-8))
    return np.abs(cic * fir * high_pass)


def snr_db(spectrum: np.ndarray, hertz: float, bin_hertz: float) -> float:
    """Return a tone's power over that of all else in the pass band, of a spectrum with a Blackman-Harris window."""
    frequency = np.arange(len(spectrum)) * bin_hertz
    power = np.abs(spectrum) ** 2
    near = np.abs(frequency - hertz) < 5 * bin_hertz
    within = (frequency >= PASS[0]) & (frequency <= PASS[1])
    return 10 * np.log10(power[near].sum() / power[within & ~near].sum())


def spectrum(signal: np.ndarray) -> np.ndarray:
    from scipy.signal.windows import blackmanharris

    return np.fft.rfft(signal * blackmanharris(len(signal)))


def test_the_table_is_the_design() -> None:
    assert (SOURCES / "pdm_taps.h").read_text() == TAPS_TOOL.table()
    assert np.array_equal(TAPS, TAPS[::-1]) and np.abs(TAPS).sum() < 2.04 * 2**16, "the bounds at the head of pdm.c"


@pytest.mark.parametrize("gain", [0, 3, 5])
@pytest.mark.parametrize("ratio", RATIOS)
def test_every_bit_is_the_models(library: ctypes.CDLL, ratio: int, gain: int, rng: np.random.Generator) -> None:
    """Noise, both rails and density of a sine, in one call and in pieces."""
    noise = rng.integers(0, 2, 200 * ratio)
    rails = np.repeat(rng.integers(0, 2, 12), 30 * ratio)
    sine = rng.random(200 * ratio) < 0.5 + 0.45 * tone(440, 200, ratio, 1.0)
    bits = np.concatenate([noise, rails, sine]).astype(np.uint8)
    expected = model(bits, ratio, gain)
    assert np.array_equal(decimated(library, bits, ratio, gain), expected)
    assert np.array_equal(decimated(library, bits, ratio, gain, rng.integers(0, 40, 10)), expected)
    assert {32767, -32768} <= set(expected.tolist()), "nothing saturates"


def test_silence_is_silent_from_the_first_sample(library: ctypes.CDLL) -> None:
    for ratio in RATIOS:
        assert not decimated(library, np.tile([0, 1], 50 * ratio).astype(np.uint8), ratio, 5).any()


def test_other_numbers_are_refused(library: ctypes.CDLL) -> None:
    state = ctypes.create_string_buffer(b"x" * 4096)
    for ratio, gain in ((0, 0), (32, 0), (256, 0), (64, 6)):
        assert not library.pdm_init(state, ratio, gain)
    assert state.raw == b"x" * 4096 + b"\0"


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_pass_band_is_flat_and_nothing_folds_into_it(ratio: int) -> None:
    passed = 20 * np.log10(response(np.arange(PASS[0], PASS[1] + 1, 5), ratio))
    folded = np.arange(RATE // 2, RATE * ratio // 2, 10.0)
    into = np.abs((folded + RATE / 2) % RATE - RATE / 2)
    stopped = 20 * np.log10(response(folded[into <= PASS[1]], ratio).max())
    print(f"ratio {ratio}: pass band {passed.min():+.3f} to {passed.max():+.3f} dB, folded {stopped:.1f} dB")
    assert np.abs(passed).max() <= FLAT_DB
    assert stopped <= FOLDED_DB


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_sine_keeps_the_snr_of_its_modulator(library: ctypes.CDLL, ratio: int, rng: np.random.Generator) -> None:
    samples, hertz = 4096, 1000.0
    bits = modulated(tone(hertz, samples + 256, ratio), rng)
    output = decimated(library, bits, ratio)[256:]
    own = snr_db(spectrum(bits[256 * ratio :] * 2.0 - 1.0), hertz, RATE / samples)
    kept = snr_db(spectrum(output), hertz, RATE / samples)
    print(f"ratio {ratio}: SNR {kept:.1f} dB, of the modulator alone {own:.1f} dB")
    assert kept >= LEAST_SNR_DB[ratio]
    assert kept >= -10 * np.log10(10 ** (-own / 10) + 10 ** (-ROUNDING_DB / 10)) - MOST_LOSS_DB
    assert np.abs(output).max() == pytest.approx(0.5 * 32768, rel=0.01)


@pytest.mark.parametrize("hertz", [9_500, 12_000, 20_000, 57_000])
def test_a_tone_above_the_band_is_not_heard(library: ctypes.CDLL, hertz: int, rng: np.random.Generator) -> None:
    output = decimated(library, modulated(tone(hertz, 2304, 64), rng), 64)[256:]
    power = np.abs(spectrum(output))
    folded = abs((hertz + RATE // 2) % RATE - RATE // 2)
    place = round(folded * 2048 / RATE)
    reference = np.abs(spectrum(tone(1000, 2048, 1) * 32768)).max()
    assert 20 * np.log10(power[place - 4 : place + 5].max() / reference) <= FOLDED_DB + 1


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_delay_is_the_named_one(library: ctypes.CDLL, ratio: int, rng: np.random.Generator) -> None:
    named = re.search(r"#define PDM_DELAY_SAMPLES\s+(\d+)u", (SOURCES / "pdm.h").read_text())
    assert named is not None and int(named[1]) == DELAY
    output = decimated(library, modulated(tone(200, 1024, ratio), rng), ratio)[512:]
    wave = np.exp(2j * np.pi * 200 * np.arange(512, 1024) / RATE)
    lag = -np.angle((output / wave).sum() * 1j) * RATE / (2 * np.pi * 200)
    high_pass_lead = np.angle((1 - np.exp(-2j * np.pi / 80)) / (1 - np.exp(-2j * np.pi / 80) * (1 - 2**-8)))
    assert lag + high_pass_lead * RATE / (2 * np.pi * 200) == pytest.approx(DELAY, abs=0.6)
