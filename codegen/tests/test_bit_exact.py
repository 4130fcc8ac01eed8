# SPDX-License-Identifier: Apache-2.0
"""The scalar reference, the vectorised twin and the C core compute the same integers at every stage."""

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blsh_codegen.emit.generate import GenerateOptions, integer_model
from blsh_codegen.host_core import HOST_VARIANTS, HostCore, compile_core
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.constants import MAX_BITS, MAX_NEIGHBOURS
from blsh_codegen.spec.hard_signals import EDGE_SIGNALS, edge_signal
from blsh_codegen.spec.packing import pack_words
from blsh_trainer.model.artifact import MAX_FLOOR, Model
from blsh_trainer.signals.features import MASK_FEATURES, find_feature_kind
from blsh_trainer.signals.geometry import CLASSES, RECORDER, WINDOWS, Geometry
from blsh_trainer.signals.masks import MASK_KINDS, MAX_SMOOTHING
from blsh_trainer.signals.spectra import analysis_window

from .agreement import assert_all_agree
from .compilers import UNDEFINED
from .conftest import ALL_GEOMETRIES, random_model

pytestmark = pytest.mark.heavy

HOP = RECORDER.hop
QUICK_AND_SLOW = [
    *("portable", "Helium"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in HOST_VARIANTS if name not in ("portable", "Helium")),
]
"""Variants of the core's primitives; the two between the plainest and the widest are slow."""


@pytest.mark.parametrize(
    ("kind", "bits", "neighbours", "masks", "smoothing", "floor"),
    [
        ("mel", 50, 10, "ibm", 0, 0),
        ("stft", 33, 3, "ibm", 0, 0),
        ("tracked", 64, 8, "bands", 4, 13),
        ("tracked", 40, 32, "ibm", 0, 1),
        ("mel", 20, 1, "bands", 15, 0),
    ],
)
def test_edge_signals(
    rng: np.random.Generator, kind: str, bits: int, neighbours: int, masks: str, smoothing: int, floor: int
) -> None:
    model = random_model(rng, kind, bits, 300, neighbours, masks, smoothing, floor)
    for name in EDGE_SIGNALS:
        assert_all_agree(model, edge_signal(name, 12 * HOP, rng), name)


@pytest.mark.parametrize(("kind", "digest"), [("mel", 0x7A60EFFF), ("stft", 0xEBC23D47)])
def test_runtime_format_6_is_what_4_was(kind: str, digest: int) -> None:
    """Every stage of every edge signal keeps its digest: with this format, old models sound as they did."""
    rng = np.random.default_rng(1)
    levels = (rng.random((200, RECORDER.bins)) < 0.5).astype(np.uint8)
    model = Model(
        name="paper",
        feature_kind=kind,
        neighbours=10,
        projections=rng.normal(size=(40, find_feature_kind(kind).count())),
        biases=rng.normal(size=40),
        betas=np.ones(40),
        code_bits=rng.random((200, 40)) < 0.5,
        mask_levels=levels,
        card={"seed": 1},
    )
    integers = integer_model(model, GenerateOptions(entries=150))
    found = integers.dictionary_crc32
    for name in EDGE_SIGNALS:
        vectors = VectorisedDenoiser(integers).stages(edge_signal(name, 8 * HOP, rng))
        for t in range(8):
            found = zlib.crc32(np.array(vectors.hop(t).digests(), "<u4").tobytes(), found)
    assert found == digest


@pytest.mark.parametrize("geometry", CLASSES.values(), ids=list(CLASSES))
def test_edge_signals_in_each_class(rng: np.random.Generator, geometry: Geometry) -> None:
    model = random_model(rng, "tracked", 40, 200, 8, "bands2", 6, 13, geometry=geometry)
    signal = np.concatenate([edge_signal(name, 4 * geometry.hop, rng) for name in EDGE_SIGNALS])
    assert_all_agree(model, signal, str(geometry))


SHAPES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(list(MASK_FEATURES)),
        "masks": st.sampled_from(list(MASK_KINDS)),
        "smoothing": st.integers(0, MAX_SMOOTHING),
        "floor": st.integers(0, MAX_FLOOR),
        "bits": st.integers(1, MAX_BITS),
        "neighbours": st.integers(1, MAX_NEIGHBOURS),
        "geometry": st.sampled_from(ALL_GEOMETRIES),
    }
)
"""Arguments of random_model but `entries`."""


@settings(max_examples=40, deadline=None)
@given(shape=SHAPES, extra=st.integers(0, 90), level=st.integers(0, 15), seed=st.integers(0, 2**32 - 1))
def test_any_model(shape: dict[str, Any], extra: int, level: int, seed: int) -> None:
    """extra: entries beyond the neighbours. level: bits of the samples."""
    rng = np.random.default_rng(seed)
    model = random_model(rng, entries=shape["neighbours"] + extra, **shape)
    samples = rng.integers(-(2**level), 2**level, 5 * shape["geometry"].hop).astype(np.int16)
    assert_all_agree(model, samples, f"{shape}")


