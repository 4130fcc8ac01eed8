# SPDX-License-Identifier: Apache-2.0
"""Model images: reading gives what was written, one model has one image, and a damaged image is refused."""

import hashlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blsh_codegen.emit.generate import GenerateOptions, flash_table_bytes, render
from blsh_codegen.emit.model_image import (
    DIGESTED_FROM,
    HEAD,
    decode_image,
    encode_image,
    read_head,
    sealed,
)
from blsh_codegen.emit.self_test import SELF_TEST_HOPS, self_test_crc32, self_test_signal
from blsh_codegen.host_core import HostCore
from blsh_codegen.spec.stages import STAGES
from blsh_trainer.errors import BlshError

from .conftest import random_model

SHAPES = [
    ("mel", 50, 300, 10, "ibm", 0),
    ("stft", 3, 33, 1, "bands1", 0),
    ("tracked", 64, 1100, 8, "bands2", 4),
    ("mel", 320, 40, 32, "bands", 15),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_image_holds_the_whole_model(rng: np.random.Generator, shape: tuple[str, int, int, int, str, int]) -> None:
    model = random_model(rng, *shape, floor=7)
    image = encode_image(model)
    assert image == encode_image(model)
    found = decode_image(image)
    assert encode_image(found) == image
    for name in ("projection_q7", "bias_q3", "codes", "masks", "gain_q14", "planes", "bounds", "band_edges"):
        assert np.array_equal(getattr(found, name), getattr(model, name)), name
    assert (found.mask_kind, found.smoothing) == (model.mask_kind, model.smoothing)
    assert found.feature_kind is model.feature_kind
    tables = sum(-(-size // 4) * 4 for size in flash_table_bytes(model).values())
    assert len(image) == HEAD.size + tables


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["stft", "mel", "tracked"]), st.integers(1, 320), st.integers(1, 200), st.integers(1, 32),
    st.sampled_from(["ibm", "bands", "bands2", "bands1"]), st.integers(0, 15), st.integers(0, 2**32),
)  # fmt: skip
def test_any_model_survives(kind: str, bits: int, more: int, neighbours: int, masks: str, smoothing: int, seed: int):
    model = random_model(np.random.default_rng(seed), kind, bits, neighbours + more, neighbours, masks, smoothing)
    image = encode_image(model)
    assert encode_image(decode_image(image)) == image


def test_the_head_names_model_and_dictionary(rng: np.random.Generator) -> None:
    model = random_model(rng)
    image = encode_image(model)
    head = read_head(image)
    assert (head.name, head.model_sha256, head.dictionary_crc32) == (
        model.name,
        model.model_sha256,
        model.dictionary_crc32,
    )
    assert head.sha256 == hashlib.sha256(image[DIGESTED_FROM:]).digest() == image[4:36]
    assert (head.bytes, head.entries, head.bits, head.radius) == (len(image), 300, 50, model.radius)
    assert head.self_test_crc32 == self_test_crc32(model)


def test_the_self_test_is_what_the_core_computes(rng: np.random.Generator) -> None:
    model = random_model(rng, "tracked", 64, 500, 8, "bands2", 4)
    core, crc = HostCore(model), 0
    hop = model.geometry.hop
    assert self_test_signal(hop).shape == (SELF_TEST_HOPS * hop,)
    for samples in self_test_signal(hop).reshape(-1, hop):
        vectors = core.hop(samples)
        for stage in range(len(STAGES)):
            crc = zlib.crc32(vectors.stage_bytes(stage), crc)
    assert crc == self_test_crc32(model)


def patched(image: bytes, offset: int, form: str, value: int) -> bytes:
    content = bytearray(image)
    struct.pack_into(form, content, offset, value)
    return sealed(bytes(content))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda image: b"PK" + image[2:], "are no model image; expected b'BLSM'"),
        (lambda image: image[:100], "are no model image"),
        (lambda image: image[:-4], "says that it has .* bytes, but there are"),
        (lambda image: image + b"x", "it was cut or grew"),
        (lambda image: image[:-1] + bytes([image[-1] ^ 1]), "SHA-256 is not that of its content"),
        (lambda image: patched(image, 40, "<H", 1), "is of format 1, this checkout writes 3; make it again: blsh push"),
        (lambda image: patched(image, 42, "<H", 4), "is of runtime format 4, this is 6; make it again: blsh push"),
        (lambda image: patched(image, 88, "<B", 4), "feature kind = 4, which no model has"),
        (lambda image: patched(image, 89, "<B", 1), "flags = 1, which no model has"),
        (lambda image: patched(image, 92, "<H", 0), "bits = 0, which no model has"),
        (lambda image: patched(image, 94, "<B", 40), "neighbours = 40"),
        (lambda image: patched(image, 95, "<B", 2), "dictionaries = 2, which no model has"),
        (lambda image: patched(image, 101, "<B", 2), "thresholds = 2, which no model has"),
        (lambda image: patched(image, 103, "<B", 2), r"smoothing = \(0, 2\), which no model has"),
        (lambda image: patched(image, 98, "<H", 7), r"level bits of a mask = \(7, 1\)"),
        (lambda image: patched(image, 108, "<H", 44_100), "a geometry that no model has: a rate of 44100 Hz"),
        (lambda image: patched(image, 110, "<H", 700), "a geometry that no model has: a window of 700 samples"),
        (lambda image: patched(image, 112, "<H", 96), "a geometry that no model has: a hop of 96 samples does not"),
        (lambda image: patched(image, 114, "<H", 256), "a geometry that no model has: a synthesis of 256 samples"),
        (lambda image: patched(image, 110, "<H", 512), "a geometry that no model has: a synthesis of 1024 samples"),
        (lambda image: patched(image, 108, "<H", 8_000), "a geometry that no model has: a hop of 256 samples does not"),
        (lambda image: patched(image, 114, "<H", 512), "its tables|within a table"),
        (lambda image: patched(image, 116, "<H", 702), "an origin of 702, expected 0"),
        (lambda image: patched(image, 118, "<H", 61), "a limit that no model has: attenuation is 61; choose"),
        (
            lambda image: patched(image, HEAD.size + 50 * 128 + 256 + 2, "<h", 77),
            "table `window` is not that of the geom",
        ),
        (lambda image: patched(image, 84, "<I", 200), "its tables|within a table"),
        (lambda image: patched(image, 84, "<I", 9000), "within a table; it was cut"),
        (lambda image: patched(image, 76, "<I", 1), "its dictionary has CRC|image's dictionary has CRC"),
        (lambda image: patched(image, 96, "<H", 30), "bounds are not those of its codes|its tables"),
    ],
)
def test_what_is_no_whole_image_is_refused(rng: np.random.Generator, spoil, words: str) -> None:
    with pytest.raises(BlshError, match=words):
        decode_image(spoil(encode_image(random_model(rng))))


