# SPDX-License-Identifier: Apache-2.0
"""Denoise signals with a model in floating point: Algorithm 1, with the smoothing and floor of the model."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import ComplexArray, FloatArray, IntArray
from blsh_trainer.compute.hamming_index import HammingIndex
from blsh_trainer.model.artifact import Model
from blsh_trainer.model.projection import hash_codes
from blsh_trainer.signals.features import FeatureExtractor, find_feature_kind
from blsh_trainer.signals.masks import find_mask_kind
from blsh_trainer.signals.spectra import filter_blocks, filter_frames

_FRAMES = 512  # frames whose neighbours' masks are gathered at once: (512, K, 513) bytes, about 3 MB


class FloatDenoiser:
    """A denoiser that masks each frame of a mixture by the mean mask of its K nearest dictionary entries."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._index = HammingIndex(model.code_bits)

    def masks(self, X: ArrayLike) -> FloatArray:
        """Return the masks float64 (T, 513) in [0, 1] for the spectra X (T, 513) of one whole mixture.

        With binary masks and without smoothing or floor they are multiples of 1/K.
        """
        return _Stream(self.model, self._index).masks(np.asarray(X))

    def denoise(self, x: ArrayLike) -> FloatArray:
        """Return the denoised signal float64 (n,), aligned in time with x (n,). BlshError if x is unfit."""
        return filter_frames(x, _Stream(self.model, self._index).masked)

    def stream(self, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
        """Yield, piece by piece, the bits that denoise returns for the signal that the finite `blocks` (n,) make up."""
        return filter_blocks(blocks, _Stream(self.model, self._index).masked)


class _Stream:
    """One signal on its way through a model, with the state that its frames leave to later ones."""

    def __init__(self, model: Model, index: HammingIndex) -> None:
        self._model = model
        self._index = index
        self._kind = find_mask_kind(model.mask_kind)
        self._features = FeatureExtractor(find_feature_kind(model.feature_kind))
        self._smoothed: FloatArray | None = None  # the mask (W,) of the last frame

    def masked(self, X: ComplexArray) -> ComplexArray:
        """Return the next frames X (T, 513) of the signal times their masks."""
        return X * self.masks(X)

    def masks(self, X: ComplexArray) -> FloatArray:
        """Return the masks float64 (T, 513) for the next frames X (T, 513) of the signal."""
        model = self._model
        codes = hash_codes(self._features(X), model.projections, model.biases)
        indices, _ = self._index.search(codes, model.neighbours)
        return self._kind.to_bins(self._smooth(np.maximum(self._averages(indices), model.floor / 256)))

    def _averages(self, indices: IntArray) -> FloatArray:
        averages = np.empty((len(indices), self._kind.width))
        for start in range(0, len(indices), _FRAMES):
            part = slice(start, start + _FRAMES)
            averages[part] = self._model.mask_levels[indices[part]].mean(axis=1)
        return averages / self._kind.top

    def _smooth(self, averages: FloatArray) -> FloatArray:
        kept = self._model.smoothing / 16
        if kept == 0:
            return averages
        smoothed = np.empty_like(averages)
        for row, average in zip(smoothed, averages, strict=True):
            before = average if self._smoothed is None else self._smoothed
            row[:] = kept * before + (1 - kept) * average
            self._smoothed = row.copy()
        return smoothed
