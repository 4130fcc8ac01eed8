# SPDX-License-Identifier: Apache-2.0
"""Distil the masks of a dictionary: fit them to all training frames, not only to the frames of its entries.

The device averages the masks of the K nearest entries. Given the codes, this average is linear in the masks, so the
masks that denoise all training frames best solve a least-squares problem, one for each band. A small dictionary with
distilled masks denoises as well as a larger one whose masks are those of its own frames.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from blsh_trainer.arrays import IntArray
from blsh_trainer.learning.soft_knn import Matrix
from blsh_trainer.progress import Progress

_STEPS = 15


def distilled_masks(
    neighbours: IntArray,
    wanted: Matrix,
    weights: Matrix,
    own: Matrix,
    pull: float = 1.0,
    progress: Progress | None = None,
) -> Matrix:
    """Return masks float32 (N, B) in [0, 1] for a dictionary whose entries had the masks `own` (N, B).

    neighbours (T, K): the entries nearest to each training frame. wanted (T, B): the masks that the frames should get,
    and weights (T, B): how much each counts. `pull` draws entries that few frames meet towards their own masks; 1 is
    the weight of a single frame of mean energy in one of the K places. The problem is solved by 15 steps of conjugate
    gradients, for all bands at once.
    """
    frames, K = neighbours.shape
    starts = np.arange(0, frames * K + 1, K)
    values = np.full(frames * K, 1.0 / K, dtype=np.float32)
    mean = sparse.csr_matrix((values, neighbours.ravel(), starts), shape=(frames, len(own)))
    across = mean.T.tocsr()
    towards_own = (pull / K * weights.mean(axis=0)).astype(np.float32)

    def normal(M: NDArray[np.float32]) -> Matrix:
        result: Matrix = across @ (weights * (mean @ M))
        result += towards_own * M
        return result

    masks = own.astype(np.float32, copy=True)
    residual = across @ (weights * wanted) + towards_own * own - normal(masks)
    direction = residual.copy()
    size = (residual**2).sum(axis=0)
    for step in range(_STEPS):
        image = normal(direction)
        length = size / np.maximum((direction * image).sum(axis=0), 1e-20)
        masks += length * direction
        residual -= length * image
        smaller = (residual**2).sum(axis=0)
        direction = residual + smaller / np.maximum(size, 1e-20) * direction
        size = smaller
        if progress is not None:
            progress("distilling masks", step + 1, _STEPS)
    clipped: Matrix = np.clip(masks, 0.0, 1.0)
    return clipped
