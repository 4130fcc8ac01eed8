# SPDX-License-Identifier: Apache-2.0
"""A counted search finds what the reference finds, whatever it skips; and its counts are those of a case by hand."""

import numpy as np
import pytest

from blsh_codegen.cost.search_work import SEARCH_TERMS, Dictionary, Search, search_work
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.model.quantise import IntegerModel
from blsh_trainer.compute.hamming_index import HammingIndex
from blsh_trainer.model.artifact import Model


def model_of(codes: np.ndarray, neighbours: int, layout: str = "tight") -> IntegerModel:
    entries, bits = codes.shape
    artifact = Model(
        name="searched",
        feature_kind="mel",
        neighbours=neighbours,
        projections=np.ones((bits, 128)),
        biases=np.zeros(bits),
        betas=np.ones(bits),
        code_bits=codes,
        mask_levels=np.zeros((entries, 80), np.uint8),
        card={},
        mask_kind="bands1",
    )
    return integer_model(artifact, GenerateOptions(layout=layout))


def clustered(rng: np.random.Generator, entries: int, bits: int) -> np.ndarray:
    middles = rng.random((7, bits)) < 0.5
    return middles[rng.integers(0, 7, entries)] ^ (rng.random((entries, bits)) < rng.choice([0.02, 0.2]))


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize(
    ("entries", "bits", "neighbours", "layout"),
    [(5, 9, 5, "tight"), (31, 50, 3, "tight"), (700, 64, 8, "tight"), (1025, 130, 10, "tight"), (900, 21, 4, "plain")],
)
def test_the_counted_search_finds_what_the_reference_finds(rng, lanes, entries, bits, neighbours, layout):
    codes = clustered(rng, entries, bits)
    model = model_of(codes, neighbours, layout)
    queries = np.concatenate([codes[:5], clustered(rng, 10, bits), rng.random((5, bits)) < 0.5])
    index, distance = HammingIndex(model.code_bits()).search(queries, neighbours)
    dictionary = Dictionary(model)
    for row, query in enumerate(queries):
        search = Search(dictionary, query, lanes)
        search.run()
        assert search.neighbours() == list(zip(index[row].tolist(), distance[row].tolist(), strict=True))


@pytest.mark.parametrize("lanes", [1, 4])
def test_dictionaries_beyond_one_span_are_searched_to_the_end(rng, lanes):
    codes = clustered(rng, 4500, 24)
    model = model_of(codes, 6, "plain")  # not reordered: the order is quick to make
    index, _ = HammingIndex(model.code_bits()).search(codes[-3:], 6)
    for row, query in enumerate(codes[-3:]):
        search = Search(Dictionary(model), query, lanes)
        assert dict(zip(SEARCH_TERMS, search.run(), strict=True))["spans"] == 2
        assert [found for found, _ in search.neighbours()] == index[row].tolist()


def test_a_tight_order_spares_visits(rng):
    codes = clustered(rng, 1500, 64)
    visits = SEARCH_TERMS.index("visits")
    tight, plain = (
        search_work(model_of(codes, 8, layout), codes[:20], 1)[:, visits].sum() for layout in ("tight", "plain")
    )
    assert tight < plain / 2


def test_counts_are_those_of_a_search_by_hand():
    """Of two blocks the second has codes of ones alone: both are bounded, and only the first is visited."""
    codes = np.zeros((64, 8), np.bool_)
    codes[32:] = True
    model = model_of(codes, 2, "plain")
    (counts,) = search_work(model, np.zeros((1, 8), np.bool_), 1)
    found = dict(zip(SEARCH_TERMS, counts.tolist(), strict=True))
    once = ("hops", "words", "spans", "bounds", "blocks", "visits", "takes", "take_rounds", "take_blocks")
    assert {name: found[name] for name in once} == dict.fromkeys(once, 1)
    assert found["neighbours"] == 2
    # one row of bounds and one of a block; a code without ones has no planes, so each takes a step of padding
    assert (found["planes"], found["padding"]) == (0, 8)
    assert (found["narrow_rows"], found["narrow_steps"], found["wide_rows"]) == (2, 2, 0)
    # z + 2 s is compared with n + L + 1 - d: 9 for the bounds, 0 where all entries are near enough
    assert found["limit_bits"] == 2
    # two of the 32 entries at distance 0 are kept; the third is no nearer and ends the block
    assert found["taken"] == 3
