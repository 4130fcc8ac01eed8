# SPDX-License-Identifier: Apache-2.0
"""Masks and how a dictionary keeps them: ideal binary masks, levels of bands, and packed rows of bits."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import BoolArray, ByteArray, ComplexArray, FloatArray
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import RECORDER, Geometry
from blsh_trainer.signals.spectra import check_spectrum
from blsh_trainer.suggestions import unknown

_SINGLE_HZ, _LEAST_SINGLES = 500, 16


@cache
def band_edges(geometry: Geometry) -> tuple[int, ...]:
    """Return the first bin of each of the W bands, and the number of bins, where the last band ends: (W + 1,).

    Bins up to 500 Hz, and 16 at least, are bands of their own; above, the edges lie at equal ratios.
    """
    singles = max(_LEAST_SINGLES, _SINGLE_HZ * geometry.window // geometry.rate_hz)
    steps = geometry.bands - singles
    above = [round(singles * (geometry.bins / singles) ** (step / steps)) for step in range(1, steps)]
    return (*range(singles + 1), *above, geometry.bins)


@cache
def bin_edges(geometry: Geometry) -> tuple[int, ...]:
    """Return the edges where each bin is a band, (bins + 1,)."""
    return tuple(range(geometry.bins + 1))


MAX_SMOOTHING = 15
"""The most sixteenths of a mask that come from the mask of the frame before."""


@dataclass(frozen=True)
class MaskKind:
    """A kind of masks in a dictionary: a level for each band of bins.

    name: in artifacts, on cards and on the command line. edges_of: gives the edges of the bands of a geometry.
    level_bits: the level 2**level_bits - 1 is gain 1. artifact_format: the first format of an artifact that can name
    the kind. geometry: of the spectra.
    """

    name: str
    edges_of: Callable[[Geometry], tuple[int, ...]]
    level_bits: int
    artifact_format: int = 3
    geometry: Geometry = RECORDER

    @property
    def edges(self) -> tuple[int, ...]:
        """The edges of the bands (W + 1,): band w covers the bins edges[w] to edges[w + 1] - 1."""
        return self.edges_of(self.geometry)

    @property
    def width(self) -> int:
        """W, the number of levels of a mask."""
        return len(self.edges) - 1

    @property
    def top(self) -> int:
        """The highest level, which stands for gain 1; level 0 stands for gain 0."""
        return (1 << self.level_bits) - 1

    @property
    def of_bins(self) -> bool:
        """Whether the masks have a level for each bin: entries then have the ideal binary masks of their frames."""
        return self.width == self.geometry.bins

    @property
    def taught_edges(self) -> tuple[int, ...]:
        """Edges of the bands in which a learner gets the mask that a frame needs: its own, or W for those of bins."""
        return band_edges(self.geometry) if self.of_bins else self.edges

    @property
    def packed_width(self) -> int:
        """Bytes of a packed mask."""
        return packed_width(self.width * self.level_bits)

    def pack(self, levels: ArrayLike) -> ByteArray:
        """Pack levels (T, W) into uint8 (T, packed_width), level after level, the lowest bit of a level first.

        BlshError for another shape or a level above the top.
        """
        return pack_bits(self.level_rows(levels))

    def unpack(self, packed: ArrayLike) -> ByteArray:
        """Return the levels uint8 (T, W) of packed masks uint8 (T, packed_width). BlshError as of unpack_bits."""
        bits = unpack_bits(packed, self.width * self.level_bits).reshape(-1, self.width, self.level_bits)
        return np.packbits(bits, axis=2, bitorder="little")[:, :, 0]

    def level_rows(self, levels: ArrayLike) -> BoolArray:
        """Return the bits of levels (T, W) as bool (T, W level_bits), in the order of `pack`."""
        rows = self.check_levels(levels)
        bits = np.unpackbits(rows[:, :, None], axis=2, count=self.level_bits, bitorder="little")
        return bits.reshape(len(rows), -1).astype(np.bool_)

    def check_levels(self, levels: ArrayLike) -> ByteArray:
        """Return `levels`; BlshError unless they are uint8 (T, W) and none is above the top."""
        rows = np.asarray(levels)
        if rows.ndim != 2 or rows.dtype != np.uint8 or rows.shape[1] != self.width:
            raise BlshError(
                f"{self.name} mask levels have shape {rows.shape}, dtype {rows.dtype}; "
                f"expected uint8 (rows, {self.width})"
            )
        if rows.size and rows.max() > self.top:
            raise BlshError(f"{self.name} mask levels go up to {rows.max()}; expected 0 to {self.top}")
        return rows

    def requantised(self, levels: ArrayLike, target: "MaskKind") -> ByteArray:
        """Return levels (T, W) of this kind as the levels of `target` with the nearest gain, half up.

        The arithmetic is that of integers. BlshError for levels that are not of this kind, or a target of other bands.
        """
        rows = self.check_levels(levels)
        if target.edges != self.edges:
            raise BlshError(
                f"{self.name} masks of {self.width} bands cannot become {target.name} masks of {target.width}; "
                f"choose one of {', '.join(kind.name for kind in MASK_KINDS.values() if kind.edges == self.edges)}"
            )
        scaled = (2 * rows.astype(np.int64) * target.top + self.top) // (2 * self.top)
        return scaled.astype(np.uint8)

    def to_bins(self, gains: FloatArray) -> FloatArray:
        """Return gains of bands (T, W) as gains of bins (T, bins)."""
        return gains if self.of_bins else np.repeat(gains, np.diff(self.edges), axis=1)


MASK_KINDS = {
    kind.name: kind
    for kind in (
        MaskKind("ibm", bin_edges, 1, artifact_format=1),
        MaskKind("bands", band_edges, 4, artifact_format=2),
        MaskKind("bands2", band_edges, 2),
        MaskKind("bands1", band_edges, 1),
    )
}
"""The kinds by name, in the paper's geometry: "ibm" has a bit for each bin, the others 16, 4 or 2 levels a band."""


