# SPDX-License-Identifier: Apache-2.0
"""The transforms alone: the C core against the scalar reference, the vectorised twin and numpy, at their bounds."""

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.host_core import HOST_VARIANTS, compile_core
from blsh_codegen.pipeline import reference
from blsh_codegen.pipeline import vectorised_transform as vectorised
from blsh_codegen.spec.constants import (
    mask_shift,
    mul_q16,
    round_trip_shift,
    sine_q14,
    spectrum_shift,
    split_turns_q14,
    stage_turns_q14,
    turns_q14,
)
from blsh_trainer.signals.geometry import WINDOWS

from .compilers import UNDEFINED

Ints = npt.NDArray[np.int64]

PEAK = 1 << 28  # bits of the frames that are transformed: SPEC.md, 4.1


def bin_peak(size: int) -> int:
    """Return the bits of a bin: SPEC.md, 4.3."""
    return size * PEAK >> spectrum_shift(size)


class CTransforms:
    """blsh_fft.c on this machine."""

    def __init__(self, flags: tuple[str, ...]) -> None:
        self._library = ctypes.CDLL(str(compile_core(flags)))

    def spectrum(self, samples: Ints) -> Ints:
        """Return the bins (N / 2 + 1, 2) of N samples."""
        values = np.concatenate([samples, [123, -456]]).astype(np.int32)  # the values behind must not matter
        self._library.blsh_forward_fft(values.ctypes.data_as(ctypes.c_void_p), len(samples) // 2)
        found: Ints = values.astype(np.int64).reshape(-1, 2)
        return found

    def samples(self, bins: Ints, gains: npt.NDArray[np.int16]) -> Ints:
        """Return the N samples of bins (N / 2 + 1, 2) times gains."""
        values, points = bins.astype(np.int32), len(bins) - 1
        pointers = (array.ctypes.data_as(ctypes.c_void_p) for array in (values, gains))
        self._library.blsh_inverse_fft(*pointers, points)
        found: Ints = values.reshape(-1)[: 2 * points].astype(np.int64)
        return found


@pytest.fixture(scope="module", params=HOST_VARIANTS)
def core(request: pytest.FixtureRequest) -> CTransforms:
    return CTransforms(HOST_VARIANTS[request.param])


def hard_signals(rng: np.random.Generator, size: int) -> Iterator[tuple[str, Ints]]:
    """Return frames that make the transform grow as far as it can, or not at all.

    As behind a window, the first sample is 0 and the second at most half of the peak: with 512 samples more would leave
    32 bits.
    """
    for name, samples in _unwindowed(rng, size):
        samples[:2] = 0, samples[1] // 2
        yield name, samples


def _unwindowed(rng: np.random.Generator, size: int) -> Iterator[tuple[str, Ints]]:
    n = np.arange(size)
    yield "noise", rng.integers(-PEAK, PEAK + 1, size)
    yield "small noise", rng.integers(-3, 4, size)
    yield "random signs", rng.choice([-PEAK, PEAK], size)
    yield "silence", np.zeros(size, np.int64)
    for level in (-PEAK, PEAK, -1):
        yield f"constant {level}", np.full(size, level)
    for period in (2, 4, 8, 32, 128, size // 2):
        yield f"square wave, period {period}", np.where(n % period < period // 2, PEAK, -PEAK)
        yield f"square wave, period {period}, from -1", np.where(n % period < period // 2, -PEAK, PEAK - 1)
    for at in (1, 2, size // 2 - 1, size - 1):
        yield f"impulse at {at}", np.where(n == at, -PEAK, 0)
    for bin_ in rng.integers(1, size // 2, 6):  # all terms of one bin with the same sign
        phase = 2 * np.pi * (bin_ * n / size + rng.random())
        yield f"signs of bin {bin_}", np.where(np.cos(phase) < 0, -PEAK, PEAK)


def hard_bins(rng: np.random.Generator, size: int) -> Iterator[tuple[str, Ints]]:
    """Return spectra of the largest modulus a bin can have, in and out of phase."""

    def turned(phase: npt.NDArray[np.floating[Any]]) -> Ints:
        bins: Ints = np.trunc(bin_peak(size) * np.stack([np.cos(phase), np.sin(phase)], axis=1)).astype(np.int64)
        return bins

    k, count = np.arange(size // 2 + 1), size // 2 + 1
    yield "random phases", turned(2 * np.pi * rng.random(count))
    for delay in (0, 1, size // 4, size // 2 - 1, size // 2):
        yield f"an impulse at {delay}", turned(2 * np.pi * k * delay / size + np.pi / 4)
    yield "random signs", turned(np.pi / 4 + np.pi / 2 * rng.integers(0, 4, count))
    yield "small", rng.integers(-4, 5, (count, 2))
    yield "silence", np.zeros((count, 2), np.int64)


def hard_gains(rng: np.random.Generator, size: int) -> Iterator[npt.NDArray[np.int16]]:
    count = size // 2 + 1
    yield np.full(count, 1 << 14, np.int16)
    yield rng.choice([0, 1 << 14], count).astype(np.int16)
    yield rng.integers(0, (1 << 14) + 1, count).astype(np.int16)


def expected_samples(bins: Ints, gains: npt.NDArray[np.int16]) -> Ints:
    raised = mask_shift(2 * (len(bins) - 1))
    masked = [
        (mul_q16(int(re) << raised, int(g)), mul_q16(int(im) << raised, int(g)))
        for (re, im), g in zip(bins, gains, strict=True)
    ]
    return np.array(reference.real_samples(masked))


def assert_equal(expected: Ints, found: Ints, where: str) -> None:
    different = np.flatnonzero(expected.reshape(-1) != found.reshape(-1))
    if len(different):
        at = int(different[0])
        pytest.fail(f"{where}[{at}]: expected {expected.reshape(-1)[at]}, got {found.reshape(-1)[at]}")


@pytest.mark.parametrize("size", WINDOWS)
def test_spectra_agree(rng: np.random.Generator, core: CTransforms, size: int) -> None:
    for name, samples in hard_signals(rng, size):
        expected = np.array(reference.real_spectrum([int(value) for value in samples]))
        assert_equal(expected, core.spectrum(samples), f"C core, {name}")
        twin = np.stack(vectorised.real_spectrum(samples[np.newaxis]), axis=-1)[0]
        assert_equal(expected, twin, f"vectorised, {name}")


@pytest.mark.parametrize("size", WINDOWS)
def test_samples_agree(rng: np.random.Generator, core: CTransforms, size: int) -> None:
    for name, bins in hard_bins(rng, size):
        for gains in hard_gains(rng, size):
            expected = expected_samples(bins, gains)
            assert_equal(expected, core.samples(bins, gains), f"C core, {name}")
            masked = (bins << mask_shift(size)) * gains[:, np.newaxis].astype(np.int64) >> 16
            twin = vectorised.real_samples(masked[np.newaxis, :, 0], masked[np.newaxis, :, 1])[0]
            assert_equal(expected, twin, f"vectorised, {name}")


@pytest.mark.parametrize("variant", HOST_VARIANTS)
def test_nothing_overflows_at_the_bounds(
    rng: np.random.Generator, variant: str, capfd: pytest.CaptureFixture[str]
) -> None:
    core = CTransforms((*UNDEFINED, *HOST_VARIANTS[variant]))
    for size in WINDOWS:
        for _, samples in hard_signals(rng, size):
            core.spectrum(samples)
        for _, bins in hard_bins(rng, size):
            for gains in hard_gains(rng, size):
                core.samples(bins, gains)
    assert "runtime error" not in capfd.readouterr().err


@pytest.mark.parametrize("size", WINDOWS)
def test_bins_and_samples_stay_inside_the_bounds(rng: np.random.Generator, size: int) -> None:
    """SPEC.md, 7: the twiddles' own rounding adds less than 2**-11 to what floats would give."""
    highest = np.sqrt(size) * PEAK / 2 ** (round_trip_shift(size) + 2)
    for name, samples in hard_signals(rng, size):
        re, im = vectorised.real_spectrum(samples[np.newaxis])
        assert np.hypot(re, im).max() <= bin_peak(size) * (1 + 2**-11) + 64, name
        gained = (part << mask_shift(size) >> 2 for part in (re, im))  # as a gain of 1 does
        assert np.abs(vectorised.real_samples(*gained)).max() <= highest * (1 + 2**-10) + 256, name


@pytest.mark.parametrize("size", WINDOWS)
def test_floors_leave_less_than_64_of_an_offset(rng: np.random.Generator, size: int) -> None:
    """What the stages' floors add up to, on spectra too small for the twiddles' rounding to show."""
    samples = rng.integers(-(2**11), 2**11, (40, size))
    re, im = vectorised.real_spectrum(samples)
    exact = np.fft.rfft(samples) / 2 ** spectrum_shift(size)
    assert np.abs(re + 1j * im - exact).max() < 64


def test_turns_are_the_sines_of_the_reference() -> None:
    sine = sine_q14()
    for turns, indices in (
        (stage_turns_q14(), [[2 * k, 4 * k, 6 * k] for k in range(128)]),
        (split_turns_q14(), range(256)),
    ):
        at = np.array(indices)
        assert np.array_equal((turns & 0xFFFF).astype(np.uint16).view(np.int16), sine[(at + 256) % 1024])
        assert np.array_equal((turns >> 16).astype(np.uint16).view(np.int16), sine[at % 1024])
    assert turns_q14(np.array([0, 256]))[:2].tolist() == [0x0000_4000, 0x4000_0000]
