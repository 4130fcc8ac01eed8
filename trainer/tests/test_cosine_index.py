# SPDX-License-Identifier: Apache-2.0
"""The cosine search: exact neighbours, ties by index, and masks from neighbours."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blsh_trainer.compute import cosine_index as neighbours
from blsh_trainer.compute.cosine_index import KNN, CosineIndex, cosine_knn
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.features import l2_normalise
from blsh_trainer.signals.masks import pack_bits
from blsh_trainer.signals.spectra import BINS


def sorted_by_hand(queries, dictionary, k):
    kept = l2_normalise(dictionary).astype(np.float32)
    similar = np.array([[(query * row).sum() for row in kept] for query in l2_normalise(queries)])
    order = np.argsort(-similar, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(similar, order, axis=1)


@settings(max_examples=40, deadline=None)
@given(
    width=st.sampled_from([1, 2, 40, 513]),
    entries=st.integers(1, 50),
    queries=st.integers(0, 8),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_neighbours_are_those_of_a_full_sort_by_similarity_then_index(width, entries, queries, seed, data):
    k = data.draw(st.integers(1, entries))
    rng = np.random.default_rng(seed)
    pool = np.maximum(0, rng.standard_normal((4, width)))  # few rows, some of zeros: most similarities tie
    dictionary = pool[rng.integers(4, size=entries)]
    asked = pool[rng.integers(4, size=queries)] + 1e-7 * rng.random((queries, 1))
    indices, similarities = cosine_knn(asked, dictionary, k)
    assert indices.shape == similarities.shape == (queries, k)
    if queries:
        expected, similar = sorted_by_hand(asked, dictionary, k)
        np.testing.assert_array_equal(indices, expected)
        np.testing.assert_array_equal(similarities, similar)


def test_entries_closer_than_float32_resolves_are_told_apart(rng):
    # 60 copies of one row in random order, each turned a little further away: by less than a float32 product shows.
    row = rng.random(128)
    turned = row + 1e-7 * np.arange(60)[:, None] * rng.standard_normal(128)
    dictionary = np.concatenate([rng.random((200, 128)), turned])[rng.permutation(260)]
    indices, _ = cosine_knn(row[None], dictionary, 60)
    np.testing.assert_array_equal(indices, sorted_by_hand(row[None], dictionary, 60)[0])


def test_how_the_work_is_cut_does_not_show(monkeypatch, rng):
    queries, dictionary = rng.random((90, 30)), rng.random((700, 30))
    whole = cosine_knn(queries, dictionary, 10)
    for rows, tile, pairs in ((7, 64, 13), (1, 5, 1)):
        monkeypatch.setattr(neighbours, "_ROWS", rows)
        monkeypatch.setattr(neighbours, "_TILE", tile)
        monkeypatch.setattr(neighbours, "_PAIRS", pairs)
        for cut, expected in zip(cosine_knn(queries, dictionary, 10), whole, strict=True):
            np.testing.assert_array_equal(cut, expected)


def test_the_scale_of_a_row_does_not_matter(rng):
    queries, dictionary = rng.random((5, 20)), rng.random((40, 20))
    scaled = cosine_knn(1024 * queries, dictionary * 2.0 ** rng.integers(-9, 9, size=(40, 1)))
    np.testing.assert_array_equal(scaled[0], cosine_knn(queries, dictionary)[0])


def test_a_silent_query_gets_the_first_entries(rng):
    indices, similarities = cosine_knn(np.zeros((2, 4)), rng.random((9, 4)), 3)
    assert indices.tolist() == [[0, 1, 2]] * 2
    assert not similarities.any()


def test_masks_are_the_mean_of_the_neighbours_and_survive_a_pickle(rng):
    H, Y = rng.random((50, 16)), rng.random((50, BINS)) < 0.4
    knn = KNN(neighbours=3).fit(H, Y)
    queries = rng.random((7, 16))
    expected = Y[cosine_knn(queries, H, 3)[0]].mean(axis=1)
    np.testing.assert_array_equal(knn.masks(queries), expected)
    packed = KNN(neighbours=3).fit(H, pack_bits(Y))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(packed)).masks(queries), expected)
    np.testing.assert_array_equal(KNN(neighbours=1).fit(H, Y).masks(H), Y)


@pytest.mark.parametrize(
    ("queries", "dictionary", "k", "words"),
    [
        (np.ones((1, 8)), np.ones((3, 8)), 4, "4 neighbours asked of 3"),
        (np.ones((1, 8)), np.ones((3, 8)), 0, "choose 1 to 3"),
        (np.ones((1, 7)), np.ones((3, 8)), 1, r"query features has shape \(1, 7\); expected \(frames, 8\)"),
        (np.full((1, 8), np.nan), np.ones((3, 8)), 1, "query features holds a NaN"),
        (np.ones((1, 8)), np.full((3, 8), np.inf), 1, "dictionary features holds a NaN or an infinity"),
    ],
)
def test_unfit_searches_are_refused(queries, dictionary, k, words):
    with pytest.raises(BlshError, match=words):
        CosineIndex(dictionary).search(queries, k)


@pytest.mark.parametrize(
    ("H", "Y", "k", "words"),
    [
        (np.ones((3, 8)), np.ones((4, BINS), bool), 1, r"masks have shape \(4, 513\).* for 3 frames"),
        (np.ones((3, 8)), np.ones((3, BINS)), 1, "dtype float64; expected"),
        (np.ones((3, 8)), np.ones((3, 64), np.uint8), 1, r"uint8 \(frames, 65\)"),
        (np.ones((3, 8)), np.ones((3, BINS), bool), 4, "4 neighbours asked of 3 frames"),
        (np.ones((3, 8)), np.ones((3, BINS), bool), 0, "0 neighbours asked of 3 frames"),
    ],
)
def test_unfit_training_frames_are_refused(H, Y, k, words):
    with pytest.raises(BlshError, match=words):
        KNN(k).fit(H, Y)
