"""Boosted locality-sensitive hashing: projections learned one by one (paper, section III)."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from blsh_trainer.arrays import BoolArray, FloatArray, Progress
from blsh_trainer.errors import BlshError
from blsh_trainer.hashing import check_bits, check_training_rows, hash_codes
from blsh_trainer.pairs import TARGETS, Boosted, FactoredResidual, Matrix, PairForm, SegmentedResidual

WEIGHTINGS = ("residual", "adaboost")
_STEP = 0.2
_PATIENCE = 5


class BLSH:
    """Projections learned so that Hamming similarity of the codes follows a target similarity.

    weighting "residual": bit l maximises b' (c_l S' - sum_{m<l} b_m b_m') b, S' the centred target: what the
    bits before it leave unexplained, under the unweighted Hamming distance that the search uses. c_l is
    such that the trace of c_l S' is that of `reach` x l bits; so the first bits of a long code are the very
    bits of a short one. "adaboost": the paper's Algorithm 2 as method.md settles it.

    target "linear" (H H') or "rbf" (eq. 15 with `sigma2`); pairs lie within shuffled segments of `segment`
    frames, except that the linear residual affords all pairs. Each bit starts at the leading generalised
    eigenvector of (X' A X, X' X), X the features with a column of ones, and is refined by `steps` steps along
    X' ((1 - tanh^2 z) o A b) (eq. 6). `ridge` is added to X' X relative to its mean diagonal.

    After `fit`: projections_ (L, D), biases_ (L,), betas_ (L,) (eq. 13; ones for "residual"), ordered.
    """

    def __init__(
        self,
        bits: int,
        rng: np.random.Generator,
        target: str = "linear",
        weighting: str = "residual",
        segment: int = 1000,
        sigma2: float = 0.5,
        reach: float = 0.5,
        steps: int = 20,
        ridge: float = 1e-4,
    ) -> None:
        self.bits = bits
        self.rng = rng
        self.target = target
        self.weighting = weighting
        self.segment = segment
        self.sigma2 = sigma2
        self.reach = reach
        self.steps = steps
        self.ridge = ridge
        self.projections_: FloatArray
        self.biases_: FloatArray
        self.betas_: FloatArray

    def fit(self, H: ArrayLike, progress: Progress | None = None) -> Self:
        """Learn the projections from H, L2-normalised (T, D). BlshError for bad parameters or features."""
        self._check()
        rows = check_training_rows(H)
        shuffled = rows[self.rng.permutation(len(rows))].astype(np.float32)
        form = self._form(shuffled)
        X, unwhiten = _whitened(shuffled, self.ridge)
        weights = np.empty((self.bits, rows.shape[1] + 1))
        self.betas_ = np.empty(self.bits)
        for bit in range(self.bits):
            w = _refined(form, X, _leading_eigenvector(form.within(X)), self.steps)
            self.betas_[bit] = form.take(_signs(X @ w))
            weights[bit] = unwhiten @ w
            if progress is not None:
                progress("learning bits", bit + 1, self.bits)
        weights /= np.linalg.norm(weights[:, :-1], axis=1, keepdims=True)
        self.projections_ = np.ascontiguousarray(weights[:, :-1])
        self.biases_ = weights[:, -1].copy()
        return self

    def transform(self, H: ArrayLike) -> BoolArray:
        """Return codes bool (T, L) of features (T, D), normalised or not."""
        return hash_codes(H, self.projections_, self.biases_)

    def _check(self) -> None:
        check_bits(self.bits)
        for name, value, known in (
            ("target", self.target, TARGETS),
            ("weighting", self.weighting, WEIGHTINGS),
        ):
            if value not in known:
                raise BlshError(f"{name} {value!r} is unknown; choose one of {', '.join(known)}")
        if self.segment < 2:
            raise BlshError(f"segment {self.segment} holds no pair; choose 2 or more frames")
        for name, number in (("sigma2", self.sigma2), ("reach", self.reach), ("ridge", self.ridge)):
            if not (np.isfinite(number) and number > 0):
                raise BlshError(f"{name} is {number}; it must be a number above 0")
        if self.steps < 0:
            raise BlshError(f"steps is {self.steps}; it must be 0 or more")

    def _form(self, H: Matrix) -> PairForm:
        if self.weighting == "adaboost":
            return Boosted(H, self.segment, self.target, self.sigma2)
        if self.target == "linear":
            return FactoredResidual(H, self.reach)
        return SegmentedResidual(H, self.segment, self.target, self.sigma2, self.reach)


def _whitened(H: Matrix, ridge: float) -> tuple[Matrix, FloatArray]:
    """Return X R^-1 for X = [H, 1], and R^-1, where R'R = X'X / T + ridge.

    On the whitened X the generalised eigenproblem is an ordinary one and the gradient needs no scaling.
    """
    X = np.concatenate([H, np.ones((len(H), 1), dtype=np.float32)], axis=1)
    C = (X.T.astype(np.float64) @ X) / len(X)
    C[np.diag_indices_from(C)] += ridge * np.trace(C) / len(C)
    inverse = linalg.solve_triangular(linalg.cholesky(C), np.eye(len(C)))
    return X @ inverse.astype(np.float32), np.asarray(inverse, dtype=np.float64)


def _leading_eigenvector(M: Matrix) -> Matrix:
    last = len(M) - 1
    _, vectors = linalg.eigh(M.astype(np.float64), subset_by_index=(last, last))
    w = vectors[:, 0]
    # An eigenvector's sign is arbitrary; fixing it keeps the codes the same from one LAPACK to the next.
    return np.asarray(w * np.sign(w[np.argmax(np.abs(w))]), dtype=np.float32)


def _signs(z: Matrix) -> Matrix:
    return np.where(z >= 0, np.float32(1), np.float32(-1))


def _refined(form: PairForm, X: Matrix, w: Matrix, steps: int) -> Matrix:
    """Climb b' A b from w along the surrogate gradient; return the best w met."""
    best, best_value, stale = w, -np.inf, 0
    for _ in range(steps + 1):
        z = X @ w
        z /= max(float(np.sqrt(np.mean(z**2))), 1e-12)
        b = _signs(z)
        pull = form.times(b)
        value = float(b @ pull)
        if value > best_value:
            best, best_value, stale = w, value, 0
        else:
            stale += 1
            if stale > _PATIENCE:
                break
        gradient = X.T @ ((1.0 - np.tanh(z) ** 2) * pull)
        length = float(np.linalg.norm(gradient))
        if length == 0.0:
            break
        w = w / np.linalg.norm(w) + np.float32(_STEP / length) * gradient
    return best
