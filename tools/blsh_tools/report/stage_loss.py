# SPDX-License-Identifier: Apache-2.0
"""What the firmware's integers lose against double precision, stage by stage.

Both ways start from the same samples. Each stage is compared with all that the stages before it have lost, so the last
row is the loss of the whole. Stages of values have a signal-to-noise ratio, stages of choices the share that is equal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser, Vectors, padded_to_hops
from blsh_codegen.spec.constants import spectrum_shift
from blsh_codegen.spec.packing import unpack_words
from blsh_codegen.spec.stages import STAGES
from blsh_tools.audio.engines import Samples
from blsh_trainer.compute.hamming_index import HammingIndex
from blsh_trainer.model.artifact import AnyModel, Model
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.model.projection import hash_codes
from blsh_trainer.model.voting_model import VotingModel, voting_codes
from blsh_trainer.progress import Progress
from blsh_trainer.signals.audio import FULL_SCALE, from_int16
from blsh_trainer.signals.features import FeatureExtractor, find_feature_kind
from blsh_trainer.signals.spectra import analysis_window, stft

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]

DECIBELS, PERCENT = "dB", "%"
EQUAL_DB: Final = 200.0
"""Shown where both are the same but for the last bits of double precision."""


@dataclass(frozen=True)
class StageLoss:
    """The loss of one stage. unit: DECIBELS of the signal over the error, or PERCENT that are equal.

    mean, least: over the recordings.
    """

    stage: str
    unit: str
    mean: float
    least: float

    def to_dict(self) -> dict[str, Any]:
        """Return the loss as JSON values."""
        return {"stage": self.stage, "unit": self.unit, "mean": round(self.mean, 2), "least": round(self.least, 2)}


def stage_losses(
    model: AnyModel, integers: IntegerModel, recordings: Sequence[Samples], progress: Progress | None = None
) -> list[StageLoss]:
    """Compare both pipelines on `recordings`, int16 (n,) each, in the order of STAGES.

    model: the artifact in floats, reduced as `integers` are.
    """
    figures: dict[str, list[float]] = {stage: [] for stage in STAGES}
    both = _Pipelines(model, integers)
    for number, samples in enumerate(recordings, 1):
        for stage, figure in both.compared(samples).items():
            figures[stage].append(figure)
        if progress is not None:
            progress("stages", number, len(recordings))
    units = {stage: PERCENT if stage in ("code", "neighbours") else DECIBELS for stage in STAGES}
    return [StageLoss(stage, units[stage], float(np.mean(found)), min(found)) for stage, found in figures.items()]


class _Pipelines:
    """The pipeline twice, in floats and in integers."""

    def __init__(self, model: AnyModel, integers: IntegerModel) -> None:
        self._model, self._integers = model, integers
        self._reference, self._denoiser = VectorisedDenoiser(integers), FloatDenoiser(model)
        codes = model.code_bits if isinstance(model, VotingModel) else model.code_bits[np.newaxis]
        self._dictionaries = [HammingIndex(each) for each in codes]
        self._entries, self._device_entries = _same_numbers(codes.reshape(-1, model.bits), integers.code_bits())

    def compared(self, samples: Samples) -> dict[str, float]:
        """Return the figure of each stage for one recording."""
        geometry = self._model.geometry
        fixed = self._reference.stages(padded_to_hops(samples, geometry))
        x = from_int16(samples)
        X = stft(x, geometry)
        features = FeatureExtractor(find_feature_kind(self._model.feature_kind), geometry)(X)
        codes = self._codes(features)
        sounding: Bits = np.asarray(np.abs(X).any(axis=1))  # a silent frame has no scale
        return {
            "window": _snr_db(self._frames(x), self._fixed_frames(fixed)),
            "spectrum": _snr_db(X, self._fixed_spectrum(fixed)),
            "features": _snr_db(*self._comparable_features(features, fixed, sounding)),
            "accumulators": _snr_db(*self._comparable_sums(features, fixed, sounding)),
            "code": _equal_percent(codes, unpack_words(fixed.code.astype(np.uint32), self._model.bits)),
            "neighbours": self._common_neighbours(codes, fixed),
            "mask": _snr_db(self._denoiser.masks(X), fixed.mask / 2.0**14),
            "output": _snr_db(self._denoiser.denoise(x), from_int16(self._reference.denoise(samples))),
        }

    def _frames(self, x: Floats) -> Floats:
        geometry = self._model.geometry
        padded = np.zeros((geometry.hops_of(len(x)) - 1) * geometry.hop + geometry.window)
        padded[geometry.history :][: len(x)] = x
        frames = np.lib.stride_tricks.sliding_window_view(padded, geometry.window)[:: geometry.hop]
        return frames * analysis_window(geometry)

    def _fixed_frames(self, fixed: Vectors) -> Floats:
        return fixed.window[:, 1:] / (2.0 ** (14 + fixed.window[:, :1]) * FULL_SCALE)

    def _fixed_spectrum(self, fixed: Vectors) -> npt.NDArray[np.complex128]:
        scale = 2.0 ** (14 + fixed.window[:, :1] - spectrum_shift(self._model.geometry.window)) * FULL_SCALE
        values: npt.NDArray[np.complex128] = (fixed.spectrum[:, ::2] + 1j * fixed.spectrum[:, 1::2]) / scale
        return values

    def _comparable_features(self, features: Floats, fixed: Vectors, sounding: Bits) -> tuple[Floats, Floats]:
        """Return the features of both; where only their direction counts, each row of length 1."""
        device = fixed.features.astype(np.float64)
        if isinstance(self._model, VotingModel):
            return features, device
        return _directions(features[sounding]), _directions(device[sounding])

    def _comparable_sums(self, features: Floats, fixed: Vectors, sounding: Bits) -> tuple[Floats, Floats]:
        """Return the sums of the projections of both, on the scale of the projections in floats."""
        device = fixed.accumulators.astype(np.float64)
        if not isinstance(self._model, Model):
            return features @ self._model.projections.T.astype(np.float64), device
        projections, rows = self._model.projections, self._integers.projection_q7.astype(np.float64)
        scales = (rows * projections).sum(axis=1) / (projections * projections).sum(axis=1)
        lengths = np.linalg.norm(fixed.features[sounding].astype(np.float64), axis=1, keepdims=True)
        floats = _directions(features[sounding]) @ projections.T + self._model.biases
        return floats, device[sounding] / (np.maximum(lengths, 1.0) * scales)

    def _codes(self, features: Floats) -> Bits:
        if isinstance(self._model, VotingModel):
            return voting_codes(features, self._model)
        return hash_codes(features, self._model.projections, self._model.biases)

    def _common_neighbours(self, codes: Bits, fixed: Vectors) -> float:
        """Return the share of the float pipeline's neighbours, in percent, that the firmware finds, too."""
        each = self._model.neighbours
        device = self._device_entries[fixed.neighbours[:, ::2]]
        common = total = 0
        for group, dictionary in enumerate(self._dictionaries):
            nearest, _ = dictionary.search(codes, each)
            ours = self._entries[nearest + group * self._model.entries]
            theirs = device[:, group * each : (group + 1) * each]
            common += sum(len({*mine} & {*other}) for mine, other in _row_lists(ours, theirs))
            total += sum(len({*mine}) for mine in ours.tolist())
        return 100 * common / total


def _row_lists(ours: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64]) -> Iterator[tuple[list[int], list[int]]]:
    return zip(ours.tolist(), theirs.tolist(), strict=True)


def _same_numbers(ours: Bits, theirs: Bits) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return a number for each code (n, L) of both, the same for equal codes: the firmware has an order of its own."""
    packed = np.packbits(np.concatenate([ours, theirs]), axis=1)
    _, numbers = np.unique(packed, axis=0, return_inverse=True)
    flat = numbers.reshape(-1).astype(np.int64)
    return flat[: len(ours)], flat[len(ours) :]


def _directions(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    directions: Floats = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return directions


def _snr_db(exact: npt.NDArray[np.inexact], found: npt.NDArray[np.inexact]) -> float:
    """Return the energy of `exact` over that of the error, in dB, at most EQUAL_DB; 0 where both are silent."""
    signal, error = (float(np.sum(np.abs(values) ** 2)) for values in (exact, exact - found))
    if signal == 0.0:
        return EQUAL_DB if error == 0.0 else 0.0
    return min(EQUAL_DB, 10 * float(np.log10(signal / max(error, signal * 1e-20))))


def _equal_percent(ours: Bits, theirs: Bits) -> float:
    return 100 * float(np.mean(ours == theirs))
