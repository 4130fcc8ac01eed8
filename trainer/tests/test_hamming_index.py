# SPDX-License-Identifier: Apache-2.0
"""The Hamming search: exact neighbours, ties by index, and loops whose cache cannot be kept."""

import errno
import multiprocessing
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.caching import IndexDataCacheFile

from blsh_trainer.compute import hamming_kernels as search_kernels
from blsh_trainer.compute.hamming_index import HammingIndex, hamming_knn
from blsh_trainer.errors import BlshError

pytestmark = pytest.mark.heavy


def sorted_by_hand(queries, dictionary, k):
    indices, distances = [], []
    for query in queries:
        pairs = sorted((int((query != entry).sum()), i) for i, entry in enumerate(dictionary))[:k]
        distances.append([d for d, _ in pairs])
        indices.append([i for _, i in pairs])
    return indices, distances


@settings(max_examples=60, deadline=None)
@given(
    bits=st.sampled_from([1, 2, 7, 50, 63, 64, 65, 130, 1024]),
    entries=st.integers(1, 60),
    queries=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_neighbours_are_those_of_a_full_sort_by_distance_then_index(bits, entries, queries, seed, data):
    k = data.draw(st.integers(1, entries))
    rng = np.random.default_rng(seed)
    # Few distinct codes: most distances tie, so that the index has to decide.
    pool = rng.random((4, bits)) < 0.5
    dictionary = pool[rng.integers(4, size=entries)]
    asked = pool[rng.integers(4, size=queries)] ^ (rng.random((queries, bits)) < 0.05)
    indices, distances = hamming_knn(asked, dictionary, k)
    assert (indices.tolist(), distances.tolist()) == sorted_by_hand(asked, dictionary, k)
    assert indices.dtype == distances.dtype == np.int64


@pytest.mark.parametrize("bits", [9, 64, 130, 1024])
def test_ties_across_tiles_and_threads_go_to_the_lowest_indices(bits, rng):
    # More entries than two tiles hold and only eight distinct codes: nearly every list is filled by ties.
    pool = rng.random((8, bits)) < 0.5
    dictionary = pool[rng.integers(8, size=9_001)]
    asked = pool[rng.integers(8, size=300)] ^ (rng.random((300, bits)) < 0.1)
    index = HammingIndex(dictionary)
    indices, distances = index.search(asked, 20, threads=1)
    signs = [np.where(codes, 1.0, -1.0) for codes in (asked, dictionary)]
    expected = (bits - signs[0] @ signs[1].T) / 2
    order = np.argsort(expected, axis=1, kind="stable")[:, :20]
    np.testing.assert_array_equal(indices, order)
    np.testing.assert_array_equal(distances, np.take_along_axis(expected, order, axis=1))
    np.testing.assert_array_equal(index.search(asked, 20, threads=3), (indices, distances))


def test_entries_that_come_ever_nearer_are_all_taken_in(rng):
    query = rng.random((1, 200)) < 0.5
    dictionary = query ^ np.tri(201, 200, -1, dtype=bool)[::-1]  # distances 200, 199, ..., 0
    indices, distances = hamming_knn(query, dictionary, 201)
    assert indices[0].tolist() == list(range(200, -1, -1))
    assert distances[0].tolist() == list(range(201))


def test_search_works_where_no_folder_can_keep_the_machine_code(monkeypatch):
    njit = search_kernels.njit

    def refuse(*, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(search_kernels, "njit", refuse)
    assert search_kernels._kept(lambda number: number + 1)(1) == 2


def test_search_works_on_a_disk_that_is_too_full_to_keep_the_machine_code(tmp_path):
    script = """
import resource, sys
import numpy as np
from blsh_trainer.compute.hamming_index import hamming_knn
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
codes = np.eye(5, dtype=bool)
assert hamming_knn(codes, codes, 2)[0].tolist() == [[0, 1], [1, 0], [2, 0], [3, 0], [4, 0]]
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    assert not list(tmp_path.rglob("*.nbc"))


@pytest.mark.parametrize("damage", ["torn", "locked"])
def test_search_works_where_the_kept_machine_code_cannot_be_used(monkeypatch, damage):
    def kept(*_):
        if damage == "torn":
            pickle.loads(b"\x80")
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "search_kernels.nbi")

    monkeypatch.setattr(IndexDataCacheFile, "load", kept)
    add = search_kernels._kept(lambda number: number + 1)
    assert [add(1), add(2)] == [2, 3]


def test_the_index_can_be_searched_in_forked_processes(rng):
    dictionary = rng.random((300, 50)) < 0.5
    index = HammingIndex(dictionary)
    here = index.search(dictionary[:20])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for there in pool.map(index.search, [dictionary[:20]] * 2):
            np.testing.assert_array_equal(there, here)


def test_no_queries_give_no_neighbours():
    indices, distances = hamming_knn(np.zeros((0, 8), dtype=bool), np.ones((3, 8), dtype=bool), 2)
    assert indices.shape == distances.shape == (0, 2)


@pytest.mark.parametrize(
    ("query", "dictionary", "k", "words"),
    [
        (np.zeros((1, 8), bool), np.zeros((3, 8), bool), 4, "4 neighbours asked of 3"),
        (np.zeros((1, 8), bool), np.zeros((3, 8), bool), 0, "choose 1 to 3"),
        (np.zeros((1, 7), bool), np.zeros((3, 8), bool), 1, "7 bits, the dictionary's 8"),
        (np.zeros((1, 8)), np.zeros((3, 8), bool), 1, "query codes .* expected bool"),
        (np.zeros(8, bool), np.zeros((3, 8), bool), 1, "query codes have shape"),
    ],
)
def test_unfit_searches_are_refused(query, dictionary, k, words):
    with pytest.raises(BlshError, match=words):
        hamming_knn(query, dictionary, k)


def test_a_search_without_threads_is_refused():
    with pytest.raises(BlshError, match="0 threads asked for"):
        HammingIndex(np.ones((3, 8), bool)).search(np.ones((1, 8), bool), 1, threads=0)
