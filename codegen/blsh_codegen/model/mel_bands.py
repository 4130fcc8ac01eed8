# SPDX-License-Identifier: Apache-2.0
"""Quantise mel filters, and the origin of the logarithms of what goes through them (SPEC.md, 3 and 5)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from blsh_codegen.spec.constants import LOG_FRACTION_BITS, MAX_MEL_BANDS, MEL_SUM_MAX, spectrum_shift
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.features import MEL_BANDS, MEMORY_ORIGIN, FeatureKind, mel_filters
from blsh_trainer.signals.geometry import RECORDER, Geometry

_INT16_MAX = 32_767


@dataclass(frozen=True)
class MelBands:
    """Mel filters without their zeros.

    first, counts: int16 (B,); band b covers `counts[b]` bins from `first[b]` on; both are 0 where a triangle is so
    narrow that it holds no bin. weights_q16: int16, Q0.16, the weights of all bands, one band after the other.
    """

    first: npt.NDArray[np.int16]
    counts: npt.NDArray[np.int16]
    weights_q16: npt.NDArray[np.int16]

    def bands(self) -> Iterator[tuple[int, npt.NDArray[np.int16]]]:
        """Yield (first bin, weights) of each band."""
        ends = np.cumsum(self.counts, dtype=np.int64)
        for first, count, end in zip(self.first, self.counts, ends, strict=True):
            yield int(first), self.weights_q16[end - count : end]

    def dense(self, bins: int) -> npt.NDArray[np.int64]:
        """Return the filters as a matrix, (bands, bins)."""
        matrix = np.zeros((len(self.first), bins), np.int64)
        for row, (first, weights) in zip(matrix, self.bands(), strict=True):
            row[first : first + len(weights)] = weights
        return matrix


def mel_of(kind: FeatureKind, geometry: Geometry = RECORDER) -> MelBands | None:
    """Return the mel filters that features of this kind need, None where they need none."""
    return None if kind.bands is None else quantised_mel(kind.bands, geometry)


def quantised_mel(bands: int = MEL_BANDS, geometry: Geometry = RECORDER) -> MelBands:
    """Return `bands` mel filters, as librosa makes them, in Q0.16.

    All have one scale, the largest at which each weight fits int16 and the weights of a band sum to at most 1.
    Raises BlshError for more bands than the core takes.
    """
    if not 1 <= bands <= MAX_MEL_BANDS:
        raise BlshError(f"{bands} mel bands; with more than {MAX_MEL_BANDS} the arithmetic could overflow; use fewer")
    quantised, _ = _scaled(bands, geometry)
    spans = [np.flatnonzero(row) for row in quantised]
    return MelBands(
        first=np.array([span[0] if len(span) else 0 for span in spans], np.int16),
        counts=np.array([span[-1] - span[0] + 1 if len(span) else 0 for span in spans], np.int16),
        weights_q16=np.concatenate(
            [row[span[0] : span[-1] + 1] for row, span in zip(quantised, spans, strict=True) if len(span)]
        ).astype(np.int16),
    )


def log_origin_of(kind: FeatureKind, geometry: Geometry) -> int:
    """Return the logarithm, in steps of 1/32 octave, that counts as 0 in features of this kind; 0 without logarithms.

    It is that of MEMORY_ORIGIN at the scale of mel sums: of the filters, of the window, and of the transform.
    """
    if not kind.memory or kind.bands is None:
        return 0
    _, scale = _scaled(kind.bands, geometry)
    octaves = np.log2(scale) + 14 - spectrum_shift(geometry.window) + np.log2(MEMORY_ORIGIN)
    return int(np.floor((1 << LOG_FRACTION_BITS) * octaves + 0.5))


@cache
def _scaled(bands: int, geometry: Geometry) -> tuple[npt.NDArray[np.float64], float]:
    """Return the filters in integers, (bands, bins), and the scale that made them so."""
    filters = mel_filters(bands, geometry)
    scale = float(min(MEL_SUM_MAX / filters.sum(axis=1).max(), _INT16_MAX / filters.max()))
    quantised = np.floor(filters * scale + 0.5)
    while quantised.sum(axis=1).max() > MEL_SUM_MAX:  # rounding may add a few steps to a row
        scale *= 1 - 2.0**-16
        quantised = np.floor(filters * scale + 0.5)
    quantised.flags.writeable = False
    return quantised, scale
