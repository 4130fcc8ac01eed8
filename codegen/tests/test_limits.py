# SPDX-License-Identifier: Apache-2.0
"""Models that firmware cannot hold: they are refused with the numbers before anything is written, and by the core."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit import model_image as image
from blsh_codegen.emit.generate import GenerateOptions, generate, integer_model
from blsh_codegen.emit.model_image import decode_image, encode_image, read_head
from blsh_codegen.host_core import HostCore
from blsh_codegen.model import quantise
from blsh_codegen.model.mel_bands import MelBands, mel_of, quantised_mel
from blsh_codegen.model.quantise import IntegerModel, quantise_projections
from blsh_codegen.spec.constants import MAX_BITS, MAX_ENTRIES, MAX_MEL_BANDS, MAX_NEIGHBOURS, MAX_SMOOTHING
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model
from blsh_trainer.signals.features import FEATURE_KINDS

from .conftest import random_model
from .exports import artifact

SPEC = Path(__file__).resolve().parents[2] / "docs" / "SPEC.md"


def test_the_specification_has_the_same_limits() -> None:
    words = " ".join(SPEC.read_text(encoding="utf-8").split())
    assert f"L outside 1 … {MAX_BITS}; K outside 1 … {MAX_NEIGHBOURS}; E < K or above 2²⁰;" in words
    assert MAX_ENTRIES == 2**20
    assert f"smoothing a, 0 … {MAX_SMOOTHING};" in words


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(rng: np.random.Generator, value: float) -> None:
    weights, biases = rng.normal(size=(6, 128)), rng.normal(size=6)
    spoilt = weights.copy()
    spoilt[4, 100] = value
    with pytest.raises(BlshError, match="bit 4 has a weight that is not finite; train"):
        quantise_projections(spoilt, biases)
    spoilt_biases = biases.copy()
    spoilt_biases[2] = value
    with pytest.raises(BlshError, match="bit 2 has a weight that is not finite; train"):
        quantise_projections(weights, spoilt_biases)
    with pytest.raises(BlshError, match="projections must be finite"):
        replace(artifact(rng), projections=np.where(np.arange(40)[:, None] == 4, value, artifact(rng).projections))


@pytest.mark.parametrize("peak", [5e-324, 1e-310, 1e-303])
def test_a_projection_that_would_saturate(rng: np.random.Generator, peak: float) -> None:
    """The scale of a row of zeros would be infinite, and each of its weights an extreme or no number."""
    weights = rng.normal(size=(6, 128))
    weights[3] = weights[3] / np.abs(weights[3]).max() * peak
    with pytest.raises(BlshError, match=r"the projection of bit 3 peaks at \d.*e-3\d\d: .*would saturate"):
        quantise_projections(weights, np.zeros(6))


@pytest.mark.parametrize("size", [1e-290, 1.0, 1e290])
def test_projections_of_any_usual_size_are_quantised_alike(rng: np.random.Generator, size: float) -> None:
    weights, biases = rng.normal(size=(6, 128)), rng.normal(size=6)
    expected, actual = quantise_projections(weights, biases), quantise_projections(weights * size, biases * size)
    assert all(np.abs(a.astype(int) - e.astype(int)).max() <= 1 for a, e in zip(actual, expected, strict=True))


def test_a_bias_that_no_frame_outweighs(rng: np.random.Generator) -> None:
    with pytest.raises(BlshError, match=r"bias 1e\+09 of bit 1 is .*train the model again"):
        quantise_projections(rng.normal(size=(3, 8)), np.array([0, 1e9, 0]))


def test_more_entries_than_an_index_holds(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is made smaller here: a million entries take seconds to make."""
    monkeypatch.setattr(quantise, "MAX_ENTRIES", 199)
    with pytest.raises(BlshError, match="200 dictionary entries: firmware indexes 1 to 199; keep fewer"):
        integer_model(artifact(rng), GenerateOptions())
    assert integer_model(artifact(rng), GenerateOptions(entries=199)).entries == 199


def test_core_refuses_them_too(rng: np.random.Generator) -> None:
    core = HostCore(random_model(rng))
    for count in (MAX_ENTRIES + 1, 2**32 - 1, 9):
        core.struct.entries = count
        with pytest.raises(BlshError, match="fewer entries than neighbours, or more than BLSH_MAX_ENTRIES"):
            core.reset()


