"""Bits in 32-bit words: bit l of a row is bit l % 32 of its word l // 32, in codes and masks alike."""

import numpy as np
import numpy.typing as npt


def pack_words(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint32]:
    """(T, L) bits to (T, ceil(L / 32)) words: bit l is bit l % 32 of word l // 32."""
    rows, count = bits.shape
    padded = np.zeros((rows, -(-count // 32) * 32), np.bool_)
    padded[:, :count] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def unpack_words(words: npt.NDArray[np.uint32], count: int) -> npt.NDArray[np.bool_]:
    """The inverse of pack_words: the first `count` bits of each row."""
    octets = np.ascontiguousarray(words.astype("<u4")).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=count, bitorder="little").astype(np.bool_)
