# SPDX-License-Identifier: Apache-2.0
"""Voting models: scalar reference, vectorised twin and C core compute the same integers, and refuse the same models."""

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blsh_codegen.cost.rank_work import RANK_TERMS, is_ranked, rank_work
from blsh_codegen.cost.search_work import Dictionary, Search
from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.emit.model_image import decode_image, encode_image, sealed
from blsh_codegen.emit.self_test import self_test_crc32, self_test_signal
from blsh_codegen.host_core import HostCore
from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.pipeline.reference import ReferenceDenoiser
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.pipeline.vectorised_voting import Ballot
from blsh_codegen.spec.constants import (
    MAX_BITS,
    MAX_FOUND,
    MAX_NEIGHBOURS,
    MAX_SMOOTHING,
    SMALL_ENTRIES,
    VOTE_BANDS,
)
from blsh_codegen.spec.hard_signals import EDGE_SIGNALS, edge_signal
from blsh_codegen.spec.packing import pack_words
from blsh_codegen.spec.stages import STAGES
from blsh_hil.prove.random_model import random_voting_model
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.features import features, steady_frames
from blsh_trainer.signals.geometry import CLASSES, RECORDER, Geometry
from blsh_trainer.signals.spectra import stft

from .agreement import assert_all_agree
from .conftest import ALL_GEOMETRIES

HOP = RECORDER.hop


def integers(**options: Any) -> VotingIntegers:
    model = integer_model(random_voting_model(**options), GenerateOptions())
    assert isinstance(model, VotingIntegers)
    return model


ALL_BANDS = tuple(range(VOTE_BANDS + 1))
SHAPES: list[dict[str, Any]] = [
    {},
    {"group_edges": ALL_BANDS, "entries": 3, "neighbours": 3, "projections": 4},  # a dictionary for each band, K = N
    {"group_edges": (0, VOTE_BANDS), "thresholds": 1, "bit_votes": False, "settling": (0, 0, 0, 0), "entries": 70},
    {
        "projections": 80,
        "thresholds": 4,
        "group_edges": (0, 1, 79, 80),
        "neighbours": 32,
        "settling": (15, 0, 255, 255),
    },
    {"projections": 63, "thresholds": 1, "neighbours": 1, "entries": 1, "settling": (0, 15, 0, 255)},
    {"projections": 1, "thresholds": 2, "entries": 1030, "neighbours": 31, "group_edges": (0, 80)},  # two groups
]


@pytest.mark.heavy
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_hard_signals(rng: np.random.Generator, shape: dict[str, Any]) -> None:
    model = integers(**shape)
    for name in EDGE_SIGNALS:
        assert_all_agree(model, edge_signal(name, 8 * HOP, rng), name)


@pytest.mark.heavy
@pytest.mark.parametrize("geometry", CLASSES.values(), ids=list(CLASSES))
def test_memory_agrees_past_the_start(rng: np.random.Generator, geometry: Geometry) -> None:
    ticks = geometry.hops_per_tick * geometry.hop
    signal = edge_signal("speech_like", 70 * ticks, rng)
    model = integers(geometry=geometry)
    assert_all_agree(model, np.concatenate([signal, signal >> 6, signal[: 20 * ticks]]), "speech in and out")


