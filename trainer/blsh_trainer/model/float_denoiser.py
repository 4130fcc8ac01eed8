# SPDX-License-Identifier: Apache-2.0
"""Denoise signals with a model in floating point: Algorithm 1, with the smoothing and floor of the model."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import BoolArray, ComplexArray, FloatArray, IntArray
from blsh_trainer.compute.hamming_index import HammingIndex
from blsh_trainer.model.artifact import AnyModel, Model
from blsh_trainer.model.attenuation import check_attenuation, least_gain
from blsh_trainer.model.gain_rules import Settling
from blsh_trainer.model.projection import hash_codes
from blsh_trainer.model.voting_model import (
    BIT_VOTES_A_UNIT,
    LEVELS_A_UNIT,
    VOTE_WEIGHTS,
    VotingModel,
    response,
    voting_codes,
)
from blsh_trainer.signals.features import FeatureExtractor, find_feature_kind, steady_frames
from blsh_trainer.signals.masks import MaskKind, find_mask_kind
from blsh_trainer.signals.spectra import filter_blocks, filter_frames

_FRAMES = 512  # frames whose neighbours' masks are gathered at once: (512, K, 513) bytes, about 3 MB


class FloatDenoiser:
    """A denoiser that masks each frame of a mixture by the mean mask of its K nearest dictionary entries.

    With a voting model the mask is the response to the settled votes of neighbours and bits. No band is lowered by
    more than `attenuation` dB, the model's own limit where that is None (attenuation.py). BlshError for another number.
    """

    def __init__(self, model: AnyModel, attenuation: int | None = None) -> None:
        self.model = model
        limit = model.attenuation if attenuation is None else attenuation
        check_attenuation(limit)
        self._least = least_gain(limit)
        codes = model.code_bits if isinstance(model, VotingModel) else model.code_bits[np.newaxis]
        self._indices = [HammingIndex(dictionary) for dictionary in codes]

    def masks(self, X: ArrayLike) -> FloatArray:
        """Return the masks float64 (T, bins) in [0, 1] for the spectra X (T, bins) of one whole mixture.

        With binary masks and without smoothing or floor they are multiples of 1/K.
        """
        return self._stream().masks(np.asarray(X))

    def denoise(self, x: ArrayLike) -> FloatArray:
        """Return the denoised signal float64 (n,), aligned in time with x (n,), at the rate of the model's geometry.

        BlshError if x is unfit.
        """
        return filter_frames(x, self._stream().masked, self.model.geometry)

    def stream(self, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
        """Yield, piece by piece, the bits that denoise returns for the signal that the finite `blocks` (n,) make up."""
        return filter_blocks(blocks, self._stream().masked, self.model.geometry)

    def _stream(self) -> "MaskedStream":
        if isinstance(self.model, VotingModel):
            return _VotingStream(self.model, self._indices, self._least)
        return _MaskStream(self.model, self._indices[0], self._least)


class MaskedStream(ABC):
    """One signal on its way through a denoiser that masks, with the state that its frames leave to later ones.

    least: no mask is below it.
    """

    def __init__(self, feature_kind: str, masks: MaskKind, least: float = 0.0) -> None:
        self._kind = masks
        self._least = least
        self._features = FeatureExtractor(find_feature_kind(feature_kind), masks.geometry)

    def masked(self, X: ComplexArray) -> ComplexArray:
        """Return the next frames X (T, bins) of the signal times their masks."""
        return X * self.masks(X)

    def masks(self, X: ComplexArray) -> FloatArray:
        """Return the masks float64 (T, bins) for the next frames X (T, bins) of the signal."""
        return self._kind.to_bins(np.maximum(self._band_masks(self._features(X)), self._least))

    @abstractmethod
    def _band_masks(self, features: FloatArray) -> FloatArray:
        """Return the masks of the bands (T, W) for frames with these features (T, D)."""


class _MaskStream(MaskedStream):
    """A signal on its way through a model whose entries have masks."""

    def __init__(self, model: Model, index: HammingIndex, least: float) -> None:
        self._model = model
        self._index = index
        self._smoothed: FloatArray | None = None  # the mask (W,) of the last frame
        super().__init__(model.feature_kind, model.masks, least)

    def _band_masks(self, features: FloatArray) -> FloatArray:
        model = self._model
        codes = hash_codes(features, model.projections, model.biases)
        indices, _ = self._index.search(codes, model.neighbours)
        averages = np.maximum(self._averages(indices), model.floor / 256)
        return self._smooth(averages) if model.smoothing else averages

    def _smooth(self, averages: FloatArray) -> FloatArray:
        kept = self._model.smoothing / 16
        smoothed = np.empty_like(averages)
        for row, average in zip(smoothed, averages, strict=True):
            before = average if self._smoothed is None else self._smoothed
            row[:] = kept * before + (1 - kept) * average
            self._smoothed = row.copy()
        return smoothed

    def _averages(self, indices: IntArray) -> FloatArray:
        averages = np.empty((len(indices), self._kind.width))
        for start in range(0, len(indices), _FRAMES):
            part = slice(start, start + _FRAMES)
            averages[part] = self._model.mask_levels[indices[part]].mean(axis=1)
        return averages / self._kind.top


class _VotingStream(MaskedStream):
    """A signal on its way through a voting model."""

    def __init__(self, model: VotingModel, indices: list[HammingIndex], least: float) -> None:
        self._model = model
        self._indices = indices
        self._settle = Settling(model.rules)
        super().__init__(model.feature_kind, find_mask_kind("bands", model.geometry), least)

    def _band_masks(self, features: FloatArray) -> FloatArray:
        model = self._model
        codes = voting_codes(features, model)
        odds = (self._neighbour_votes(codes) + self._bit_votes(codes)) / BIT_VOTES_A_UNIT
        return response(self._settle(odds, steady_frames(features)), model)

    def _neighbour_votes(self, codes: BoolArray) -> FloatArray:
        """Return the weighted means of the neighbours' votes (T, W), in 1/64 of a unit."""
        model = self._model
        votes = np.empty((len(codes), self._kind.width))
        weights = np.pad(model.weights.astype(np.float64), ((0, 0), (0, 1)))
        for group, index in enumerate(self._indices):
            bands = slice(*model.group_edges[group : group + 2])
            nearest, distances = index.search(codes, model.neighbours)
            weight = weights[group][np.minimum(distances - distances[:, :1], VOTE_WEIGHTS)]
            levels = model.votes[:, bands].astype(np.float64)[nearest]
            votes[:, bands] = np.einsum("tk,tkw->tw", weight, levels) / weight.sum(axis=1, keepdims=True)
        return votes * (BIT_VOTES_A_UNIT / LEVELS_A_UNIT)

    def _bit_votes(self, codes: BoolArray) -> FloatArray:
        """Return the sums of the bits' votes (T, W), in 1/64 of a unit."""
        if self._model.bit_votes is None:
            return np.zeros((len(codes), self._kind.width))
        rows, each = self._model.thresholds.shape
        passed = codes.reshape(len(codes), rows, each).sum(axis=2)
        chosen = (passed[:, :, None] == np.arange(each + 1)).reshape(len(codes), -1)
        rows_of_votes = self._model.bit_votes.astype(np.float64).reshape(-1, self._kind.width)
        return np.asarray(chosen.astype(np.float64) @ rows_of_votes)
