"""Models with random contents."""

import numpy as np

from blsh_codegen.fixed import BINS
from blsh_codegen.packing import pack_words
from blsh_codegen.quantise import IntegerModel, gain_table, quantised_mel


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
