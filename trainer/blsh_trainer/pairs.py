"""The quadratic forms that a bit maximises: what is left of the target similarity for it to explain.

Every reading of the paper's objective (eq. 9) is affine in b_i b_j, so learner l maximises b' A b over bits b
in {-1, +1}. A form here holds A implicitly: `times(b)` is A b, `within(X)` is X' A X, and `take(b)` moves to
the next learner once bit b is settled and returns its beta (eq. 13).
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from blsh_trainer.errors import BlshError

Matrix = NDArray[np.float32]  # float32 halves the time and the memory of the n x n arrays

TARGETS = ("linear", "rbf")
ALIKE = "the training frames are all alike; give recordings that differ"
_BETA_CLIP = 1e-6


class PairForm(Protocol):
    """One learner's objective b' A b over T training frames."""

    def times(self, b: Matrix) -> Matrix:
        """Return A b for b (T,)."""

    def within(self, X: Matrix) -> Matrix:
        """Return X' A X (D, D) for X (T, D)."""

    def take(self, b: Matrix) -> float:
        """Settle bit b (T,) of -1 and +1; return its beta."""


def target_similarity(H: Matrix, target: str, sigma2: float) -> Matrix:
    """Return S (n, n) of rows H (n, D): H H' ("linear") or exp((H H' - 1) / sigma2) ("rbf", eq. 15)."""
    S = H @ H.T
    return S if target == "linear" else np.exp((S - 1.0) / np.float32(sigma2))


class FactoredResidual:
    """A = c_l S' - sum_{m<l} b_m b_m' for the linear target, S' = (H - mean)(H - mean)'.

    S' is scaled to a mean diagonal of 1, so that c_l = reach * l asks of l bits what l bits can hold, however
    many are to come. It has rank D: A is never formed, and the pairs need no segments, all T x T count.
    """

    def __init__(self, H: Matrix, reach: float) -> None:
        centred = H - H.mean(axis=0)
        variance = float(np.mean(np.sum(centred**2, axis=1), dtype=np.float64))
        if variance <= 0.0:
            raise BlshError(ALIKE)
        self._centred = centred / np.float32(np.sqrt(variance))
        self._reach = reach
        self._bits: list[Matrix] = []

    def _share(self) -> np.float32:
        return np.float32(self._reach * (len(self._bits) + 1))

    def times(self, b: Matrix) -> Matrix:
        result: Matrix = self._centred @ (self._centred.T @ b) * self._share()
        if self._bits:
            taken = np.stack(self._bits)
            result -= (taken @ b) @ taken
        return result

    def within(self, X: Matrix) -> Matrix:
        cross = X.T @ self._centred
        result: Matrix = cross @ cross.T * self._share()
        if self._bits:
            explained = np.stack(self._bits) @ X
            result -= explained.T @ explained
        return result

    def take(self, b: Matrix) -> float:
        self._bits.append(b)
        return 1.0  # the search counts every bit alike, and so does the sum that the residual leaves


class _Segments:
    """A kept as one block for each segment of frames; pairs across segments do not count."""

    def __init__(self, H: Matrix, segment: int, target: str, sigma2: float) -> None:
        self._H = H
        self._target = target
        self._sigma2 = sigma2
        self._slices = [slice(at, min(at + segment, len(H))) for at in range(0, len(H), segment)]
        self._blocks: list[Matrix] = []

    def _similarity(self, part: slice) -> Matrix:
        return target_similarity(self._H[part], self._target, self._sigma2)

    def times(self, b: Matrix) -> Matrix:
        return np.concatenate([A @ b[part] for part, A in zip(self._slices, self._blocks, strict=True)])

    def within(self, X: Matrix) -> Matrix:
        result: Matrix = np.zeros((X.shape[1], X.shape[1]), dtype=np.float32)
        for part, A in zip(self._slices, self._blocks, strict=True):
            result += X[part].T @ (A @ X[part])
        return result


class SegmentedResidual(_Segments):
    """The same inside segments, S' the target centred within each: for any target."""

    def __init__(self, H: Matrix, segment: int, target: str, sigma2: float, reach: float) -> None:
        super().__init__(H, segment, target, sigma2)
        self._blocks = [self._centred(part) for part in self._slices]
        variance = sum(float(np.trace(S)) for S in self._blocks) / len(H)
        if variance <= 0.0:
            raise BlshError(ALIKE)
        self._share = np.float32(reach / variance)
        for S in self._blocks:
            S *= self._share

    def _centred(self, part: slice) -> Matrix:
        S = self._similarity(part)
        means = S.mean(axis=0, dtype=np.float32)
        S += means.mean() - means[:, None] - means[None, :]
        return S

    def take(self, b: Matrix) -> float:
        for part, A in zip(self._slices, self._blocks, strict=True):
            A += self._share * self._centred(part)  # made anew: cheaper to hold than a second set of arrays
            A -= np.outer(b[part], b[part])
        return 1.0


class Boosted(_Segments):
    """Algorithm 2: A = W o (S - 1/2), W reweighted after each bit where it was wrong.

    D_ij = (S~_ij - S_ij)^2 with S in [0, 1] and S~ = (b_i b_j + 1) / 2, so D is in [0, 1] as well.
    log W_ij = sum_m beta_m D_m,ij is kept up to a constant, one array a segment.
    """

    def __init__(self, H: Matrix, segment: int, target: str, sigma2: float) -> None:
        super().__init__(H, segment, target, sigma2)
        self._log_weights: list[Matrix] = [
            np.zeros((part.stop - part.start,) * 2, dtype=np.float32) for part in self._slices
        ]
        self._reweigh()

    def _weights(self, log_weights: Matrix) -> Matrix:
        W: Matrix = np.exp(log_weights - log_weights.max())
        W /= W.sum(dtype=np.float64).astype(np.float32)
        return W

    def _reweigh(self) -> None:
        self._blocks = [
            self._weights(log_weights) * (self._clipped(part) - np.float32(0.5))
            for part, log_weights in zip(self._slices, self._log_weights, strict=True)
        ]

    def _clipped(self, part: slice) -> Matrix:
        return np.clip(self._similarity(part), 0.0, 1.0)

    def take(self, b: Matrix) -> float:
        errors = [
            (np.outer(b[part], b[part]) * np.float32(0.5) + np.float32(0.5) - self._clipped(part)) ** 2
            for part in self._slices
        ]
        each = [
            float((self._weights(log_weights) * D).sum(dtype=np.float64))
            for log_weights, D in zip(self._log_weights, errors, strict=True)
        ]
        epsilon = float(np.clip(np.mean(each), _BETA_CLIP, 1.0 - _BETA_CLIP))
        beta = float(np.log((1.0 - epsilon) / epsilon))
        for log_weights, D in zip(self._log_weights, errors, strict=True):
            log_weights += np.float32(beta) * D
        self._reweigh()
        return beta
