# SPDX-License-Identifier: Apache-2.0
"""Measure how close the firmware's transforms come to double precision, at every level of speech."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from blsh_codegen.pipeline.reference import analyse
from blsh_codegen.pipeline.vectorised_transform import real_samples, real_spectrum
from blsh_codegen.spec.constants import mask_shift, round_trip_shift, spectrum_shift, window_q14
from blsh_trainer.signals.geometry import Geometry

LEVELS_DBFS = (0, -10, -20, -30, -40, -50, -60)
_LEAST_PEAK = 2.0**-4  # the least peak of a windowed frame, in input steps; a quieter frame changes no output

Floats = npt.NDArray[np.float64]


def transform_snrs(
    speech: Floats, geometry: Geometry, levels: Sequence[int] = LEVELS_DBFS
) -> dict[int, tuple[float, float]]:
    """Return the SNR in dB of the worst frame, forward and inverse, by level. speech: (n,), with a peak of 1.

    The exact values are NumPy's transforms, in doubles, of the same integers: forward of the rounded, windowed samples,
    inverse of the integer spectrum with a gain of 1. The firmware's bits are those of codegen's `vectorised`.
    """
    return {level: _snrs(np.round(speech * 32767 * 10 ** (level / 20)), geometry) for level in levels}


def _snrs(samples: Floats, geometry: Geometry) -> tuple[float, float]:
    table = window_q14(geometry)
    window = table / 2.0**14  # the rounded window: its error is no error of the transform
    size = geometry.window
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    frames = frames[np.abs(frames * window).max(axis=1) >= _LEAST_PEAK]
    weights = table.tolist()
    shifts, windowed = zip(*(analyse([int(x) for x in frame], weights) for frame in frames), strict=True)
    re, im = real_spectrum(np.array(windowed, np.int64))
    scale = 2.0 ** (np.array(shifts)[:, None] + 14 - spectrum_shift(size))
    forward = _worst(np.fft.rfft(frames * window), (re + 1j * im) / scale)
    raised = mask_shift(size)
    back = real_samples(re << raised >> 2, im << raised >> 2)  # a gain of 1 divides by 4, too
    exact = np.fft.irfft(re + 1j * im) * 2.0 ** (spectrum_shift(size) - round_trip_shift(size) - 2)
    return forward, _worst(exact, back.astype(np.float64))


def _worst(exact: npt.NDArray[np.inexact], found: npt.NDArray[np.inexact]) -> float:
    signal, error = (np.sum(np.abs(values) ** 2, axis=1) for values in (exact, exact - found))
    return float(np.min(10 * np.log10(signal / np.maximum(error, np.finfo(float).tiny))))
