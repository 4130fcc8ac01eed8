# SPDX-License-Identifier: Apache-2.0
"""Find nearest neighbours of features by cosine similarity: the paper's raw KNN system (Algorithm 1, "KNN")."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blsh_trainer.arrays import ByteArray, FloatArray, IntArray, check_rows
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.features import l2_normalise
from blsh_trainer.signals.masks import pack_bits, packed_width
from blsh_trainer.signals.spectra import BINS

_ROWS = 256  # queries of one matrix product
_TILE = 8192  # entries of one matrix product: 8 MB of similarities in flight
_PAIRS = 1 << 13  # pairs ranked at once
_FRAMES = 512  # frames whose neighbours' masks are unpacked at once: (512, K, 520) bytes, some 3 MB


class CosineIndex:
    """A dictionary of features, normalised once to be searched many times.

    Entries are kept as float32 of unit length, 4 D bytes each. The similarity of a query and an entry is the float64
    sum of their products, the query being float64 of unit length. Matrix products in float32 only choose the
    candidates, with a margin above their rounding error. So the answer depends neither on the number of threads nor
    on how the work is cut, and equal entries are equally similar.
    """

    def __init__(self, dictionary: ArrayLike) -> None:
        """Normalise features (N, D) of any scale. BlshError for another shape or values that are not finite."""
        rows = check_rows(dictionary, "the dictionary features")
        self.rows: NDArray[np.float32] = l2_normalise(rows).astype(np.float32)
        # The largest error of float32 with vectors of unit length: rounded queries, D products, D sums.
        self._margin = 2.0 * (rows.shape[1] + 2) * float(np.finfo(np.float32).eps)

    def search(self, queries: ArrayLike, k: int = 10) -> tuple[IntArray, FloatArray]:
        """Return (indices int64, similarities float64), (Q, k) each, of the k entries most like each query (Q, D).

        Entries are ordered by (similarity falling, dictionary index rising). A query of zeros is similar to no entry
        and gets the first k. BlshError for another D, values that are not finite, k < 1 or k > N.
        """
        entries, width = self.rows.shape
        wanted = l2_normalise(check_rows(queries, "the query features", width))
        if not 1 <= k <= entries:
            raise BlshError(f"{k} neighbours asked of {entries} dictionary entries; choose 1 to {entries}")
        indices = np.tile(np.arange(k), (len(wanted), 1))
        similarities = np.zeros((len(wanted), k))
        sounding = np.flatnonzero(wanted.any(axis=1))
        for start in range(0, len(sounding), _ROWS):
            chosen = sounding[start : start + _ROWS]
            indices[chosen], similarities[chosen] = self._nearest(wanted[chosen], k)
        return indices, similarities

    def _nearest(self, queries: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        rows, columns = self._candidates(queries, k)
        similar = np.empty(len(rows))
        for start in range(0, len(rows), _PAIRS):
            part = slice(start, start + _PAIRS)
            similar[part] = (queries[rows[part]] * self.rows[columns[part]]).sum(axis=1)
        order = np.lexsort((columns, -similar, rows))
        first = np.searchsorted(rows[order], np.arange(len(queries)))
        taken = order[first[:, None] + np.arange(k)]
        return columns[taken], similar[taken]

    def _candidates(self, queries: FloatArray, k: int) -> tuple[IntArray, IntArray]:
        """Return (query, entry) indices, two arrays, of all pairs that may be among the k nearest."""
        narrow = queries.astype(np.float32)
        best = np.full((len(queries), k), -np.inf, dtype=np.float32)  # the k best of all entries so far, in no order
        found: list[tuple[IntArray, IntArray]] = []
        for start in range(0, len(self.rows), _TILE):
            products = narrow @ self.rows[start : start + _TILE].T
            both = np.concatenate([best, products], axis=1)
            best = np.partition(both, both.shape[1] - k, axis=1)[:, -k:]
            rows, columns = np.nonzero(products >= best.min(axis=1, keepdims=True) - np.float32(self._margin))
            found.append((rows, columns + start))
        rows, columns = (np.concatenate(part) for part in zip(*found, strict=True))
        return rows, columns


def cosine_knn(queries: ArrayLike, dictionary: ArrayLike, k: int = 10) -> tuple[IntArray, FloatArray]:
    """Return (indices, similarities), (Q, k) each, of the k rows of dictionary (N, D) most like each query (Q, D).

    See CosineIndex.search, and keep a CosineIndex to search one dictionary again.
    """
    return CosineIndex(dictionary).search(queries, k)


class KNN:
    """Masks from the K training frames that are most like a frame by cosine similarity (Algorithm 1).

    After `fit`: index_ (features) and masks_ (their IBMs, packed).
    """

    def __init__(self, neighbours: int = 10) -> None:
        self.neighbours = neighbours
        self.index_: CosineIndex
        self.masks_: ByteArray

    def fit(self, H: ArrayLike, Y: ArrayLike) -> Self:
        """Keep the features H (T, D) of any scale and their IBMs Y, bool (T, 513) or packed uint8 (T, 65).

        BlshError when the two do not fit together, H is not finite, or there are fewer than K frames.
        """
        masks = np.asarray(Y)
        packed: ByteArray = pack_bits(masks) if masks.dtype == np.bool_ and masks.shape[1:] == (BINS,) else masks
        index = CosineIndex(H)
        if packed.dtype != np.uint8 or packed.shape != (len(index.rows), packed_width(BINS)):
            raise BlshError(
                f"the masks have shape {masks.shape}, dtype {masks.dtype}; expected, for {len(index.rows)} frames, "
                f"bool (frames, {BINS}) or uint8 (frames, {packed_width(BINS)})"
            )
        if not 1 <= self.neighbours <= len(packed):
            raise BlshError(f"{self.neighbours} neighbours asked of {len(packed)} frames; choose 1 to {len(packed)}")
        self.index_, self.masks_ = index, packed
        return self

    def masks(self, H: ArrayLike) -> FloatArray:
        """Return masks float64 (T, 513) in [0, 1], multiples of 1/K, for features H (T, D)."""
        indices, _ = self.index_.search(H, self.neighbours)
        masks = np.empty((len(indices), BINS))
        for start in range(0, len(indices), _FRAMES):
            part = slice(start, start + _FRAMES)
            bits = np.unpackbits(self.masks_[indices[part]], axis=2, count=BINS, bitorder="little")
            masks[part] = bits.mean(axis=1)
        return masks
