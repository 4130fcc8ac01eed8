"""Models with random contents, and signals that are hard on fixed-point code."""

import os

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.fixed import BINS
from blsh_codegen.packing import pack_words
from blsh_codegen.quantise import IntegerModel, gain_table, quantised_mel


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator whose seed is printed with a failure; set BLSH_TEST_SEED to repeat one."""
    seed = int(os.environ.get("BLSH_TEST_SEED", np.random.SeedSequence().entropy % 2**32))
    print(f"BLSH_TEST_SEED={seed}")
    return np.random.default_rng(seed)


def random_model(
    rng: np.random.Generator, kind: str = "mel", bits: int = 50, entries: int = 300, neighbours: int = 10
) -> IntegerModel:
    """A model of the right shapes and ranges, with random projections, codes and masks."""
    features = 128 if kind == "mel" else BINS
    return IntegerModel(
        name=f"random-{kind}-{bits}",
        model_sha256=rng.bytes(32).hex(),
        feature_kind=kind,
        bits=bits,
        neighbours=neighbours,
        projection_q15=rng.integers(-32767, 32768, (bits, features)).astype(np.int16),
        bias_q15=rng.integers(-(10**5), 10**5, bits).astype(np.int32),
        codes=pack_words(rng.random((entries, bits)) < 0.5),
        masks=pack_words(rng.random((entries, BINS)) < 0.5),
        gain_q14=gain_table(neighbours),
        mel=quantised_mel() if kind == "mel" else None,
    )


def edge_signals(rng: np.random.Generator, samples: int) -> dict[str, npt.NDArray[np.int16]]:
    """Signals at the edges of int16 and of the block exponent, each `samples` long."""
    n = np.arange(samples)
    square = np.where(n // 37 % 2, 32767, -32768)
    speech_like = np.sin(n * 0.05) * np.sin(n * 0.0007) * rng.normal(1, 0.3, samples) * 12000
    onset = np.where(n < samples // 2 + 17, 0, speech_like)  # from silence into the middle of a word
    signals = {
        "silence": np.zeros(samples),
        "full scale": np.full(samples, 32767),
        "negative full scale": np.full(samples, -32768),
        "alternating full scale": np.where(n % 2, 32767, -32768),
        "one step": rng.integers(-1, 2, samples),
        "single one": (n == samples // 2).astype(float),
        "constant": np.full(samples, 1234),
        "square wave": square,
        "white noise": rng.integers(-32768, 32768, samples),
        "quiet tone": np.round(3 * np.sin(n * 0.3)),
        "loud tone": 32767 * np.sin(n * 0.3),
        "speech-like": speech_like,
        "starts mid-word": onset,
        "click": np.where(n == 700, -32768, 0),
    }
    return {name: np.clip(np.floor(x + 0.5), -32768, 32767).astype(np.int16) for name, x in signals.items()}