# ---- room in the firmware for such models ---------------------------------------------------------------------


def limits(model, **options: object) -> str:
    return render(model, GenerateOptions(**options))["blsh_limits.h"]  # type: ignore[arg-type]


def test_without_slots_the_state_is_as_large_as_the_model(rng: np.random.Generator) -> None:
    text = limits(random_model(rng))
    assert "BLSH_MAX_BITS 50u" in text and "BLSH_MAX_SMOOTHED 1u" in text
    assert "BLSH_SLOTS" not in text


def test_slots_leave_the_room_that_was_asked_for(rng: np.random.Generator) -> None:
    model = random_model(rng, "mel", 50, 300, 10, "bands", 4)
    assert "BLSH_MAX_BITS 50u" in limits(model, slots=True)
    assert "#define BLSH_SLOTS 1" in limits(model, slots=True)
    text = limits(model, slots=True, room_bits=128, room_neighbours=4, room_smoothed=513)
    assert "BLSH_MAX_BITS 128u" in text
    assert "BLSH_MAX_NEIGHBOURS 10u" in text  # never less than the model's own
    assert "BLSH_MAX_SMOOTHED 513u" in text
    assert "--slots --room-bits 128 --room-neighbours 4 --room-smoothed 513" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"slots": True, "room_bits": 321}, "--room-bits 321; the core holds 1 to 320"),
        ({"slots": True, "room_neighbours": 0}, "--room-neighbours 0; the core holds 1 to 32"),
        ({"slots": True, "room_smoothed": 514}, "--room-smoothed 514; the core holds 1 to 513"),
        ({"room_bits": 64}, "--room-bits 64 without --slots: only models that are pushed need room"),
    ],
)
def test_room_that_makes_no_sense_is_refused(rng: np.random.Generator, options: dict[str, object], words: str) -> None:
    with pytest.raises(BlshError, match=words):
        limits(random_model(rng), **options)
