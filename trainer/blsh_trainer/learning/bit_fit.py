# SPDX-License-Identifier: Apache-2.0
"""One bit's projection: a closed-form start, then steps along the surrogate gradient (eq. 6)."""

import numpy as np
from scipy import linalg

from blsh_trainer.arrays import FloatArray
from blsh_trainer.learning.objectives import Objective

_STEP = 0.2
_PATIENCE = 5
_LEAST_STEP = 1e-3


def unwhitening(moment: FloatArray, ridge: float) -> FloatArray:
    """Return R^-1 (D + 1, D + 1), where R' R is `moment`, X' X / T, with `ridge` times its mean diagonal added.

    For X R^-1 the generalised eigenproblem is an ordinary one, and the gradient needs no scaling.
    """
    C = moment.copy()
    C[np.diag_indices_from(C)] += ridge * np.trace(C) / len(C)
    return np.asarray(linalg.solve_triangular(linalg.cholesky(C), np.eye(len(C))))


def _leading_eigenvector(M: FloatArray) -> FloatArray:
    last = len(M) - 1
    _, vectors = linalg.eigh(M, subset_by_index=(last, last))
    w = vectors[:, 0]
    # The sign of an eigenvector is arbitrary. Fixing it keeps the codes the same from one LAPACK to the next.
    return np.asarray(w * np.sign(w[np.argmax(np.abs(w))]))


def fit_bit(
    objective: Objective, rng: np.random.Generator, moment: FloatArray, unwhiten: FloatArray, steps: int
) -> FloatArray:
    """Climb b' A b from the closed-form start along the surrogate gradient; return the best v = [P, b] (D + 1,) met.

    `steps` steps are taken at most. When five in a row bring nothing better, the climb goes on from the best v with
    steps half as long, until their length is negligible.
    """
    w = _leading_eigenvector(unwhiten.T @ objective.start(rng) @ unwhiten)
    best, best_w, best_slope = unwhiten @ w, w, np.zeros_like(w)
    best_value, stale, step = -np.inf, 0, _STEP
    for _ in range(steps + 1):
        v = unwhiten @ w
        v /= max(float(np.sqrt(v @ moment @ v)), 1e-12)  # gives X v a mean square of 1, where tanh bends
        value, surrogate = objective.climb(v)
        slope = unwhiten.T @ surrogate
        if value > best_value:
            best, best_w, best_slope, best_value, stale = v, w, slope, value, 0
        else:
            stale += 1
        if stale == _PATIENCE:
            step, stale = step / 2, 0
            w, slope = best_w, best_slope
        length = float(np.linalg.norm(slope))
        if length == 0.0 or step < _LEAST_STEP:
            break
        w = w / np.linalg.norm(w) + step / length * slope
    return best
