# SPDX-License-Identifier: Apache-2.0
"""Check regression vectors, the models that they hold, and how a difference is shortened."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_codegen.spec.stages import STAGES
from blsh_hil.link.hops import HopReply
from blsh_hil.prove.compare import READ_BACK, compare
from blsh_hil.prove.core_client import CoreClient
from blsh_hil.prove.recipes import DICTIONARIES, SEGMENTS, Recipe, Segment, joined, recipes
from blsh_hil.prove.regression_vectors import COMMITTED_FOLDER, Vector, renew, shortest_difference, vector_of
from blsh_hil.wire.protocol import ATTENUATION_OF_MODEL
from blsh_trainer.errors import BlshError

SMALL = Recipe(5, bits=12, neighbours=3, entries=40)
HOP = SMALL.geometry.hop


@pytest.fixture
def vector(rng: np.random.Generator) -> Vector:
    return vector_of(edge_signal("speech_like", 6 * HOP, rng), 4, "mask", SMALL.model(), SMALL, "made up")


# ---- files ---------------------------------------------------------------------------------------------------


def test_a_vector_comes_back_from_its_file_byte_for_byte(vector: Vector, tmp_path: Path) -> None:
    path = vector.save(tmp_path / "deep" / "v.json")
    loaded = Vector.load(path)
    assert np.array_equal(loaded.samples, vector.samples) and len(loaded.samples) == 5 * HOP
    assert loaded.to_json() == vector.to_json() == path.read_text()
    assert loaded.reference_digest(VectorisedDenoiser(loaded.model())) == vector.digest


SPOILT = {
    "no JSON": (lambda text: text[:-20], "v.json is no vector .JSONDecodeError"),
    "another format": (lambda text: text.replace('"vector_format": 1', '"vector_format": 2'), "vector format 2 and"),
    "another runtime": (
        lambda text: text.replace(f'"runtime_format": {RUNTIME_FORMAT}', '"runtime_format": 9'),
        "runtime format 9, ",
    ),
    "no samples": (lambda text: text.replace("samples_zlib", "samples"), "no vector .KeyError: 'samples_zlib'"),
    "damaged samples": (
        lambda text: text.replace('"eNo', '"AAAA', 1).replace('"eN', '"AA', 1),
        "v.json is no vector .*copy it again",
    ),
    "no such stage": (lambda text: text.replace('"mask"', '"mosk"'), "stage 'mosk' in 1280 samples; expected whole"),
    "no such hop": (lambda text: text.replace('"hop": 4', '"hop": 5'), "hop 5 of stage 'mask' in 1280 samples"),
    "no such recipe": (lambda text: text.replace('"features"', '"fetures"'), "is no recipe of a model"),
    "too many bits": (lambda text: text.replace('"bits": 12', '"bits": 321'), "bits = 321; expected an integer from 1"),
    "fewer entries than K": (lambda text: text.replace('"entries": 40', '"entries": 2'), "entries = 2; .* from 3 to"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_file_that_is_no_vector_is_refused(vector: Vector, tmp_path: Path, case: str) -> None:
    spoil, words = SPOILT[case]
    path = vector.save(tmp_path / "v.json")
    text = path.read_text()
    assert spoil(text) != text
    path.write_text(spoil(text))
    with pytest.raises(BlshError, match=words):
        Vector.load(path)


def test_a_recipe_that_makes_another_model_is_noticed(vector: Vector) -> None:
    with pytest.raises(BlshError, match=r"makes model [0-9a-f]{12} here, expected ffffffffffff: another numpy"):
        replace(vector, model_sha256="f" * 64).model()
    with pytest.raises(BlshError, match="which is no recipe; name it by --model"):
        replace(vector, recipe=None).model()
    assert vector.fits(vector.model()) and not vector.fits(Recipe(6).model())


def test_a_vector_is_renewed_after_a_change_of_the_arithmetic(vector: Vector, tmp_path: Path) -> None:
    path = replace(vector, digest=vector.digest ^ 1).save(tmp_path / "v.json")
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"runtime_format": 2}))
    renew(path)
    assert Vector.load(path).digest == vector.digest


def test_what_is_committed_is_small_and_says_why() -> None:
    paths = sorted(COMMITTED_FOLDER.glob("*.json"))
    assert len(paths) >= 5
    for path in paths:
        committed = Vector.load(path)
        assert committed.recipe is not None and len(committed.why) > 30
        assert path.stat().st_size < 20_000


# ---- cutting down ---------------------------------------------------------------------------------------------


class Wrong(CoreClient):
    """A core that adds one to the first value of a stage in each hop that comes behind `after` hops of noise."""

    def __init__(self, recipe: Recipe, stage: str, after: int) -> None:
        super().__init__(recipe.model())
        self._stage, self._after, self._loud = STAGES.index(stage), after, 0

    def reset_stream(self) -> None:
        super().reset_stream()
        self._loud = 0

    def hop(
        self,
        samples: npt.NDArray[np.int16],
        *,
        digests: bool = False,
        dump_stage: int | None = None,
        attenuation: int = ATTENUATION_OF_MODEL,
    ) -> HopReply:
        reply = super().hop(samples, digests=digests, dump_stage=dump_stage, attenuation=attenuation)
        self._loud += bool(np.abs(samples.astype(int)).max() > 8000)
        if self._loud < self._after:
            return reply
        if reply.digests is not None:
            changed = list(reply.digests)
            changed[self._stage] ^= 1
            reply = replace(reply, digests=tuple(changed))
        if dump_stage == self._stage and reply.stage_bytes is not None:
            data = bytearray(reply.stage_bytes)
            data[0] ^= 1
            reply = replace(reply, stage_bytes=bytes(data))
        return reply


@pytest.mark.parametrize(("after", "hops"), [(1, 4), (4, 4), (7, 8), (30, 40), (90, 120)])
def test_a_difference_is_cut_down_to_the_hops_that_it_needs(rng: np.random.Generator, after: int, hops: int) -> None:
    noise = edge_signal("white_noise", 120 * HOP, rng)
    client, reference = Wrong(SMALL, "mask", after), VectorisedDenoiser(SMALL.model())
    found = compare(client, reference, noise)
    assert found.first is not None and (found.first.stage, found.first.hop) == ("mask", after - 1)
    late = compare(client, reference, noise, stages=("mask",)).first
    assert late is not None
    last = replace(late, hop=119)  # as if the difference had been seen at the end only
    short = shortest_difference(client, reference, noise, last, STAGES)
    assert short is not None
    samples, first = short
    assert len(samples) == after * HOP <= hops * HOP and first.hop == after - 1


def test_a_difference_that_does_not_come_again_is_no_vector(rng: np.random.Generator) -> None:
    noise = edge_signal("white_noise", 20 * HOP, rng)
    reference = VectorisedDenoiser(SMALL.model())
    first = compare(Wrong(SMALL, "code", 3), reference, noise).first
    assert first is not None
    assert shortest_difference(CoreClient(SMALL.model()), reference, noise, first, STAGES) is None


def test_a_board_that_is_all_wrong_is_not_read_back_for_hours(rng: np.random.Generator) -> None:
    noise = edge_signal("white_noise", (READ_BACK + 40) * HOP, rng)
    found = compare(Wrong(SMALL, "output", 1), VectorisedDenoiser(SMALL.model()), noise)
    assert found.mismatches["output"] == READ_BACK
    assert found.values == found.hops * (1025 + 1026 + 128 + 12 + 1 + 6 + 513 + 256)


# ---- what is generated ----------------------------------------------------------------------------------------


def test_the_same_recipe_makes_the_same_model_and_another_another() -> None:
    made = [recipe.model() for recipe in recipes(14)]
    again = recipes(14)[1].model()
    assert again.model_sha256 == made[1].model_sha256 and again.dictionary_crc32 == made[1].dictionary_crc32
    assert len({model.model_sha256 for model in made}) == len(made)
    assert [model.bits for model in made[:3]] == [1, 300, 300]


@pytest.mark.parametrize("dictionary", DICTIONARIES)
def test_every_kind_of_dictionary_is_what_it_says(dictionary: str) -> None:
    codes = Recipe(3, bits=40, entries=200, dictionary=dictionary).model().code_bits()
    distinct = len(np.unique(codes, axis=0))
    assert {"equal": distinct == 1, "few": distinct <= 3}.get(dictionary, distinct > 30)


def test_segments_are_as_long_as_asked_for_and_within_range() -> None:
    for kind in SEGMENTS:
        for length in (1, 2, 57, 1025):
            samples = Segment(kind, length, 3, 9).samples()
            assert samples.dtype == np.int16 and samples.shape == (length,), kind
    assert len(joined([Segment("decay", 3), Segment("bits", 4)])) == 7 and len(joined([])) == 0
    assert np.array_equal(Segment("jumps", 99, 1, 4).samples(), Segment("jumps", 99, 1, 4).samples())
