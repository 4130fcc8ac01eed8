# SPDX-License-Identifier: Apache-2.0
"""The search of the C core finds what the plain scan finds, for any dictionary, order and bounds."""

import ctypes
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blsh_codegen.host_core import FLAGS, HOST_VARIANTS, HostCore
from blsh_codegen.model.entry_order import bit_planes, tight_order
from blsh_codegen.model.quantise import gain_table
from blsh_codegen.project import core_folder, stand_ins
from blsh_codegen.spec.packing import pack_words
from blsh_trainer.compute.hamming_index import hamming_knn

from .compilers import UNDEFINED
from .conftest import random_model

pytestmark = pytest.mark.heavy

Bits = npt.NDArray[np.bool_]
Check = Callable[..., int]


@pytest.fixture(scope="session")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Return firmware/bench/search_check.c, built: it makes dictionaries and queries and compares two searches."""

    def run(seed: int, dictionaries: int, words: int = 1100, *flags: str) -> int:
        library = tmp_path_factory.mktemp("check") / "check.so"
        bench = core_folder().parent / "bench"
        sources = [core_folder() / "blsh_search.c", bench / "search_check.c", bench / "plain_scan.c"]
        folders = [f"-I{each}" for each in (core_folder(), bench, stand_ins())] + [f"-DSEARCH_CHECK_WORDS={words}u"]
        subprocess.run(["gcc", *FLAGS, *flags, *folders, *map(str, sources), "-o", str(library)], check=True)
        built = ctypes.CDLL(str(library))
        built.search_check.restype = ctypes.c_uint32
        return int(built.search_check(seed, dictionaries))

    return run


def assert_finds_the_nearest(codes: Bits, neighbours: int, queries: Bits) -> None:
    rng = np.random.default_rng(0)
    model = random_model(rng, "mel", codes.shape[1], 40, neighbours)
    model = replace(model, codes=pack_words(codes), neighbours=neighbours, gain_q14=gain_table(neighbours))
    core = HostCore(model)
    indices, distances = hamming_knn(queries, codes, neighbours)
    for query, index, distance in zip(pack_words(queries), indices, distances, strict=True):
        assert core.nearest(query).tolist() == np.stack([index, distance], axis=1).tolist()


def awkward(rng: np.random.Generator, kind: str, entries: int, bits: int) -> Bits:
    if kind == "equal":
        return np.tile(rng.random(bits) < 0.5, (entries, 1))
    if kind == "few":
        return (rng.random((3, bits)) < 0.5)[rng.integers(0, 3, entries)]
    if kind == "rings":  # many entries at each distance from one code, and so ties at every threshold
        return rng.permuted(np.arange(bits) < rng.integers(0, bits + 1, (entries, 1)), axis=1)
    return rng.random((entries, bits)) < (0.02 if kind == "sparse" else 0.5)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["random", "equal", "few", "rings", "sparse"]),
    bits=st.integers(1, 320),
    neighbours=st.integers(1, 32),
    extra=st.one_of(st.integers(0, 3), st.integers(0, 1200)),
    ordered=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_dictionary(kind: str, bits: int, neighbours: int, extra: int, ordered: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = awkward(rng, kind, neighbours + extra, bits)
    if ordered and len(codes) < 400:
        codes = codes[tight_order(codes)]
    queries = np.concatenate([rng.random((2, bits)) < 0.5, codes[:1], ~codes[-1:], np.zeros((1, bits), np.bool_)])
    assert_finds_the_nearest(codes, neighbours, queries)


@pytest.mark.parametrize("entries", [31, 32, 33, 1023, 1024, 1025, 4095, 4096, 4097, 8200])
def test_sizes_around_blocks_groups_and_what_is_bounded_at_once(rng: np.random.Generator, entries: int) -> None:
    codes = awkward(rng, "rings", entries, 24)
    assert_finds_the_nearest(codes, 10, np.concatenate([rng.random((20, 24)) < 0.5, codes[-3:], codes[:3]]))


def test_answers_do_not_depend_on_earlier_queries(rng: np.random.Generator) -> None:
    model = random_model(rng, entries=2000)
    queries = pack_words(rng.random((30, 50)) < 0.5)
    warm = HostCore(model)
    for query in queries:
        assert np.array_equal(warm.nearest(query), HostCore(model).nearest(query))


def test_thousands_of_dictionaries(check: Check, test_seed: int) -> None:
    assert check(test_seed, 30_000) != 0


def test_every_variant_finds_the_same(check: Check, test_seed: int) -> None:
    """One word at a time, and four: the answers' checksums."""
    assert len({check(test_seed, 3000, 1100, *flags) for flags in HOST_VARIANTS.values()} - {0}) == 1


def test_hundreds_of_larger_dictionaries(check: Check, test_seed: int) -> None:
    assert check(test_seed, 500, 16_000) != 0


def test_no_undefined_behaviour(check: Check, test_seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert check(test_seed, 1000, 6000, *UNDEFINED) != 0
    assert "runtime error" not in capfd.readouterr().err


@pytest.mark.slow
def test_millions_of_dictionaries(check: Check, test_seed: int) -> None:
    assert check(test_seed, 2_000_000) != 0


def test_the_check_notices_a_wrong_answer(tmp_path: Path) -> None:
    """The check detects a search that overlooks neighbours at the K-th distance in another block."""
    source = (core_folder() / "blsh_search.c").read_text()
    broken = source.replace("*search->ranking.last + search->top", "*search->ranking.last - search->first")
    assert broken != source
    (tmp_path / "search.c").write_text(broken)
    bench = core_folder().parent / "bench"
    sources = [tmp_path / "search.c", bench / "search_check.c", bench / "plain_scan.c"]
    library = tmp_path / "check.so"
    command = ["gcc", *FLAGS, f"-I{core_folder()}", f"-I{bench}", *map(str, sources), "-o", str(library)]
    subprocess.run(command, check=True)
    assert ctypes.CDLL(str(library)).search_check(1, 1000) == 0


def test_the_worked_example_holds() -> None:
    """The picture at the head of blsh_distance.h: four codes, their words, and the distances to a fifth."""
    text = (core_folder() / "blsh_distance.h").read_text()
    codes = np.array([line.split() for line in re.findall(r"entry \d +((?:[01] ){8})", text)], int).astype(bool)
    (searched,) = re.findall(r"searched code +((?:[01] ){8})", text)
    words = {int(word): bits.split() for word, bits in re.findall(r"word (\d+) +((?:[01] ){3}[01])", text)}
    planes = bit_planes(codes)[0]
    assert len(codes) == 4 and len(words) == 7 and len(planes) == 15
    for word, bits in words.items():
        assert [int(planes[word]) >> entry & 1 for entry in range(4)] == [int(bit) for bit in bits], f"word {word}"
    distances = (codes != (np.array(searched.split(), int) == 1)).sum(axis=1)
    assert distances.tolist() == [2, 2, 4, 3]
    assert re.search(r"2 \+ 8 less that: 2, 2, 4\s+\* and 3", text)