def find_mask_kind(name: str, geometry: Geometry = RECORDER) -> MaskKind:
    """Return the kind called `name` for spectra of this geometry; BlshError if there is none."""
    if name not in MASK_KINDS:
        raise BlshError(f"mask kind {name!r} {unknown(name, MASK_KINDS)}")
    return replace(MASK_KINDS[name], geometry=geometry)


def ideal_binary_mask(speech_spectrum: ArrayLike, noise_spectrum: ArrayLike) -> BoolArray:
    """Return the IBM, bool (T, bins), which is true where |speech| > |noise| (the paper's Y, section II-A).

    BlshError unless both spectra have one shape (T, bins).
    """
    speech = np.asarray(speech_spectrum)
    noise = np.asarray(noise_spectrum)
    if noise.shape != speech.shape or speech.ndim != 2:
        raise BlshError(f"the noise spectrum has shape {noise.shape}; expected that of the speech, {speech.shape}")
    return np.asarray(np.abs(speech) > np.abs(noise))


def ideal_band_levels(speech_spectrum: ArrayLike, mixture_spectrum: ArrayLike, kind: MaskKind) -> ByteArray:
    """Return the gains that bring each band of the mixture X nearest to the speech S, as levels uint8 (T, W) of `kind`.

    The best real gain of a bin is Re(S conj X) / |X|^2, clipped to [0, 1]. That of a band is the mean of its bins',
    weighted by |X|^2, and 0 where X is silent. BlshError unless both spectra have one shape (T, bins).
    """
    speech, mixture = np.asarray(speech_spectrum), np.asarray(mixture_spectrum)
    check_spectrum(speech, "the speech spectrum", kind.geometry)
    if mixture.shape != speech.shape:
        raise BlshError(f"the mixture has spectrum shape {mixture.shape}; expected that of the speech, {speech.shape}")
    power = np.abs(mixture) ** 2
    gains, _ = band_means(nearest_gains(speech, mixture, power), power, kind.edges)
    return np.asarray(np.floor(gains * kind.top + 0.5), dtype=np.uint8)


def nearest_gains(speech: ComplexArray, mixture: ComplexArray, power: FloatArray) -> FloatArray:
    """Return the real gain in [0, 1] of each bin that brings the mixture, of this power, nearest to the speech."""
    along: FloatArray = (speech * np.conj(mixture)).real
    return np.clip(np.divide(along, power, out=np.zeros_like(power), where=power > 0), 0.0, 1.0)


def band_means(
    mask: FloatArray | BoolArray, power: FloatArray, edges: tuple[int, ...]
) -> tuple[FloatArray, FloatArray]:
    """Return a mask of bins (T, bins) as one of W bands (T, W), and the energy of each band (T, W).

    Band w covers the bins edges[w] to edges[w + 1] - 1. Its mask is the mean of its bins' weighted by their power.
    """
    energy, kept = (np.add.reduceat(rows, edges[:-1], axis=1) for rows in (power, power * mask))
    return np.divide(kept, energy, out=np.zeros_like(energy), where=energy > 0), energy


def packed_width(bits: int) -> int:
    """Return the bytes that a row of `bits` bits takes."""
    return -(-bits // 8)


def pack_bits(rows: ArrayLike) -> ByteArray:
    """Pack bool (T, n) into uint8 (T, ceil(n / 8)): bit j of a row becomes bit j % 8 of byte j // 8.

    BlshError for another shape or dtype.
    """
    bits = np.asarray(rows)
    if bits.ndim != 2 or bits.dtype != np.bool_:
        raise BlshError(f"bits have shape {bits.shape}, dtype {bits.dtype}; expected bool (rows, bits)")
    return np.packbits(bits, axis=1, bitorder="little")


def unpack_bits(packed: ArrayLike, bits: int) -> BoolArray:
    """Return the bits bool (T, bits) that pack_bits packed into uint8 (T, ceil(bits / 8)).

    BlshError for another width, or when a padding bit is set: pack_bits sets none.
    """
    rows = np.asarray(packed)
    if rows.ndim != 2 or rows.dtype != np.uint8 or rows.shape[1] != packed_width(bits):
        raise BlshError(
            f"packed bits have shape {rows.shape}, dtype {rows.dtype}; expected uint8 (rows, {packed_width(bits)})"
        )
    flat = np.unpackbits(rows, axis=1, bitorder="little")
    if flat[:, bits:].any():
        raise BlshError(f"packed bits of width {bits} have a padding bit set; the data are damaged")
    return flat[:, :bits].astype(np.bool_)
