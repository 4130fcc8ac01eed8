# SPDX-License-Identifier: Apache-2.0
"""Refuse model images with numbers or tables that no model has (SPEC.md, 11)."""

from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.mel_bands import MelBands
from blsh_codegen.model.quantise import IntegerModel, MaskIntegers
from blsh_codegen.model.voting import VotingIntegers
from blsh_codegen.spec.constants import (
    MAX_BITS,
    MAX_DICTIONARIES,
    MAX_ENTRIES,
    MAX_NEIGHBOURS,
    MAX_RULE_VOTES,
    MAX_SMOOTHING,
    MAX_THRESHOLDS,
    MEL_SUM_MAX,
    Q14_ONE,
    VOTE_LEVEL_BITS,
)
from blsh_trainer.errors import BlshError
from blsh_trainer.model.voting_model import check_response, check_thresholds, check_weights
from blsh_trainer.signals.features import FEATURE_KINDS
from blsh_trainer.signals.geometry import Geometry
from blsh_trainer.signals.masks import MASK_KINDS, MaskKind, find_mask_kind

BIT_VOTES: Final = 1
"""The flag of a model in which bits vote."""
_KINDS: Final = {kind.number: kind for kind in FEATURE_KINDS.values()}


def masks_of(geometry: Geometry) -> dict[tuple[int, int], MaskKind]:
    """Return the kinds of masks by their bands and the bits of a level, by which an image names them."""
    kinds = [find_mask_kind(name, geometry) for name in MASK_KINDS]
    return {(kind.width, kind.level_bits): kind for kind in kinds}


def check_shape(entries: int, shape: list[int], geometry: Geometry) -> None:
    """Raise BlshError, with the number, unless some model has these entries and the numbers from offset 88 on."""
    kind, flags, features, bits, neighbours, dictionaries, radius, width, level_bits, each, *rules = shape
    rising, falling, start, steady = rules
    memory = kind in _KINDS and _KINDS[kind].memory
    masks = {(geometry.bands, VOTE_LEVEL_BITS)} if memory else set(masks_of(geometry))
    most = MAX_ENTRIES // max(dictionaries, 1)
    checks = (
        ("feature kind", kind, kind in _KINDS),
        ("flags", flags, flags in ((0, BIT_VOTES) if memory else (0,))),
        ("features", features, kind in _KINDS and features in _KINDS[kind].counts(geometry)),
        ("entries", entries, 1 <= entries <= most),
        ("bits", bits, 1 <= bits <= MAX_BITS),
        ("neighbours", neighbours, 1 <= neighbours <= min(MAX_NEIGHBOURS, entries)),
        ("dictionaries", dictionaries, 1 <= dictionaries <= (MAX_DICTIONARIES if memory else 1)),
        ("thresholds", each, 1 <= each <= (MAX_THRESHOLDS if memory else 1) and bits % each == 0),
        ("radius", radius, radius <= bits),
        ("bands and level bits of a mask", (width, level_bits), (width, level_bits) in masks),
        ("votes of rules", (start, steady), max(start, steady) <= (MAX_RULE_VOTES if memory else 0)),
        ("smoothing", (rising, falling), max(rising, falling) <= MAX_SMOOTHING and (memory or rising == falling)),
    )
    for what, value, known in checks:
        if not known:
            raise BlshError(f"the image has {what} = {value}, which no model has; make it again")


def check_values(model: IntegerModel) -> None:
    """Raise BlshError for tables with values that no model has."""
    if isinstance(model, VotingIntegers):
        check_thresholds(model.thresholds)
        check_weights(model.weights)
        check_response(model.response_q14)
    elif isinstance(model, MaskIntegers) and not 0 <= model.gain_q14.min() <= model.gain_q14.max() <= Q14_ONE:
        found = f"{model.gain_q14.min()} to {model.gain_q14.max()}"
        raise BlshError(f"the image has gains of {found}, expected 0 to {Q14_ONE}; make it again")


def check_windows(
    model: IntegerModel,
    window: npt.NDArray[np.int16],
    synthesis: npt.NDArray[np.int16] | None,
    log_origin: int,
) -> None:
    """Raise BlshError unless an image's tables of windows and its origin are those of the geometry of `model`."""
    for name, stored, own in (("window", window, model.window_q14), ("synthesis", synthesis, model.synthesis_q14)):
        if stored is not None and not np.array_equal(stored, own):
            raise BlshError(f"the image's table `{name}` is not that of the geometry {model.geometry}; make it again")
    if log_origin != model.log_origin:
        raise BlshError(f"the image has an origin of {log_origin}, expected {model.log_origin}; make it again")


def check_mel(mel: MelBands, bins: int) -> None:
    """Raise BlshError, with the numbers, for filters that leave the spectrum or amplify."""
    first, counts = mel.first.astype(np.int64), mel.counts.astype(np.int64)
    if (first < 0).any() or (counts < 0).any() or (first + counts > bins).any():
        raise BlshError(f"the image's mel bands do not lie within {bins} bins; make it again")
    least, largest = mel.weights_q16.min(initial=0), mel.dense(bins).sum(axis=1).max()
    if least < 0 or largest > MEL_SUM_MAX:
        raise BlshError(
            f"the image's mel bands have weights from {least} on and sums up to {largest}, "
            f"expected 0 or more and up to {MEL_SUM_MAX}; make it again"
        )
