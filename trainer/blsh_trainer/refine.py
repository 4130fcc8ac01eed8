"""Projections and the masks of a set dictionary learned together, through the soft KNN."""

from dataclasses import dataclass

import numpy as np

from blsh_trainer.arrays import FloatArray, IntArray, Progress
from blsh_trainer.frames import TrainingFrames
from blsh_trainer.soft_knn import Adam, Matrix, gradient
from blsh_trainer.supervised import Centred, initial_tau

_QUERIES = 512
_RATE = 0.003
_MASK_RATE = 0.03
_LOG_TAU_RATE = 0.01
_SQUASH = 0.02  # how near to 0 and 1 a mask may start: at them the logistic function has no slope


@dataclass(frozen=True)
class Refined:
    """Unit projections (L, D), biases (L,) and the dictionary's masks float32 (N, B)."""

    projections: FloatArray
    biases: FloatArray
    masks: Matrix


def refine(
    frames: TrainingFrames,
    entries: IntArray,
    start: Refined,
    steps: int,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Refined:
    """Move all projections at once, with the masks of the dictionary, so that the training frames denoise better.

    `entries` are the frames that make the dictionary; a query does not see the entries of its own mixture. Each of
    `steps` steps takes 512 queries against the whole dictionary. This undoes an order of the bits by significance.
    """
    centred = Centred(frames.H)
    P, b = centred.scaled(start.projections, start.biases)
    inner = np.clip(start.masks, 0.0, 1.0)
    logits: Matrix = np.log((inner + _SQUASH) / (1.0 + _SQUASH - inner)).astype(np.float32)
    log_tau = np.array([np.log(initial_tau(len(P)))], dtype=np.float32)
    references = centred.rows[entries]
    nothing_frozen = np.zeros((_QUERIES, len(entries)), dtype=np.float32)
    adam = Adam(steps)
    for step in range(steps):
        q = rng.integers(len(frames), size=_QUERIES)
        X = centred.rows[q]
        masks = _logistic(logits)
        found = gradient(
            X @ P.T + b,
            references @ P.T + b,
            nothing_frozen,
            float(np.exp(log_tau[0])),
            masks,
            frames.band_masks[q],
            frames.band_weights[q],
            frames.mixture[q][:, None] == frames.mixture[entries][None, :],
        )
        adam.next()
        P = P - adam.change("P", found.queries.T @ X + found.references.T @ references, _RATE)
        b = b - adam.change("b", found.queries.sum(axis=0) + found.references.sum(axis=0), _RATE)
        log_tau -= adam.change("tau", np.array([found.log_tau], np.float32), _LOG_TAU_RATE)
        logits = logits - adam.change("masks", found.masks * masks * (1.0 - masks), _MASK_RATE)
        if progress is not None:
            progress("refining", step + 1, steps)
    projections, biases = centred.original(P, b)
    return Refined(projections, biases, _logistic(logits))


def _logistic(logits: Matrix) -> Matrix:
    masks: Matrix = np.float32(1.0) / (np.float32(1.0) + np.exp(-logits))
    return masks
