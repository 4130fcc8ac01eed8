# SPDX-License-Identifier: Apache-2.0
"""A KNN denoiser that can be differentiated: the supervised learner reduces its error.

The device averages the masks of the K nearest codes. Here the mean runs over all references, weighted by a softmax
over tau x (number of equal bits - number of different bits). So the error of the mask has a gradient in every bit.
Codes are the true signs of the accumulators; their derivative is taken to be 1 - tanh^2 (eq. 6).
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float32]

_NOT_ALLOWED = np.float32(-1e9)
_DECAY = (0.9, 0.99)


def signs(z: Matrix) -> Matrix:
    """Return the bits of accumulators z as -1 and +1; an accumulator of 0 gives +1, as on the device."""
    return np.where(z >= 0, np.float32(1), np.float32(-1))


@dataclass(frozen=True)
class Batch:
    """The inputs of a step besides the codes of Q queries and R references.

    reference_masks (R, B): the masks that are averaged. wanted (Q, B): the masks that the averages should be, and
    weights (Q, B): how much each band counts. excluded (Q, R): pairs that do not see each other.
    """

    reference_masks: Matrix
    wanted: Matrix
    weights: Matrix
    excluded: NDArray[np.bool_]


@dataclass(frozen=True)
class Gradient:
    """The error, and its derivatives by the accumulators of queries and references, log tau and reference masks."""

    loss: float
    queries: Matrix
    references: Matrix
    log_tau: float
    masks: Matrix


def similarity(query_codes: Matrix, reference_codes: Matrix, excluded: NDArray[np.bool_]) -> Matrix:
    """Return the number of equal less the number of different bits (Q, R), very low for `excluded` pairs."""
    S: Matrix = query_codes @ reference_codes.T
    S[excluded] = _NOT_ALLOWED
    return S


def soft_masks(S: Matrix, tau: float, masks: Matrix) -> tuple[Matrix, Matrix]:
    """Return the softmax weights (Q, R) of similarities S and the masks (Q, B) that they average."""
    A: Matrix = np.float32(tau) * S
    A -= A.max(axis=1, keepdims=True)
    np.exp(A, out=A)
    A /= A.sum(axis=1, keepdims=True)
    return A, A @ masks


def mask_error(found: Matrix, wanted: Matrix, weights: Matrix) -> float:
    """Return the weighted mean square error of masks (Q, B). Weights of energy make it that of the spectrum."""
    return float((weights * (found - wanted) ** 2).sum(dtype=np.float64) / weights.sum(dtype=np.float64))


def gradient(query_z: Matrix, reference_z: Matrix, frozen: Matrix, tau: float, batch: Batch) -> Gradient:
    """Differentiate the error of the masks that the queries of a batch get.

    query_z (Q, l) and reference_z (R, l) are the accumulators of the bits being learned; `frozen` (Q, R) is the
    similarity under the bits learned before.
    """
    query_codes, reference_codes = signs(query_z), signs(reference_z)
    S = query_codes @ reference_codes.T
    S += frozen
    S[batch.excluded] = _NOT_ALLOWED
    A, found = soft_masks(S, tau, batch.reference_masks)
    error, weights = found - batch.wanted, batch.weights
    total = np.float32(weights.sum(dtype=np.float64))
    loss = float((weights * error**2).sum(dtype=np.float64) / total)
    by_found = (np.float32(2.0) / total) * weights * error
    by_A = by_found @ batch.reference_masks.T
    by_A -= (by_A * A).sum(axis=1, keepdims=True)
    by_A *= A  # now by tau x S
    S[batch.excluded] = 0.0
    by_log_tau = tau * float((by_A * S).sum(dtype=np.float64))
    by_A *= np.float32(tau)
    by_queries: Matrix = (by_A @ reference_codes) * _slope(query_z)
    by_references: Matrix = (by_A.T @ query_codes) * _slope(reference_z)
    return Gradient(loss, by_queries, by_references, by_log_tau, A.T @ by_found)


def _slope(z: Matrix) -> Matrix:
    """Return the stand-in for the derivative of the sign of z (eq. 6)."""
    slope: Matrix = np.float32(1.0) - np.tanh(z) ** 2
    return slope


class Adam:
    """Adam (Kingma and Ba, 2015) with a cosine decay to zero over `steps` steps."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._moments: dict[str, tuple[Matrix, Matrix]] = {}

    def next(self) -> None:
        """Begin a step."""
        self._done += 1

    def change(self, name: str, slope: Matrix, rate: float) -> Matrix:
        """Return the change to subtract from the parameter `name`, whose gradient is `slope`."""
        first, second = self._moments.setdefault(name, (np.zeros_like(slope), np.zeros_like(slope)))
        first += np.float32(1 - _DECAY[0]) * (slope - first)
        second += np.float32(1 - _DECAY[1]) * (slope**2 - second)
        decayed = rate * 0.5 * (1.0 + np.cos(np.pi * (self._done - 1) / self._steps))
        scale = decayed * np.sqrt(1.0 - _DECAY[1] ** self._done) / (1.0 - _DECAY[0] ** self._done)
        size: Matrix = np.sqrt(second) + np.float32(1e-12)
        change: Matrix = np.float32(scale) * first / size
        return change
