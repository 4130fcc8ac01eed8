# SPDX-License-Identifier: Apache-2.0
"""Quantise a trained model: every table of the firmware in integers, range-checked (SPEC.md, 3)."""

import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.entry_order import bit_planes, bounds_tables, planes_of, tight_order
from blsh_codegen.model.mel_bands import MelBands, log_origin_of, mel_of
from blsh_codegen.model.projection_rows import stored_rows
from blsh_codegen.spec.constants import (
    MAX_BITS,
    MAX_ENTRIES,
    MAX_NEIGHBOURS,
    Q14_ONE,
    ModelKind,
    synthesis_q14,
    window_q14,
)
from blsh_codegen.spec.packing import pack_words, unpack_words
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel, Model
from blsh_trainer.signals.features import FeatureKind, find_feature_kind
from blsh_trainer.signals.geometry import Geometry
from blsh_trainer.signals.masks import MaskKind

Words = npt.NDArray[np.uint32]

_INT8_MAX = 127
_LEAST_PEAK = 1e-300
"""The least peak of a row of projections: 127 divided by a smaller one is no finite number."""

_BIAS_MAX_Q3 = 32_760


@dataclass(frozen=True)
class IntegerModel(ABC):
    """Everything the firmware holds of a model: what all systems have. `tables` gives it as C reads it.

    projection_q7: int8 (P, D). codes: uint32 (G N, ceil(L / 32)), one dictionary of N entries after the other, each in
    the firmware's order (`tight_order`). mel: the filters of the feature kind, None where it has none. smoothing to
    attenuation: see VotingModel; with masks both smoothings are the same, and the votes 0. model_sha256: of the file.
    """

    name: str
    model_sha256: str
    geometry: Geometry
    feature_kind: FeatureKind
    bits: int
    neighbours: int
    projection_q7: npt.NDArray[np.int8]
    codes: Words
    mel: MelBands | None
    smoothing: int
    smoothing_down: int
    start_votes: int
    steady_votes: int
    attenuation: int

    @property
    def entries(self) -> int:
        """Frames in each dictionary, N."""
        return len(self.codes) // self.dictionaries

    @property
    def dictionaries(self) -> int:
        """Dictionaries, G."""
        return 1

    @property
    def thresholds_each(self) -> int:
        """Thresholds of a projection, and bits that it makes, T."""
        return 1

    @property
    def features(self) -> int:
        """Feature dimension, D."""
        return int(self.projection_q7.shape[1])

    @property
    def window_q14(self) -> npt.NDArray[np.int16]:
        """The window of analysis, int16 (N,), Q1.14."""
        return window_q14(self.geometry)

    @property
    def synthesis_q14(self) -> npt.NDArray[np.int16]:
        """The window of synthesis, int16 (M,), Q1.14; where M = N the one of analysis."""
        return synthesis_q14(self.geometry)

    @property
    def log_origin(self) -> int:
        """The logarithm, in steps of 1/32 octave, that counts as 0 in `memory` features; 0 of other kinds."""
        return log_origin_of(self.feature_kind, self.geometry)

    @property
    @abstractmethod
    def mask_bands(self) -> int:
        """Bands of a mask, W."""

    @property
    @abstractmethod
    def mask_level_bits(self) -> int:
        """Bits of a band's level, g."""

    @property
    @abstractmethod
    def band_edges(self) -> npt.NDArray[np.int16] | None:
        """First bin of each band of a mask, and the number of bins; None where each bin has its own level."""

    @property
    def active_bands(self) -> int:
        """V, the first bands of a mask, whose gains make a hop's activity; bins to an eighth of the rate are enough."""
        return self.geometry.window // 8 if self.band_edges is None else self.mask_bands

    @property
    @abstractmethod
    def dictionary_tables(self) -> tuple[npt.NDArray[Any], ...]:
        """The tables behind planes and bounds that the dictionary's CRC covers, in order."""

    @abstractmethod
    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Return the tables that the model has, by the field of blsh_model_t that points to them, in its order."""

    @property
    def kind(self) -> ModelKind:
        """The kind of model, by what code it needs."""
        return ModelKind.MASKS

    @property
    def smoothed_bands(self) -> int:
        """Bands of the mask that the state must have room for; 1 without a smoothing."""
        return self.mask_bands if self.smoothing or self.smoothing_down else 1

    @property
    def projection_rows(self) -> npt.NDArray[np.uint8]:
        """The projections as they lie in memory, see `stored_rows`."""
        return stored_rows(self.projection_q7)

    @cached_property
    def dictionary_crc32(self) -> int:
        """CRC-32/ISO-HDLC of planes, bounds and dictionary_tables, little-endian, which the firmware computes again."""
        return reduce(
            lambda crc, table: zlib.crc32(table.astype(table.dtype.newbyteorder("<")).tobytes(), crc),
            (self.planes, self.bounds, *self.dictionary_tables),
            0,
        )

    @cached_property
    def planes(self) -> Words:
        """The codes bit-sliced, (G ceil(N / 32), Z + L + 1); see `bit_planes`."""
        return np.concatenate([bit_planes(bits) for bits in self._dictionary_bits()])

    @property
    def bounds(self) -> Words:
        """The tables by which searches leave blocks out, see `bounds_tables`; no rows in a small voting model."""
        return self._bounds_and_radius[0]

    @property
    def radius(self) -> int:
        """R: no entry is farther than this from the centre of its block; 0 without bounds."""
        return self._bounds_and_radius[1]

    @cached_property
    def _bounds_and_radius(self) -> tuple[Words, int]:
        if self.kind is ModelKind.SMALL_VOTES:
            return np.zeros((0, planes_of(self.bits)), np.uint32), 0
        return bounds_tables(self._dictionary_bits())

    @cached_property
    def code_integers(self) -> list[int]:
        """Each code as one integer, bit l of the code at bit l."""
        return [int.from_bytes(row.tobytes(), "little") for row in self.codes.astype("<u4")]

    def code_bits(self) -> npt.NDArray[np.bool_]:
        """Return the codes as bits, (G N, L)."""
        return unpack_words(self.codes, self.bits)

    def _dictionary_bits(self) -> npt.NDArray[np.bool_]:
        return self.code_bits().reshape(self.dictionaries, self.entries, self.bits)

    def _windows(self) -> dict[str, npt.NDArray[Any]]:
        """Return the tables of the windows; the one of synthesis only where it is another than that of analysis."""
        own = {} if self.geometry.symmetric else {"synthesis_q14": self.synthesis_q14}
        return {"window_q14": self.window_q14, **own}

    def _shared_tables(self) -> dict[str, npt.NDArray[Any]]:
        """Return the tables of bands, the last ones that all systems have."""
        found: dict[str, npt.NDArray[Any]] = {}
        if self.band_edges is not None:
            found["band_edge"] = self.band_edges
        if self.mel is not None:
            mel = self.mel
            found |= {"mel_first": mel.first, "mel_count": mel.counts, "mel_weight_q16": mel.weights_q16}
        return found


@dataclass(frozen=True)
class MaskIntegers(IntegerModel):
    """The integers of a model whose entries have masks; each projection makes one bit.

    Each row of projection_q7 is scaled to a peak of 127; bias_q3: int16 (L,), in eighths at its row's scale.
    masks: uint32 (N, words), the levels of `mask_kind` packed, in the order of the codes.
    gain_q14: int16 (K G + 1,), the gain of each sum of K levels, G the top one; none below the model's floor.
    """

    bias_q3: npt.NDArray[np.int16]
    masks: Words
    gain_q14: npt.NDArray[np.int16]
    mask_kind: MaskKind

    @property
    def mask_bands(self) -> int:
        """Bands of a mask, W."""
        return self.mask_kind.width

    @property
    def mask_level_bits(self) -> int:
        """Bits of a band's level, g."""
        return self.mask_kind.level_bits

    @property
    def band_edges(self) -> npt.NDArray[np.int16] | None:
        """First bin of each band of a mask, and the number of bins; None where each bin has its own level."""
        return None if self.mask_kind.of_bins else np.array(self.mask_kind.edges, np.int16)

    @property
    def dictionary_tables(self) -> tuple[npt.NDArray[Any], ...]:
        """The masks."""
        return (self.masks,)

    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Return the tables that the model has, by the field of blsh_model_t that points to them, in its order."""
        return {
            "projection_q7": self.projection_rows,
            **self._windows(),
            "bias_q3": self.bias_q3,
            "planes": self.planes,
            "bounds": self.bounds,
            "masks": self.masks,
            "gain_q14": self.gain_q14,
            **self._shared_tables(),
        }

    @cached_property
    def mask_integers(self) -> list[int]:
        """Each mask as one integer: level w of g bits at bit g w."""
        return [int.from_bytes(row.tobytes(), "little") for row in self.masks.astype("<u4")]

    def mask_levels(self) -> npt.NDArray[np.uint8]:
        """Return the masks as levels, (N, W)."""
        bits = unpack_words(self.masks, self.mask_kind.width * self.mask_kind.level_bits)
        return self.mask_kind.unpack(np.packbits(bits, axis=1, bitorder="little"))

    @classmethod
    def from_model(cls, model: Model, artifact_sha256: str | None = None, reorder: bool = True) -> Self:
        """Quantise `model`.

        artifact_sha256: of the artifact that `model` was cut from, None where it is the artifact itself. reorder:
        whether to put the entries in `tight_order`, with which the search is quick. Raises BlshError where a value
        does not fit the firmware's ranges.
        """
        check_sizes(model)
        feature_kind = find_feature_kind(model.feature_kind)
        features = feature_kind.count(model.geometry)
        if model.projections.shape != (model.bits, features):
            raise BlshError(
                f"projections of shape {model.projections.shape} do not match {model.bits} bits of "
                f"{features} `{feature_kind.name}` features"
            )
        projection_q7, bias_q3 = quantise_projections(model.projections, model.biases)
        mask_kind = model.masks
        order = tight_order(model.code_bits) if reorder else np.arange(model.entries)
        return cls(
            name=model.name,
            model_sha256=artifact_sha256 or model.sha256,
            geometry=model.geometry,
            feature_kind=feature_kind,
            bits=model.bits,
            neighbours=model.neighbours,
            projection_q7=projection_q7,
            bias_q3=bias_q3,
            codes=pack_words(model.code_bits[order]),
            masks=pack_words(mask_kind.level_rows(model.mask_levels[order])),
            gain_q14=gain_table(model.neighbours, mask_kind.top, model.floor),
            mel=mel_of(feature_kind, model.geometry),
            mask_kind=mask_kind,
            smoothing=model.smoothing,
            smoothing_down=model.smoothing,
            start_votes=0,
            steady_votes=0,
            attenuation=model.attenuation,
        )


def check_sizes(model: AnyModel) -> None:
    """Raise BlshError unless the firmware holds a model of these bits, neighbours and entries."""
    if not 1 <= model.bits <= MAX_BITS:
        raise BlshError(f"{model.bits} bits in the model: firmware holds 1 to {MAX_BITS}; cut it by --bits")
    if not 1 <= model.neighbours <= MAX_NEIGHBOURS:
        raise BlshError(
            f"K = {model.neighbours}: firmware averages 1 to {MAX_NEIGHBOURS} neighbours; choose --neighbours so"
        )
    if model.entries > MAX_ENTRIES:
        raise BlshError(f"{model.entries} dictionary entries: firmware indexes 1 to {MAX_ENTRIES}; keep fewer")
    if model.entries < model.neighbours:
        raise BlshError(f"{model.entries} dictionary entries are fewer than K = {model.neighbours}; keep more entries")


def quantise_projections(
    projections: npt.NDArray[np.float64], biases: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int16]]:
    """Return the rows of `projections` (L, D) in Q0.7, each with a peak of 127, and `biases` (L,) in eighths.

    A row and its bias are scaled alike, by 127 / peak: a bit is a sign, which no scale changes. The rounding error of
    each weight is added to the next weight of its row (SPEC.md, 3). Features are positive and change little from one
    to the next, so these errors nearly cancel: a third as many bits flip as with plain rounding.

    Raises BlshError for weights that are not finite, a row of zeros, and a bias beyond 4095 after scaling. The
    projection is at most 127 sqrt(513) = 2877, so a larger bias makes its bit constant.
    """
    if not (np.isfinite(projections).all() and np.isfinite(biases).all()):
        bad = int(np.argmin(np.isfinite(projections).all(axis=1) & np.isfinite(biases)))
        raise BlshError(f"bit {bad} has a weight that is not finite; train the model again")
    peak = np.abs(projections).max(axis=1)
    if (peak == 0).any():
        raise BlshError(f"bit {int(np.argmin(peak))} has no projection: its row is all zeros; train the model again")
    if (peak < _LEAST_PEAK).any():
        bad = int(np.argmin(peak))
        raise BlshError(
            f"the projection of bit {bad} peaks at {peak[bad]:.9g}: scaled to {_INT8_MAX} it would saturate, and from "
            f"{_LEAST_PEAK:.9g} it does not; train the model again"
        )
    scale = _INT8_MAX / peak
    projection_q7 = _rounded_rows(projections * scale[:, None])
    bias_q3 = _round_half_up(8 * biases * scale)
    if (np.abs(bias_q3) > _BIAS_MAX_Q3).any():
        bad = int(np.argmax(np.abs(bias_q3)))
        raise BlshError(
            f"bias {biases[bad]:.9g} of bit {bad} is more than {_BIAS_MAX_Q3 / 8 / _INT8_MAX:.9g} times its "
            f"projection's peak of {peak[bad]:.9g}: the bit is constant; train the model again"
        )
    return projection_q7.astype(np.int8), bias_q3.astype(np.int16)


def _rounded_rows(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Round weights (L, D) half up, each with the rounding error of the one before it in its row added."""
    rows = np.empty_like(weights)
    error = np.zeros(len(weights))
    for d, column in enumerate(weights.T):
        wanted = column + error
        rows[:, d] = np.clip(_round_half_up(wanted), -_INT8_MAX, _INT8_MAX)
        error = wanted - rows[:, d]
    return rows


def gain_table(neighbours: int, top: int = 1, floor: int = 0) -> npt.NDArray[np.int16]:
    """Return the gain for each sum of the levels of K neighbours, int16 (K top + 1,), Q1.14, rounded half up.

    top: the highest level. floor: the least gain, in 1/256.
    """
    most = neighbours * top
    sums = np.arange(most + 1)
    return np.maximum((2 * sums * Q14_ONE + most) // (2 * most), 64 * floor).astype(np.int16)


def _round_half_up(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    rounded: npt.NDArray[np.float64] = np.floor(values + 0.5)
    return rounded
