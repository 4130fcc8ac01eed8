# SPDX-License-Identifier: Apache-2.0
"""Models with random contents, and every geometry that a model can have."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from blsh_codegen.model.mel_bands import mel_of
from blsh_codegen.model.quantise import MaskIntegers, gain_table
from blsh_codegen.spec.constants import ATTENUATION_OFF
from blsh_codegen.spec.packing import pack_words
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.features import FEATURE_KINDS
from blsh_trainer.signals.geometry import LARGEST_HOP, LEAST_HOP, RATES_HZ, RECORDER, WINDOWS, Geometry
from blsh_trainer.signals.masks import find_mask_kind


def _all_geometries() -> list[Geometry]:
    sizes = [LEAST_HOP << step for step in range(5)]
    found = []
    for numbers in product(RATES_HZ, WINDOWS, sizes, sizes):
        try:
            found.append(Geometry(*numbers))
        except BlshError:
            assert (
                numbers[2] > min(LARGEST_HOP, numbers[0] * 2 // 125) or not 2 * numbers[2] <= numbers[3] <= numbers[1]
            )
    return found


ALL_GEOMETRIES = _all_geometries()


@dataclass(frozen=True)
class MaskShape:
    """The sizes of a random model with masks."""

    kind: str = "mel"
    bits: int = 50
    entries: int = 300
    neighbours: int = 10
    masks: str = "ibm"
    smoothing: int = 0
    floor: int = 0
    geometry: Geometry = RECORDER
    attenuation: int = ATTENUATION_OFF


def random_model(rng: np.random.Generator, *sizes: Any, **named: Any) -> MaskIntegers:
    """Return a model of the right shapes and ranges, with random projections, codes and masks.

    sizes, named: members of MaskShape, in order or by name.
    """
    shape = MaskShape(*sizes, **named)
    feature_kind, mask_kind = FEATURE_KINDS[shape.kind], find_mask_kind(shape.masks, shape.geometry)
    levels = rng.integers(0, mask_kind.top + 1, (shape.entries, mask_kind.width)).astype(np.uint8)
    return MaskIntegers(
        name=f"random-{shape.kind}-{shape.bits}",
        model_sha256=rng.bytes(32).hex(),
        geometry=shape.geometry,
        feature_kind=feature_kind,
        bits=shape.bits,
        neighbours=shape.neighbours,
        projection_q7=rng.integers(-127, 128, (shape.bits, feature_kind.count(shape.geometry))).astype(np.int8),
        bias_q3=rng.integers(-(10**4), 10**4, shape.bits).astype(np.int16),
        codes=pack_words(rng.random((shape.entries, shape.bits)) < 0.5),
        masks=pack_words(mask_kind.level_rows(levels)),
        gain_q14=gain_table(shape.neighbours, mask_kind.top, shape.floor),
        mel=mel_of(feature_kind, shape.geometry),
        mask_kind=mask_kind,
        smoothing=shape.smoothing,
        smoothing_down=shape.smoothing,
        start_votes=0,
        steady_votes=0,
        attenuation=shape.attenuation,
    )