WRONG_WIDTH: dict[str, tuple[Callable[[Model], Model], str]] = {
    "a band less": (
        lambda model: replace(model, mask_levels=model.mask_levels[:, :-1]),
        r"mask_levels has shape \(200, 79\); expected \(200, 80\)",
    ),
    "masks of bins": (
        lambda model: replace(model, mask_levels=np.zeros((200, 513), np.uint8)),
        r"mask_levels has shape \(200, 513\); expected \(200, 80\)",
    ),
    "another number of masks": (
        lambda model: replace(model, mask_levels=model.mask_levels[:-1]),
        r"mask_levels has shape \(199, 80\); expected \(200, 80\)",
    ),
    "a level too high": (
        lambda model: replace(model, mask_levels=np.full((200, 80), 16, np.uint8)),
        "16.*15|15.*16",
    ),
}


@pytest.mark.parametrize("case", WRONG_WIDTH)
def test_masks_that_do_not_match(rng: np.random.Generator, case: str) -> None:
    spoil, words = WRONG_WIDTH[case]
    model = artifact(rng)
    with pytest.raises(BlshError, match=words):
        spoil(model)


def test_a_place_that_cannot_be_written_holds_nothing_half(rng: np.random.Generator, tmp_path: Path) -> None:
    """All texts are made before the first is written, so a model that cannot be rendered leaves an old folder alone."""
    model = random_model(rng)
    generate(model, GenerateOptions(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="non-hexadecimal"):
        generate(replace(random_model(rng), model_sha256="no digest"), GenerateOptions(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# ---- what would take the arithmetic out of its bounds -------------------------------------------------------------


def with_bands(rng: np.random.Generator, bands: int) -> IntegerModel:
    """Return a model of `mel` features with `bands` filters of one bin each."""
    weights = np.full(bands, 32_767, np.int16)
    mel = MelBands(np.arange(bands, dtype=np.int16), np.ones(bands, np.int16), weights)
    projection = rng.integers(-127, 128, (20, bands)).astype(np.int8)
    return replace(random_model(rng, "mel", 20), projection_q7=projection, mel=mel)


@pytest.fixture
def _no_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the self-test of images: the reference cannot run their models."""
    monkeypatch.setattr(image, "self_test_crc32", lambda model: 0)


@pytest.mark.usefixtures("_no_self_test")
@pytest.mark.parametrize("bands", [129, 300, 512])
def test_more_mel_bands_than_the_norm_has_room_for(rng: np.random.Generator, bands: int) -> None:
    """With them the norm may pass 2^18, and the bias would be shifted by a negative count."""
    model = with_bands(rng, bands)
    with pytest.raises(BlshError, match="feature kind or count is unknown"):
        HostCore(model)
    with pytest.raises(BlshError, match=f"the image has features = {bands}, which no model has"):
        read_head(encode_image(model))
    with pytest.raises(BlshError, match=f"{bands} mel bands; with more than {MAX_MEL_BANDS} the arithmetic"):
        quantised_mel(bands)


@pytest.mark.parametrize("bands", [1, 64, 128])
def test_fewer_mel_bands_are_taken(rng: np.random.Generator, bands: int) -> None:
    model = with_bands(rng, bands)
    HostCore(model)
    assert encode_image(decode_image(encode_image(model))) == encode_image(model)


@pytest.mark.usefixtures("_no_self_test")
@pytest.mark.parametrize("kind", ["mel", "tracked"])
@pytest.mark.parametrize(("weights", "words"), [([-1], "weights from -1 on"), ([32_767] * 3, "sums up to")])
def test_mel_bands_that_amplify(rng: np.random.Generator, kind: str, weights: list[int], words: str) -> None:
    """The sum of a band must stay below 2^31, or a root or a norm is shifted by a negative count."""
    model = random_model(rng, kind, 20)
    mel = mel_of(FEATURE_KINDS[kind])
    assert mel is not None
    spoilt, last = mel.weights_q16.copy(), int(mel.counts[-1])
    assert last >= 3
    spoilt[-len(weights) :] = weights
    model = replace(model, mel=replace(mel, weights_q16=spoilt))
    with pytest.raises(BlshError, match="its mel bands are not what they may be"):
        HostCore(model)
    with pytest.raises(BlshError, match=words):
        decode_image(encode_image(model))


@pytest.mark.usefixtures("_no_self_test")
@pytest.mark.parametrize("gain", [-1, 16_385])
def test_gains_beyond_0_and_1(rng: np.random.Generator, gain: int) -> None:
    model = random_model(rng, "stft", 20, masks="bands")
    gains = model.gain_q14.copy()
    gains[-2] = gain
    with pytest.raises(BlshError, match="a gain is not 0 to 1"):
        HostCore(replace(model, gain_q14=gains))
    with pytest.raises(BlshError, match=r"the image has gains of .*, expected 0 to 16384"):
        decode_image(encode_image(replace(model, gain_q14=gains)))
