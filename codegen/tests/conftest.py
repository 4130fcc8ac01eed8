# SPDX-License-Identifier: Apache-2.0
"""Models with random contents."""

import numpy as np

from blsh_codegen.model.mel_bands import mel_of
from blsh_codegen.model.quantise import MaskIntegers, gain_table
from blsh_codegen.spec.constants import ATTENUATION_OFF
from blsh_codegen.spec.packing import pack_words
from blsh_trainer.signals.features import FEATURE_KINDS
from blsh_trainer.signals.geometry import RECORDER, Geometry
from blsh_trainer.signals.masks import find_mask_kind


def random_model(
    rng: np.random.Generator,
    kind: str = "mel",
    bits: int = 50,
    entries: int = 300,
    neighbours: int = 10,
    masks: str = "ibm",
    smoothing: int = 0,
    floor: int = 0,
    geometry: Geometry = RECORDER,
    attenuation: int = ATTENUATION_OFF,
) -> MaskIntegers:
    """Return a model of the right shapes and ranges, with random projections, codes and masks."""
    feature_kind, mask_kind = FEATURE_KINDS[kind], find_mask_kind(masks, geometry)
    levels = rng.integers(0, mask_kind.top + 1, (entries, mask_kind.width)).astype(np.uint8)
    return MaskIntegers(
        name=f"random-{kind}-{bits}",
        model_sha256=rng.bytes(32).hex(),
        geometry=geometry,
        feature_kind=feature_kind,
        bits=bits,
        neighbours=neighbours,
        projection_q7=rng.integers(-127, 128, (bits, feature_kind.count(geometry))).astype(np.int8),
        bias_q3=rng.integers(-(10**4), 10**4, bits).astype(np.int16),
        codes=pack_words(rng.random((entries, bits)) < 0.5),
        masks=pack_words(mask_kind.level_rows(levels)),
        gain_q14=gain_table(neighbours, mask_kind.top, floor),
        mel=mel_of(feature_kind, geometry),
        mask_kind=mask_kind,
        smoothing=smoothing,
        smoothing_down=smoothing,
        start_votes=0,
        steady_votes=0,
        attenuation=attenuation,
    )
