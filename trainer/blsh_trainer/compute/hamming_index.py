# SPDX-License-Identifier: Apache-2.0
"""Search the K nearest codes in Hamming distance, exactly and with the project's tie rule."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blsh_trainer.arrays import BoolArray, IntArray
from blsh_trainer.compute.block_pool import usable_threads
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.masks import packed_width

_WORD = 64
_THREAD_WORDS = 1 << 23  # comparisons of words, some ms for a thread: with fewer a second thread does not pay


class HammingIndex:
    """A dictionary of codes, packed once to be searched many times.

    Memory holds the packed codes, 8 ceil(L / 64) bytes each, and the answers; other distances are not kept. The bits
    of a code may lie in any order. The first search on a machine compiles the loops, which takes some seconds once.
    """

    def __init__(self, dictionary_bits: ArrayLike) -> None:
        """Pack codes bool (N, L). BlshError for another shape or type."""
        codes = _check_codes(dictionary_bits, "dictionary codes")
        self.entries, self.bits = codes.shape
        # One row for each word of the codes: words of successive entries lie side by side, for vector code.
        self._planes = np.ascontiguousarray(_to_words(codes).T)

    def search(self, query_bits: ArrayLike, k: int = 10, threads: int | None = None) -> tuple[IntArray, IntArray]:
        """Return (indices, distances), int64 (Q, k) each, of the k codes nearest to each query, bool (Q, L).

        Neighbours are ordered by (distance, dictionary index), which settles the ties of the paper's Algorithm 1: the
        result is unique. At most `threads` threads work (None: usable_threads()). A search costs Q N ceil(L / 64)
        popcounts, and up to k moves for each code that enters a list: it is meant for small k.
        BlshError for codes of another length, k < 1, k > N or threads < 1.
        """
        queries = _check_codes(query_bits, "query codes")
        if queries.shape[1] != self.bits:
            raise BlshError(f"query codes have {queries.shape[1]} bits, the dictionary's {self.bits}; use its model")
        if not 1 <= k <= self.entries:
            raise BlshError(f"{k} neighbours asked of {self.entries} dictionary entries; choose 1 to {self.entries}")
        most = usable_threads() if threads is None else threads
        if most < 1:
            raise BlshError(f"{most} threads asked for; choose 1 or more")
        words = _to_words(queries)
        indices = np.zeros((len(queries), k), dtype=np.int64)
        distances = np.full((len(queries), k), self.bits + 1, dtype=np.int64)
        parts = min(most, len(queries), len(queries) * self._planes.size // _THREAD_WORDS)
        self._scan(words, indices, distances, max(1, parts))
        return indices, distances

    def _scan(self, queries: NDArray[np.uint64], indices: IntArray, distances: IntArray, parts: int) -> None:
        """Fill the answers, `parts` equal shares of the queries at a time."""
        from blsh_trainer.compute.hamming_kernels import scan_word, scan_words  # numba: a second to import

        def scan(part: slice) -> None:
            if len(self._planes) == 1:
                scan_word(queries[part, 0].copy(), self._planes[0], indices[part], distances[part])
            else:
                scan_words(queries[part], self._planes, indices[part], distances[part])

        edges = [len(queries) * part // parts for part in range(parts + 1)]
        shares = [slice(start, stop) for start, stop in pairwise(edges)]
        if parts == 1:
            scan(shares[0])
            return
        with ThreadPoolExecutor(parts) as pool:
            list(pool.map(scan, shares))


def hamming_knn(query_bits: ArrayLike, dictionary_bits: ArrayLike, k: int = 10) -> tuple[IntArray, IntArray]:
    """Return (indices, distances), int64 (Q, k) each, of the k dictionary codes nearest to each query.

    Codes are bool (Q, L) and (N, L); see HammingIndex.search, and keep a HammingIndex to search one
    dictionary again. BlshError for codes of different lengths, k < 1 or k > N.
    """
    return HammingIndex(dictionary_bits).search(query_bits, k)


def _check_codes(bits: ArrayLike, what: str) -> BoolArray:
    codes = np.asarray(bits)
    if codes.ndim != 2 or codes.dtype != np.bool_ or codes.shape[1] == 0:
        raise BlshError(f"{what} have shape {codes.shape}, dtype {codes.dtype}; expected bool (codes, bits)")
    return codes


def _to_words(codes: BoolArray) -> NDArray[np.uint64]:
    """Pack bool (N, L) into uint64 (N, ceil(L / 64)); the last word is filled up with zeros."""
    packed = np.packbits(codes, axis=1, bitorder="little")
    words = np.zeros((len(codes), 8 * -(-codes.shape[1] // _WORD)), dtype=np.uint8)
    words[:, : packed_width(codes.shape[1])] = packed
    return words.view(np.uint64)
