# SPDX-License-Identifier: Apache-2.0
"""The inner loops of the Hamming search, compiled by numba on first use.

Numba takes a second to import; only hamming_index imports this module, when it searches. The loops hold no Python
objects and release the interpreter's lock, so that threads can share a search. They start no threads themselves, which
keeps them safe in processes that were forked.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from blsh_trainer.arrays import IntArray

Words = NDArray[np.uint64]
_Function = TypeVar("_Function", bound=Callable[..., Any])

_CHUNK = 256  # codes whose least distance, found in vector code, decides whether any of them is looked at
_TILE = 4096  # codes of one word that stay in the first-level cache while all queries pass over them


def _compiled(function: _Function) -> _Function:
    """Return `function`, compiled into each function that calls it."""
    return cast(_Function, njit(nogil=True)(function))


def _kept(function: _Function) -> _Function:
    """Return `function` compiled; the machine code is kept on disk where a folder can be written and read."""
    try:
        compiled: Callable[..., Any] = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no folder that it can write: beside this file, the user's, or NUMBA_CACHE_DIR
        return _compiled(function)

    @wraps(function)
    def call(*arguments: Any) -> Any:
        nonlocal compiled
        try:
            return compiled(*arguments)
        except Exception:  # a full disk, or a damaged cache or another user's: unpickling raises anything
            compiled = _compiled(function)
            return compiled(*arguments)

    return cast(_Function, call)


def _population_count(_context: Any, _value: Any) -> Any:
    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), emit


_popcount = cast(Callable[[Any], Any], intrinsic(_population_count))


@_compiled
def _insert(index: int, distance: np.int64, indices: IntArray, distances: IntArray) -> None:
    """Insert a code behind all codes of the list that are as near or nearer; the last code falls out."""
    slot = distances.size - 1
    while slot > 0 and distances[slot - 1] > distance:
        distances[slot] = distances[slot - 1]
        indices[slot] = indices[slot - 1]
        slot -= 1
    distances[slot] = distance
    indices[slot] = index


@_compiled
def _least(code: np.uint64, plane: Words) -> np.uint64:
    """Return the least distance to the codes of `plane`, a slice: only loops from index 0 become vector code."""
    least = np.uint64(65)
    for j in range(plane.size):
        distance = _popcount(code ^ plane[j])
        least = distance if distance < least else least
    return least


@_kept
def scan_word(queries: Words, plane: Words, indices: IntArray, distances: IntArray) -> None:
    """Fill `indices` and `distances` (Q, k) for codes of one word: queries (Q,), plane (N,).

    The caller fills `distances` with a number above all distances. Codes are met by rising index and enter a list only
    when strictly nearer than its last code, which makes the order (distance, index).
    """
    for tile in range(0, plane.size, _TILE):
        tile_end = min(tile + _TILE, plane.size)
        for q in range(queries.size):
            code = queries[q]
            last = np.uint64(distances[q, -1])
            for start in range(tile, tile_end, _CHUNK):
                chunk = plane[start : min(start + _CHUNK, tile_end)]
                if _least(code, chunk) >= last:
                    continue
                for j in range(chunk.size):
                    distance = _popcount(code ^ chunk[j])
                    if distance < last:
                        _insert(start + j, np.int64(distance), indices[q], distances[q])
                        last = np.uint64(distances[q, -1])


@_kept
def scan_words(queries: Words, planes: Words, indices: IntArray, distances: IntArray) -> None:
    """Do as scan_word does, for codes of W words: queries (Q, W) and planes (W, N), row w being word w of all codes."""
    words, entries = planes.shape
    tile_codes = max(_CHUNK, _TILE // words // _CHUNK * _CHUNK)
    found = np.empty(_CHUNK, dtype=np.uint64)
    for tile in range(0, entries, tile_codes):
        tile_end = min(tile + tile_codes, entries)
        for q in range(queries.shape[0]):
            last = np.uint64(distances[q, -1])
            for start in range(tile, tile_end, _CHUNK):
                size = min(_CHUNK, tile_end - start)
                found[:size] = 0
                for w in range(words):
                    code = queries[q, w]
                    plane = planes[w, start : start + size]
                    for j in range(size):
                        found[j] += _popcount(code ^ plane[j])
                if found[:size].min() >= last:
                    continue
                for j in range(size):
                    if found[j] < last:
                        _insert(start + j, np.int64(found[j]), indices[q], distances[q])
                        last = np.uint64(distances[q, -1])