def test_ties_go_to_the_lower_index(rng: np.random.Generator) -> None:
    model = random_model(rng, bits=8, entries=200, neighbours=10)
    few = pack_words(rng.random((4, 8)) < 0.5)  # four codes shared by all entries: almost every distance is a tie
    model = replace(model, codes=few[rng.integers(0, 4, 200)])
    assert_all_agree(model, edge_signal("white_noise", 6 * HOP, rng), "tied dictionary")


def test_identical_entries_give_the_first_k(rng: np.random.Generator) -> None:
    model = random_model(rng, bits=50, entries=64, neighbours=10)
    model = replace(model, codes=np.repeat(model.codes[:1], 64, axis=0))
    hop = HostCore(model).hop(np.ones(HOP, np.int16))
    assert hop.neighbours[0::2].tolist() == list(range(10))


def test_noise_floors_and_smoothed_masks_agree_past_the_start(rng: np.random.Generator) -> None:
    """40 hops: the 32 in which floors rise fast, then a fade to digital silence, then loud noise."""
    levels = np.concatenate([np.full(34, 3000.0), [300, 30, 3, 0, 0, 20_000]]).repeat(HOP)
    samples = (rng.normal(0, 1, len(levels)) * levels).clip(-32768, 32767).astype(np.int16)
    assert_all_agree(random_model(rng, "tracked", masks="bands", smoothing=9, floor=26), samples, "a fade")


@pytest.mark.parametrize("extended", [False, True])
def test_twin_and_core_agree_over_minutes(rng: np.random.Generator, extended: bool) -> None:
    options = {"kind": "tracked", "masks": "bands", "smoothing": 13, "floor": 20} if extended else {}
    model = random_model(rng, entries=500, **options)  # type: ignore[arg-type]
    samples = (rng.normal(0, 1, 1100 * HOP) * np.exp(rng.normal(5, 3, 1100).repeat(HOP))).clip(-32768, 32767)
    samples = samples.astype(np.int16)  # 1100 hops: three chunks of the twin
    assert np.array_equal(VectorisedDenoiser(model).hops(samples), HostCore(model).hops(samples))


@pytest.mark.parametrize("geometry", ALL_GEOMETRIES, ids=str)
def test_the_output_is_as_late_as_the_core_says(rng: np.random.Generator, geometry: Geometry) -> None:
    """Masks that let all pass: the output is the input, but for rounding, and for the delay."""
    model = random_model(rng, geometry=geometry)
    core = HostCore(replace(model, masks=np.full_like(model.masks, 0xFFFF_FFFF)))
    samples = rng.integers(-20_000, 20_000, 20 * geometry.hop).astype(np.int16)
    delay = core.delay_samples()
    output = core.hops(samples)
    assert delay == geometry.lag and np.abs(output[:delay]).max() <= 8
    assert np.abs(output[delay:].astype(int) - samples[: len(samples) - delay]).max() <= 8


@pytest.mark.parametrize("variant", QUICK_AND_SLOW)
def test_core_has_no_undefined_behaviour(
    rng: np.random.Generator, capfd: pytest.CaptureFixture[str], variant: str
) -> None:
    library = compile_core((*UNDEFINED, *HOST_VARIANTS[variant]))
    for geometry in CLASSES.values():
        for kind, masks, smoothing in (("mel", "ibm", 0), ("stft", "ibm", 0), ("tracked", "bands", 15)):
            core = HostCore(random_model(rng, kind, 64, 100, 10, masks, smoothing, geometry=geometry), library)
            for name in EDGE_SIGNALS:
                core.hops(edge_signal(name, 20 * geometry.hop, rng))
    assert "runtime error" not in capfd.readouterr().err


@pytest.mark.parametrize("variant", QUICK_AND_SLOW)
def test_worst_case_phases_stay_inside_the_bounds(
    rng: np.random.Generator, capfd: pytest.CaptureFixture[str], variant: str
) -> None:
    """The frames grow as far as SPEC.md, 7 allows: their window is undone, all bins are in phase at one sample."""
    library = compile_core((*UNDEFINED, *HOST_VARIANTS[variant]))
    for geometry in [Geometry(16_000, N, 64, M) for N in WINDOWS for M in (N, N // 2)]:
        window = np.maximum(analysis_window(geometry), 1e-4)
        last = geometry.window - 1
        for place in (0, 1, last // 2, last // 2 + 1, last):
            chirp = np.sign(rng.normal(size=geometry.window)) / window
            chirp[place] = 1e4
            frame = np.clip(chirp / np.abs(chirp).max() * 32767 * 40, -32768, 32767).astype(np.int16)
            model = random_model(rng, "tracked", entries=32, geometry=geometry)
            masks = np.full_like(model.masks[0], 0x5555_5555 << place % 2)
            model = replace(model, masks=np.tile(masks, (32, 1)))
            samples = np.tile(frame, 3)
            assert np.array_equal(HostCore(model, library).hops(samples), VectorisedDenoiser(model).hops(samples))
    assert "runtime error" not in capfd.readouterr().err
