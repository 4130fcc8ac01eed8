"""Exact search for the K nearest codes in Hamming distance, with the project's tie rule."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blsh_trainer.arrays import BoolArray, IntArray
from blsh_trainer.errors import BlshError

_CHUNK_DISTANCES = 1 << 21  # distances in flight: bounds the memory at some tens of MB whatever Q is
_NARROW_KEYS = (1 << 32) - 1  # the largest key that 32 bits hold


def hamming_knn(query_bits: ArrayLike, dictionary_bits: ArrayLike, k: int = 10) -> tuple[IntArray, IntArray]:
    """Return (indices, distances), int64 (Q, k) each, of the k dictionary codes nearest to each query.

    Codes are bool (Q, L) and (N, L). Neighbours are ordered by (distance, dictionary index), so the result
    is unique (method.md, Algorithm 1). BlshError for codes of different lengths, k < 1 or k > N.
    """
    queries = _check_codes(query_bits, "query codes")
    dictionary = _check_codes(dictionary_bits, "dictionary codes")
    if queries.shape[1] != dictionary.shape[1]:
        raise BlshError(f"query codes have {queries.shape[1]} bits, the dictionary's {dictionary.shape[1]}")
    entries = dictionary.shape[0]
    if not 1 <= k <= entries:
        raise BlshError(f"{k} neighbours asked of {entries} dictionary entries; choose 1 to {entries}")
    # One integer key per pair orders by distance first and index second; 32 bits when they suffice.
    largest = (dictionary.shape[1] + 1) * entries
    key_type = np.uint32 if largest <= _NARROW_KEYS else np.uint64
    words = _to_words(dictionary)
    order = np.arange(entries, dtype=key_type)
    rows = max(1, _CHUNK_DISTANCES // entries)
    nearest = np.empty((queries.shape[0], k), dtype=np.int64)
    for start in range(0, queries.shape[0], rows):
        chunk = _to_words(queries[start : start + rows])
        keys = np.zeros((chunk.shape[0], entries), dtype=key_type)
        for word in range(words.shape[1]):
            keys += np.bitwise_count(chunk[:, word, None] ^ words[None, :, word])
        keys *= key_type(entries)
        keys += order
        keys.partition(k - 1, axis=1)
        nearest[start : start + rows] = np.sort(keys[:, :k], axis=1)
    distances, indices = np.divmod(nearest, entries)
    return indices, distances


def _check_codes(bits: ArrayLike, what: str) -> BoolArray:
    codes = np.asarray(bits)
    if codes.ndim != 2 or codes.dtype != np.bool_ or codes.shape[1] == 0:
        raise BlshError(f"{what} have shape {codes.shape}, dtype {codes.dtype}; expected bool (codes, bits)")
    return codes


def _to_words(codes: BoolArray) -> NDArray[np.uint64]:
    """Pack bool (N, L) into uint64 (N, ceil(L / 64))."""
    padded = np.zeros((codes.shape[0], -(-codes.shape[1] // 64) * 64), dtype=np.bool_)
    padded[:, : codes.shape[1]] = codes
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)
