# SPDX-License-Identifier: Apache-2.0
"""Hash codes of features, and locality-sensitive hashing with random projections (paper, section II-B)."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import AnyArray, BoolArray, FloatArray, check_rows
from blsh_trainer.errors import BlshError

MAX_BITS = 320
"""The longest code that is learned; the state of the firmware can hold no longer one."""
_CHECKED = 1 << 14  # training rows that are checked at once
_UNIT = 1e-5  # the largest difference of a row's length from 1: float32 features were normalised in float32


def hash_codes(X: ArrayLike, projections: FloatArray, biases: FloatArray) -> BoolArray:
    """Return codes bool (T, L) of features X (T, D) under projections (L, D) and biases (L,) (eq. 2).

    A bit is 1 when P x + b |x| >= 0, which is P h + b >= 0 for the normalised row h = x / |x|. So features need no
    normalising, and a row of zeros hashes to ones. BlshError for another D or features that are not finite.
    """
    rows = check_rows(X, "the features", projections.shape[1])
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows @ projections.T + norms * biases >= 0.0)


def check_bits(bits: int) -> None:
    """Raise BlshError unless a code may have `bits` bits."""
    if not 1 <= bits <= MAX_BITS:
        raise BlshError(f"{bits} bits asked for; a code has 1 to {MAX_BITS}, as many as a board can hold")


def check_training_rows(H: ArrayLike) -> AnyArray:
    """Return the training features H (T, D), float32 or float64, unchanged.

    A memory-mapped array stays one: it is read piece by piece and never copied. BlshError unless there are two frames
    or more, all finite and of unit length or zero.
    """
    rows = np.asanyarray(H)
    if rows.dtype not in (np.float32, np.float64):
        rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2:
        check_rows(rows, "the training features")
    if rows.shape[0] < 2 or rows.shape[1] < 1:
        raise BlshError(f"the training features have shape {rows.shape}; at least two frames are needed")
    for at in range(0, len(rows), _CHECKED):
        norms = np.linalg.norm(check_rows(rows[at : at + _CHECKED], "the training features"), axis=1)
        if not np.allclose(norms[norms > 0], 1.0, atol=_UNIT):
            raise BlshError("the training features are not of unit length; pass them through l2_normalise first")
    return rows


class Learner:
    """A learner of a hash: after its `fit` it has projections_ (L, D), biases_ (L,) and betas_ (L,)."""

    projections_: FloatArray
    biases_: FloatArray
    betas_: FloatArray

    def transform(self, H: ArrayLike) -> BoolArray:
        """Return codes bool (T, L) of features (T, D), normalised or not."""
        return hash_codes(H, self.projections_, self.biases_)


class LSH(Learner):
    """Random projections: plain (biases 0) or centred (biases -P mean(H)).

    The paper's eq. 2 has a bias term but does not give its value. The features are not negative, so without a bias
    most bits are alike in all codes; the centred form is the fair baseline.
    After `fit`: projections_ (L, D), biases_ (L,), betas_ (L,) of ones.
    """

    def __init__(self, bits: int, rng: np.random.Generator, centred: bool = True) -> None:
        self.bits = bits
        self.rng = rng
        self.centred = centred

    def fit(self, H: ArrayLike) -> Self:
        """Draw the projections for H, L2-normalised (T, D). BlshError for bad bits or features."""
        check_bits(self.bits)
        rows = check_training_rows(H)
        self.projections_ = self.rng.standard_normal((self.bits, rows.shape[1]))
        self.projections_ /= np.linalg.norm(self.projections_, axis=1, keepdims=True)
        self.biases_ = -self.projections_ @ rows.mean(axis=0, dtype=np.float64) if self.centred else np.zeros(self.bits)
        self.betas_ = np.ones(self.bits)
        return self