@pytest.mark.heavy
def test_steady_hops_agree_and_only_they_lose_votes() -> None:
    """A buzz whose period is half a hop sounds alike in each hop; then it becomes louder, and stays so."""
    period = np.zeros(HOP // 2, np.int16)
    period[:2] = 1000, -500
    buzz = np.tile(period, 200)
    signal = np.concatenate([buzz, buzz * 3, np.zeros(70 * HOP, np.int16)])
    model = integers(settling=(0, 0, 0, 255))
    assert_all_agree(model, signal, "buzz")
    found = VectorisedDenoiser(model).stages(signal)
    steady = steady_frames(found.features)[:, None]
    calm = steady & (np.arange(len(steady)) >= 64)[:, None]
    assert calm[90] and not steady[104] and calm.sum() > 30
    plain = VectorisedDenoiser(replace(model, steady_votes=0)).stages(signal).mask
    assert (found.mask <= plain).all() and (found.mask < plain)[calm[:, 0]].any()
    assert np.array_equal(found.mask[~calm[:, 0]], plain[~calm[:, 0]])


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, Any]:
    thresholds = draw(st.integers(1, 4))
    geometry = draw(st.sampled_from(ALL_GEOMETRIES))
    groups = draw(st.integers(1, geometry.bands))
    inner = draw(st.lists(st.integers(1, geometry.bands - 1), min_size=groups - 1, max_size=groups - 1, unique=True))
    neighbours = draw(st.integers(1, min(MAX_NEIGHBOURS, MAX_FOUND // groups)))
    return {
        "seed": draw(st.integers(0, 2**32 - 1)),
        "thresholds": thresholds,
        "projections": draw(st.integers(1, MAX_BITS // thresholds)),
        "group_edges": (0, *sorted(inner), geometry.bands),
        "geometry": geometry,
        "neighbours": neighbours,
        "entries": neighbours + draw(st.integers(0, 40)),
        "bit_votes": draw(st.booleans()),
        "settling": tuple(draw(st.integers(0, most)) for most in (MAX_SMOOTHING, MAX_SMOOTHING, 255, 255)),
    }


@pytest.mark.heavy
@settings(max_examples=25, deadline=None)
@given(shape=shapes(), level=st.integers(0, 15), seed=st.integers(0, 2**32 - 1))
def test_any_voting_model(shape: dict[str, Any], level: int, seed: int) -> None:
    """level: bits of the samples."""
    samples = np.random.default_rng(seed).integers(-(2**level), 2**level, 4 * shape["geometry"].hop).astype(np.int16)
    assert_all_agree(integers(**shape), samples, f"{shape}")


@pytest.mark.heavy
def test_the_largest_votes_and_sums_agree(rng: np.random.Generator) -> None:
    """Weights, votes and rows of weights at their ends; codes of one kind, so that all distances are alike."""
    model = integers(projections=80, thresholds=4, neighbours=32, entries=40)
    model = replace(
        model,
        projection_q7=np.full_like(model.projection_q7, -128),
        codes=np.repeat(model.codes[:1], len(model.codes), axis=0),
        weights=np.full_like(model.weights, 255),
        votes=np.full_like(model.votes, -128),
        bit_votes=np.full_like(model.bit_votes, -128),
    )
    for name in ("full_scale", "click", "starts_mid_word", "silence"):
        assert_all_agree(model, edge_signal(name, 6 * HOP, rng), name)


@pytest.mark.heavy
def test_ties_within_each_dictionary_go_to_the_lower_index(rng: np.random.Generator) -> None:
    model = integers(entries=100, neighbours=10)
    few = pack_words(rng.random((4, model.bits)) < 0.5)
    model = replace(model, codes=few[rng.integers(0, 4, len(model.codes))])
    assert_all_agree(model, edge_signal("white_noise", 6 * HOP, rng), "tied dictionaries")


def test_a_code_is_a_thermometer(rng: np.random.Generator) -> None:
    model = integers()
    signal = edge_signal("speech_like", 40 * HOP, rng)
    reference = ReferenceDenoiser(model)
    for hop in signal.reshape(-1, HOP):
        vectors = reference.hop(hop)
        words = vectors.code.astype("<u4").view(np.uint8)
        bits = np.unpackbits(words, bitorder="little")[: model.bits].reshape(model.thresholds.shape)
        assert np.array_equal(bits, vectors.accumulators[:, None] >= model.thresholds)
        assert (np.diff(bits.astype(int), axis=1) <= 0).all()


def test_each_dictionary_has_its_neighbours(rng: np.random.Generator) -> None:
    model = integers()
    vectors = VectorisedDenoiser(model).stages(edge_signal("white_noise", 3 * HOP, rng))
    for t in range(3):
        pairs = vectors.hop(t).neighbours.reshape(model.dictionaries, model.neighbours, 2)
        assert (pairs[:, :, 0] // model.entries == np.arange(model.dictionaries)[:, None]).all()
        assert (np.diff(pairs[:, :, 1].astype(int), axis=1) >= 0).all()


def test_the_counted_search_finds_what_the_reference_finds(rng: np.random.Generator) -> None:
    model = integers(entries=140, neighbours=5)
    code = rng.random(model.bits) < 0.5
    query = int.from_bytes(np.packbits(code, bitorder="little").tobytes(), "little")
    for number in range(model.dictionaries):
        dictionary = Dictionary(model, number)
        search = Search(dictionary, code, 1)
        search.run()
        part = model.code_integers[number * model.entries : (number + 1) * model.entries]
        expected = sorted(((query ^ entry).bit_count(), index) for index, entry in enumerate(part))[: model.neighbours]
        assert search.neighbours() == [(index, distance) for distance, index in expected]


def test_the_counted_ranking_takes_the_sets_of_the_reference(rng: np.random.Generator) -> None:
    """Of each dictionary as many sets are gone through as its K nearest entries have distances."""
    model = integers(entries=70, neighbours=9)
    assert is_ranked(model) and not is_ranked(integers(entries=129))
    codes = rng.random((5, model.bits)) < 0.5
    _, distances = Ballot(model).neighbours(codes)
    by_dictionary = distances.reshape(5, model.dictionaries, 9)
    sets = [sum(len(np.unique(each)) for each in hop) for hop in by_dictionary]
    for lanes in (1, 4):
        counts = dict(zip(RANK_TERMS, rank_work(model, codes, lanes).T, strict=True))
        assert counts["ranked_sets"].tolist() == sets
        assert (counts["ranked_entries"] == 9 * model.dictionaries).all()
        assert (counts["resumed"] == counts["ranked_sets"] - model.dictionaries).all()
        assert (counts["measured_rows"] == (9 if lanes == 1 else 3)).all()


def test_float_features_are_the_integers_on_noise(rng: np.random.Generator) -> None:
    """Within the rounding of levels to 1/32 octave, and of moves to 1/64 of that; in units of 1/128 octave."""
    model = integers()
    samples = np.rint(rng.normal(0, 1000, 150 * HOP)).astype(np.int16)
    whole = VectorisedDenoiser(model).stages(samples).features
    smooth = features(stft(samples / 32768), "memory")[: len(whole)]
    error = whole - smooth
    assert np.abs(error[:, :192]).max() < 12 and abs(error[:, :64].mean()) < 0.3
    assert np.abs(error[:, 192:256]).max() < 24  # in units of 1/512 octave
    assert np.abs(error[:, 256]).max() < 6
    assert np.sqrt((error[:, :64] ** 2).mean()) < 2.5


@pytest.mark.parametrize("geometry", ALL_GEOMETRIES, ids=str)
def test_float_levels_of_loud_and_soft_sounds_are_the_integers(rng: np.random.Generator, geometry: Geometry) -> None:
    """The scales of window, spectrum and mel table are in the origin: levels agree over 60 dB."""
    model = integers(geometry=geometry)
    full = geometry.window // geometry.hop  # hops until a frame is full: levels of less are near the origin
    for gain in (1, 30, 1000):
        samples = np.rint(gain * rng.normal(0, 10, (full + 16) * geometry.hop)).astype(np.int16)
        whole = VectorisedDenoiser(model).stages(samples).features[full:]
        smooth = features(stft(samples / 32768, geometry), "memory", geometry)[full : full + len(whole)]
        assert np.sqrt(((whole - smooth)[:, :64] ** 2).mean()) < 3, gain


# ---- images and refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [*SHAPES, *({"geometry": each} for each in CLASSES.values())], ids=str)
def test_an_image_holds_the_whole_model(shape: dict[str, Any]) -> None:
    model = integers(**shape)
    image = encode_image(model)
    found = decode_image(image)
    assert isinstance(found, VotingIntegers) and encode_image(found) == image
    for name in ("projection_q7", "thresholds", "codes", "group_edges", "votes", "weights", "response_q14", "bounds"):
        assert np.array_equal(getattr(found, name), getattr(model, name)), name
    assert (found.bit_votes is None) == (model.bit_votes is None)
    assert (found.smoothing, found.smoothing_down) == (model.smoothing, model.smoothing_down)


def test_bounds_are_stored_where_a_search_reads_them() -> None:
    small, large = integers(entries=SMALL_ENTRIES), integers(entries=SMALL_ENTRIES + 1)
    assert "bounds" not in small.tables() and len(small.bounds) == small.radius == 0
    assert len(large.tables()["bounds"]) == large.dictionaries and large.radius > 0
    image = bytearray(encode_image(small))
    image[96] = 1  # the radius
    with pytest.raises(BlshError, match="the image's bounds are not those of its codes"):
        decode_image(sealed(bytes(image)))


@pytest.mark.parametrize("entries", [SMALL_ENTRIES, SMALL_ENTRIES + 1])
def test_the_core_computes_the_same_checksums(entries: int) -> None:
    model = integers(entries=entries)
    core, crc = HostCore(model), 0
    assert core.dictionary_crc32() == model.dictionary_crc32
    for samples in self_test_signal(HOP).reshape(-1, HOP):
        vectors = core.hop(samples)
        for stage in range(len(STAGES)):
            crc = zlib.crc32(vectors.stage_bytes(stage), crc)
    assert crc == self_test_crc32(model)


def _fallen(model: VotingIntegers) -> VotingIntegers:
    return replace(model, response_q14=model.response_q14[::-1].copy())


def _unordered(model: VotingIntegers) -> VotingIntegers:
    return replace(model, thresholds=model.thresholds[:, ::-1].copy())


def _risen(model: VotingIntegers) -> VotingIntegers:
    return replace(model, weights=model.weights[:, ::-1].copy())


BAD = [
    (_fallen, "may only rise"),
    (_unordered, "do not ascend"),
    (_risen, "may not weigh more|has weight 0"),
]


@pytest.mark.parametrize(("spoil", "words"), BAD, ids=[each[0].__name__ for each in BAD])
def test_a_model_that_no_rule_allows_is_refused_by_core_and_reader(spoil, words: str) -> None:
    bad = spoil(integers())
    with pytest.raises(BlshError, match="the C core refuses the model"):
        HostCore(bad)
    with pytest.raises(BlshError, match=words):
        decode_image(encode_image(bad))


def test_groups_that_leave_bands_out_are_refused() -> None:
    image = bytearray(encode_image(integers(group_edges=(0, 7, 80))))
    edges = np.array([0, 7, 80], "<i2").tobytes()
    at = bytes(image).index(edges)
    image[at : at + 6] = np.array([0, 7, 79], "<i2").tobytes()
    with pytest.raises(BlshError, match="expected ascending edges from 0 to 80"):
        decode_image(sealed(bytes(image)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"entries": 20}, "--entries 20: a voting model keeps its 40 entries; train one of that size"),
        ({"bits": 8}, "--bits 8: a voting model keeps its 36 bits; train one of that size"),
        ({"share": 0.5}, "--share 0.5: a voting model keeps its 40 entries"),
        ({"masks": "bands1"}, "--masks bands1: a voting model has votes and no masks"),
        ({"neighbours": 41}, "41 neighbours of 40 entries"),
        ({"neighbours": 0}, "0 neighbours of 40 entries"),
    ],
)
def test_a_voting_model_is_not_cut(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BlshError, match=words):
        integer_model(random_voting_model(), GenerateOptions(**options))


def test_neighbours_may_be_chosen() -> None:
    model = random_voting_model()
    found = integer_model(model, GenerateOptions(neighbours=3, entries=40, bits=36))
    assert (found.neighbours, found.model_sha256) == (3, model.sha256)
