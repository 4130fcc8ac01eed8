import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blsh_trainer import search
from blsh_trainer.errors import BlshError
from blsh_trainer.search import hamming_knn


def sorted_by_hand(queries, dictionary, k):
    indices, distances = [], []
    for query in queries:
        pairs = sorted((int((query != entry).sum()), i) for i, entry in enumerate(dictionary))[:k]
        distances.append([d for d, _ in pairs])
        indices.append([i for _, i in pairs])
    return indices, distances


@settings(max_examples=60, deadline=None)
@given(
    bits=st.sampled_from([1, 2, 7, 50, 63, 64, 65, 130]),
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


def test_chunks_do_not_show(monkeypatch):
    rng = np.random.default_rng(11)
    queries, dictionary = rng.random((37, 20)) < 0.5, rng.random((100, 20)) < 0.5
    whole = hamming_knn(queries, dictionary)
    monkeypatch.setattr(search, "_CHUNK_DISTANCES", 500)
    np.testing.assert_array_equal(hamming_knn(queries, dictionary), whole)


def test_wide_keys_give_the_same(monkeypatch):
    rng = np.random.default_rng(12)
    queries, dictionary = rng.random((5, 20)) < 0.5, rng.random((100, 20)) < 0.5
    narrow = hamming_knn(queries, dictionary)
    monkeypatch.setattr(search, "_NARROW_KEYS", 1)
    np.testing.assert_array_equal(hamming_knn(queries, dictionary), narrow)


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
