"""Models with random contents for the tests of slots and pushes."""

import numpy as np

from blsh_codegen.packing import pack_words
from blsh_codegen.quantise import IntegerModel, gain_table, mel_of
from blsh_trainer.masks import MASK_KINDS
from blsh_trainer.spectra import feature_count


def slot_model(
    seed: int,
    kind: str = "mel",
    bits: int = 40,
    entries: int = 200,
    neighbours: int = 5,
    masks: str = "bands",
    smoothing: int = 3,
    name: str | None = None,
) -> IntegerModel:
    """A model of these dimensions, random in all it holds."""
    rng = np.random.default_rng(seed)
    mask_kind = MASK_KINDS[masks]
    levels = rng.integers(0, mask_kind.top + 1, (entries, mask_kind.width)).astype(np.uint8)
    return IntegerModel(
        name=name or f"slot-{seed}",
        model_sha256=rng.bytes(32).hex(),
        feature_kind=kind,
        bits=bits,
        neighbours=neighbours,
        projection_q7=rng.integers(-127, 128, (bits, feature_count(kind))).astype(np.int8),
        bias_q3=rng.integers(-(10**4), 10**4, bits).astype(np.int16),
        codes=pack_words(rng.random((entries, bits)) < 0.5),
        masks=pack_words(mask_kind.level_rows(levels)),
        gain_q14=gain_table(neighbours, mask_kind.top, 5),
        mel=mel_of(kind),
        mask_kind=mask_kind,
        smoothing=smoothing,
    )


def tiny_model(seed: int) -> IntegerModel:
    """A model whose image has some three kilobytes: for sweeps over all of its words and bits."""
    return slot_model(seed, "stft", bits=3 + seed % 3, entries=32 + seed, neighbours=2, masks="bands1", smoothing=0)
