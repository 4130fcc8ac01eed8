# SPDX-License-Identifier: Apache-2.0
"""Boosted locality-sensitive hashing: projections learned one by one (paper, section III)."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import AnyArray, FloatArray
from blsh_trainer.compute.block_pool import LocalPool, Pool, single_threaded_blas
from blsh_trainer.compute.frame_chunks import as_source, frame_blocks
from blsh_trainer.errors import BlshError
from blsh_trainer.learning.bit_fit import fit_bit, unwhitening
from blsh_trainer.learning.checkpoint import Checkpoint, fingerprint
from blsh_trainer.learning.objectives import (
    AllPairsResidual,
    Objective,
    SegmentPairs,
    second_moments,
    segment_variance,
    variance,
)
from blsh_trainer.learning.pair_forms import DIVERGENCES, TARGETS, BoostedPairs, ResidualPairs
from blsh_trainer.model.projection import Learner, check_bits, check_training_rows
from blsh_trainer.progress import Progress
from blsh_trainer.suggestions import unknown

WEIGHTINGS = ("residual", "adaboost")
_ALIKE = 1e-6  # the variance of frames of length 1, below which there is nothing but rounding
_STREAMED = 4096  # frames that are read at once where pairs need no segments
_LEAST_STREAMED = 8  # pieces of _STREAMED frames in a block, at least: fewer are not worth a thread


@dataclass(frozen=True)
class BoostOptions:
    """The objective of the bits of BLSH, and the effort of refining them.

    weighting "residual": bit l maximises b' (c_l S' - sum_{m<l} b_m b_m') b, S' the centred target. That is what the
    bits before it leave unexplained, under the unweighted Hamming distance of the search. c_l is chosen so that the
    trace of c_l S' is that of `reach` x l bits; so the first bits of a long code are the very bits of a short one.
    "adaboost": the paper's Algorithm 2, its eq. 11 read pair by pair (the printed sum within exp cannot be meant);
    `divergence` is the reading of its D (see BoostedPairs).

    target: "linear" (H H') or "rbf" (eq. 15 with `sigma2`). Pairs lie within shuffled segments of `segment` frames,
    except that the linear residual takes all pairs, which costs it no memory. `steps` steps along
    X' ((1 - tanh^2 z) o A b) (eq. 6) refine each bit. `ridge` is added to X' X relative to its mean diagonal. If there
    are more segments than `sample`, a bit's start and refinement take `sample` of them, drawn anew for each bit; its
    error and weight take all. (Measured: 3 or 10 of 30 segments denoise as well as all; holding a segment's A takes
    4 MB.)
    """

    weighting: str = "residual"
    target: str = "linear"
    sigma2: float = 0.5
    divergence: str = "squared"
    segment: int = 1000
    reach: float = 0.5
    steps: int = 20
    ridge: float = 1e-4
    sample: int = 30

    @property
    def all_pairs(self) -> bool:
        """Whether the objective counts all pairs of frames, not only those within a segment."""
        return self.weighting == "residual" and self.target == "linear"

    def check(self) -> None:
        """Raise BlshError, naming the option, unless all values can be used."""
        for name, value, known in (
            ("target", self.target, TARGETS),
            ("weighting", self.weighting, WEIGHTINGS),
            ("divergence", self.divergence, DIVERGENCES),
        ):
            if value not in known:
                raise BlshError(f"{name} {value!r} {unknown(value, known)}")
        if self.segment < 2:
            raise BlshError(f"segment {self.segment} holds no pair; choose 2 or more frames")
        for name, number in (("sigma2", self.sigma2), ("reach", self.reach), ("ridge", self.ridge)):
            if not (np.isfinite(number) and number > 0):
                raise BlshError(f"{name} is {number}; it must be a number above 0")
        if self.steps < 0:
            raise BlshError(f"steps is {self.steps}; it must be 0 or more")
        if self.sample < 1:
            raise BlshError(f"sample is {self.sample}; it must be 1 or more")


class BLSH(Learner):
    """Projections learned so that Hamming similarity of the codes follows a target similarity.

    Each bit starts at the leading generalised eigenvector of (X' A X, X' X), X the features with a column of ones,
    and is then refined. `pool` does the work: threads of this process by default, or a DaskPool; the result is the
    same.

    After `fit`: projections_ (L, D), biases_ (L,), betas_ (L,) (eq. 13; ones for "residual"), ordered.
    """

    def __init__(
        self,
        bits: int,
        rng: np.random.Generator,
        options: BoostOptions | None = None,
        pool: Pool | None = None,
    ) -> None:
        self.bits = bits
        self.rng = rng
        self.options = options or BoostOptions()
        self.pool = pool

    def fit(
        self,
        H: ArrayLike,
        progress: Progress | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Learn the projections from H, L2-normalised (T, D), float32 or float64, in memory or memory-mapped.

        After every bit, the file `checkpoint` holds the bits learned; a fit that finds it goes on from there, to
        the same result. One number is drawn from `rng`, and the choices of a bit derive from it and the bit's place:
        a resumed fit needs a generator in the same state. BlshError for bad options or features, and for a checkpoint
        that is of another fit or cannot be written.
        """
        check_bits(self.bits)
        self.options.check()
        rows = check_training_rows(H)
        seed = int(self.rng.integers(2**63))
        saved = None
        if checkpoint is not None:
            identity = {**asdict(self.options), "seed": seed}  # all that the bits depend on, besides the features
            saved = Checkpoint(Path(checkpoint), identity, fingerprint(rows))
        learned = None if saved is None else saved.load(rows.shape[1] + 1)
        weights = np.empty((self.bits, rows.shape[1] + 1))
        betas = np.empty(self.bits)
        with single_threaded_blas():
            objective, moment = self._prepared(as_source(rows), seed)
            unwhiten = unwhitening(moment, self.options.ridge)
            for bit in range(self.bits):
                if learned is not None and bit < len(learned[0]):
                    weights[bit], betas[bit] = learned[0][bit], learned[1][bit]
                else:
                    draw = np.random.default_rng([seed, bit])
                    weights[bit] = fit_bit(objective, draw, moment, unwhiten, self.options.steps)
                    betas[bit] = objective.beta(weights[bit])
                    if saved is not None:
                        saved.save(weights[: bit + 1], betas[: bit + 1])
                if bit + 1 < self.bits:
                    objective.take(weights[bit], betas[bit])
                if progress is not None:
                    progress("learning bits", bit + 1, self.bits)
        weights /= np.linalg.norm(weights[:, :-1], axis=1, keepdims=True)
        self.projections_ = np.ascontiguousarray(weights[:, :-1])
        self.biases_ = weights[:, -1].copy()
        self.betas_ = betas
        return self

    def _prepared(self, source: AnyArray, seed: int) -> tuple[Objective, FloatArray]:
        """Return the objective of the bits, and X' X / T (D + 1, D + 1), X the features with a column of ones."""
        pool, options = self.pool or LocalPool(), self.options
        total = len(source)
        if options.all_pairs:
            cut = frame_blocks(source, _STREAMED, least=_LEAST_STREAMED)
        else:
            cut = frame_blocks(source, options.segment, np.random.default_rng(seed).permutation(total))
        blocks = pool.hold(cut)
        moment = second_moments(pool, blocks, total)
        if variance(moment) <= _ALIKE:
            raise BlshError("the training frames are all alike; give recordings that differ")
        if options.all_pairs:
            return AllPairsResidual(pool, blocks, moment, total, options.reach), moment
        lengths = [len(block) for block in cut]
        if options.weighting == "adaboost":
            boosted = BoostedPairs(options.target, options.sigma2, options.divergence)
            return SegmentPairs(pool, blocks, lengths, boosted, options.sample), moment
        spread = segment_variance(pool, blocks, ResidualPairs(options.target, options.sigma2, 1.0), total)
        residual = ResidualPairs(options.target, options.sigma2, options.reach / spread)
        return SegmentPairs(pool, blocks, lengths, residual, options.sample), moment
