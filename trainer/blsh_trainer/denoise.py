"""Denoising in floating point: Algorithm 1 over a whole signal."""

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import FloatArray, check_signal
from blsh_trainer.artifact import Model
from blsh_trainer.hashing import hash_codes
from blsh_trainer.masks import ideal_binary_mask
from blsh_trainer.search import hamming_knn
from blsh_trainer.spectra import BINS, features, istft, stft

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
        samples = check_signal(x, "the signal")
        spectrum = stft(samples)
        return istft(spectrum * self.masks(spectrum), samples.size)


def denoise_ideally(speech: ArrayLike, noise: ArrayLike) -> FloatArray:
    """Return speech + noise masked by the ideal binary mask (n,): the oracle that no dictionary can pass."""
    clean = stft(speech)
    spoilt = stft(noise)
    mask = ideal_binary_mask(clean, spoilt)
    return istft((clean + spoilt) * mask, np.asarray(speech).size)
