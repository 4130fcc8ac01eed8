# SPDX-License-Identifier: Apache-2.0
"""Pair forms: the quadratic form b' A b that a bit maximises inside a segment.

Every reading of the paper's objective (eq. 9) is affine in b_i b_j: D_ij = E_ij - F_ij b_i b_j, where E and F depend on
the target S alone. So learner l maximises b' A b over bits b in {-1, +1}, and A follows from the features, the codes
learned before and their betas. A is made anew for a segment when it is needed: nothing of the size of all pairs is
ever kept. A pair form is a small value that can be sent to a worker, and its `weigh` makes the A of one segment.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.compute.frame_chunks import Matrix

TARGETS = ("linear", "rbf")
DIVERGENCES = ("squared", "cross-entropy", "reverse")
_CLIP = 0.01  # S is clipped to 0.01 to 0.99 in the reverse cross-entropy, which bounds its logarithms
_TILE = 128  # rows of a segment that are worked on at once, so that they stay in the cache


class PairForm(Protocol):
    """The objective b' A b of one learner over the pairs of a segment."""

    def weigh(self, H: Matrix, bipolar: Matrix, betas: FloatArray) -> tuple[Matrix, float]:
        """Return A (n, n) and a constant, given frames H (n, D), their codes (n, l) learned before and betas (l,).

        The constant minus b' A b is the weighted error of a bit b (eq. 12).
        """


def target_similarity(H: Matrix, others: Matrix, target: str, sigma2: float) -> Matrix:
    """Return S (n, m) of rows H (n, D) and others (m, D): H G' ("linear") or exp((H G' - 1) / sigma2) (eq. 15)."""
    S = H @ others.T
    if target == "rbf":
        S -= np.float32(1.0)
        S /= np.float32(sigma2)
        np.exp(S, out=S)
    return S


@dataclass(frozen=True)
class ResidualPairs:
    """The residual: A = c_l S' - sum_{m<l} b_m b_m', S' the target centred within the segment, c_l = l `share`."""

    target: str
    sigma2: float
    share: float

    def centred(self, H: Matrix) -> Matrix:
        """Return S' (n, n) of H (n, D)."""
        S = target_similarity(H, H, self.target, self.sigma2)
        means = S.mean(axis=0, dtype=np.float64)
        S += (means.mean() - means).astype(np.float32)
        S -= means.astype(np.float32)[:, None]
        return S

    def weigh(self, H: Matrix, bipolar: Matrix, betas: FloatArray) -> tuple[Matrix, float]:
        A = self.centred(H)
        A *= np.float32(self.share * (bipolar.shape[1] + 1))
        A -= bipolar @ bipolar.T
        return A, 0.0


@dataclass(frozen=True)
class BoostedPairs:
    """Algorithm 2: A = W o F, where W_ij is proportional to exp(sum_m beta_m D_m,ij) and sums to 1 in the segment.

    S is clipped to [0, 1], and S~ = (b_i b_j + 1) / 2. The `divergence` D is one of three, all scaled into [0, 1]:

    - "squared": (S~ - S)^2.
    - "cross-entropy": that of S against S~, with S~ clipped to [d, 1 - d] and divided by -ln d, in the limit d = 0.
      It is |S~ - S|.
    - "reverse": the cross-entropy of S~ against S clipped to [0.01, 0.99], divided by -ln 0.01.

    The first two have the same F = S - 1/2 and differ in E, so in weights and betas. The third has
    F = logit(S) / (-2 ln 0.01). The weights need no memory: sum_m beta_m D_m = E sum(beta) - F o (B diag(beta) B').
    """

    target: str
    sigma2: float
    divergence: str

    def weigh(self, H: Matrix, bipolar: Matrix, betas: FloatArray) -> tuple[Matrix, float]:
        A = np.empty((len(H), len(H)), dtype=np.float32)
        scaled = bipolar * betas.astype(np.float32)
        total_beta = np.float32(betas.sum())
        shift, weight, constant = -np.inf, 0.0, 0.0
        for at in range(0, len(H), _TILE):
            rows = slice(at, min(at + _TILE, len(H)))
            E, F = self._parts(target_similarity(H[rows], H, self.target, self.sigma2))
            W = scaled[rows] @ bipolar.T
            W *= F
            np.subtract(total_beta * E, W, out=W)
            highest = float(W.max())
            if highest > shift:  # the largest exponent is to be 0: rows made with a smaller shift are scaled down
                less = np.exp(shift - highest)
                A[:at] *= np.float32(less)
                weight, constant, shift = weight * less, constant * less, highest
            W -= np.float32(shift)
            np.exp(W, out=W)
            weight += float(W.sum())
            constant += float(np.vdot(W, E))
            np.multiply(W, F, out=A[rows])
        A /= np.float32(weight)
        return A, constant / weight

    def _parts(self, S: Matrix) -> tuple[Matrix, Matrix]:
        """Return E and F of D = E - F b_i b_j."""
        half = np.float32(0.5)
        if self.divergence == "reverse":
            np.clip(S, np.float32(_CLIP), np.float32(1 - _CLIP), out=S)
            like, unlike = np.log(S), np.log1p(-S)
            scale = np.float32(0.5 / np.log(_CLIP))
            return (like + unlike) * scale, (unlike - like) * scale
        np.clip(S, np.float32(0), np.float32(1), out=S)
        S -= half
        if self.divergence == "cross-entropy":
            return np.full_like(S, half), S
        return S * S + np.float32(0.25), S
