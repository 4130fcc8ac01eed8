"""Ideal binary masks and the packed form in which the artifact keeps bits."""

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import BoolArray, ByteArray
from blsh_trainer.errors import BlshError
from blsh_trainer.spectra import check_spectrum


def ideal_binary_mask(speech_spectrum: ArrayLike, noise_spectrum: ArrayLike) -> BoolArray:
    """Return the IBM, bool (T, 513): true where |speech| > |noise| (the paper's Y, section II-A).

    BlshError when the two spectra do not share one shape (T, 513).
    """
    speech = np.asarray(speech_spectrum)
    noise = np.asarray(noise_spectrum)
    check_spectrum(speech, "the speech spectrum")
    if noise.shape != speech.shape:
        raise BlshError(f"the noise spectrum has shape {noise.shape}; expected that of the speech, {speech.shape}")
    return np.asarray(np.abs(speech) > np.abs(noise))


def packed_width(bits: int) -> int:
    """Return the bytes that a row of `bits` bits takes."""
    return -(-bits // 8)


def pack_bits(rows: ArrayLike) -> ByteArray:
    """Pack bool (T, n) into uint8 (T, ceil(n / 8)); bit j of a row is bit j % 8 of its byte j // 8."""
    bits = np.asarray(rows)
    if bits.ndim != 2 or bits.dtype != np.bool_:
        raise BlshError(f"bits have shape {bits.shape}, dtype {bits.dtype}; expected bool (rows, bits)")
    return np.packbits(bits, axis=1, bitorder="little")


def unpack_bits(packed: ArrayLike, bits: int) -> BoolArray:
    """Undo pack_bits: uint8 (T, ceil(bits / 8)) to bool (T, bits).

    BlshError for another width, or when a padding bit is set (no packer of ours sets one).
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
