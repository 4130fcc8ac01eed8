"""Denoising in floating point: Algorithm 1 over a whole signal."""

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import ComplexArray, FloatArray
from blsh_trainer.artifact import Model
from blsh_trainer.hashing import hash_codes
from blsh_trainer.search import hamming_knn
from blsh_trainer.spectra import BINS, features, filter_frames

_FRAMES = 512  # frames whose neighbours' masks are gathered at once: (512, K, 513) bytes, some 3 MB


class FloatDenoiser:
    """Masks each frame of a mixture by the mean IBM of its K nearest dictionary entries."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def masks(self, X: ArrayLike) -> FloatArray:
        """Return masks float64 (T, 513) in [0, 1], multiples of 1/K, for mixture spectra X (T, 513)."""
        model = self.model
        codes = hash_codes(features(X, model.feature_kind), model.projections, model.biases)
        indices, _ = hamming_knn(codes, model.code_bits, model.neighbours)
        masks = np.empty((len(codes), BINS))
        for start in range(0, len(codes), _FRAMES):
            part = slice(start, start + _FRAMES)
            masks[part] = model.mask_bits[indices[part]].mean(axis=1)
        return masks

    def denoise(self, x: ArrayLike) -> FloatArray:
        """Return the denoised signal float64 (n,), aligned in time with x (n,). BlshError if x is unfit."""
        return filter_frames(x, self._masked)

    def _masked(self, X: ComplexArray) -> ComplexArray:
        return X * self.masks(X)
