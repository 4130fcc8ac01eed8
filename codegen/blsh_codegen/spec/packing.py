# SPDX-License-Identifier: Apache-2.0
"""Pack bits in words of 32, codes and masks alike: bit l of a row is bit l % 32 of its word l // 32."""

import numpy as np
import numpy.typing as npt


def pack_words(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint32]:
    """Return bits (T, L) in words, uint32 (T, ceil(L / 32))."""
    rows, count = bits.shape
    padded = np.zeros((rows, -(-count // 32) * 32), np.bool_)
    padded[:, :count] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def unpack_words(words: npt.NDArray[np.uint32], count: int) -> npt.NDArray[np.bool_]:
    """Return the first `count` bits of each row of `words`, (T, count): the inverse of pack_words."""
    octets = np.ascontiguousarray(words.astype("<u4")).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=count, bitorder="little").astype(np.bool_)
