# SPDX-License-Identifier: Apache-2.0
"""Build a dictionary from training frames: choose its entries, and make the code and the mask of each."""

from dataclasses import dataclass

import numpy as np

from blsh_trainer.arrays import BoolArray, ByteArray, FloatArray, IntArray
from blsh_trainer.compute.hamming_index import hamming_knn
from blsh_trainer.errors import BlshError
from blsh_trainer.learning.dictionary_refine import LEAST_SHARE, Schedule, Start, refine
from blsh_trainer.learning.mask_distil import distilled_masks
from blsh_trainer.learning.soft_knn import Matrix
from blsh_trainer.learning.training_frames import TrainingFrames
from blsh_trainer.model.projection import Learner, hash_codes
from blsh_trainer.progress import Progress
from blsh_trainer.signals.masks import MaskKind, unpack_bits


@dataclass(frozen=True)
class EntryOptions:
    """The choice of entries among the frames, and the making of their masks.

    All frames that were kept are entries, or at most `entries` of them. Masks are learned for the mean over
    `neighbours`, K of the model. `refine_steps` steps learn projections, codes and masks together
    (dictionary_refine). The first entries, however many, are then a dictionary of their own. The first bits are a
    code of their own at each of `lengths`.
    """

    neighbours: int = 10
    entries: int | None = None
    refine_steps: int = 0
    lengths: tuple[int, ...] = ()

    def check(self) -> None:
        """Raise BlshError, naming the option, unless all values can be used."""
        for option, number, least in (
            ("neighbours", self.neighbours, 1),
            ("refine_steps", self.refine_steps, 0),
            ("entries", self.neighbours if self.entries is None else self.entries, self.neighbours),
        ):
            if number < least:
                raise BlshError(f"{option} is {number}; choose {least} or more")


@dataclass(frozen=True)
class Dictionary:
    """Codes bool (N, L) and mask levels uint8 (N, W), with the projections (L, D) and biases (L,) of the codes.

    nested: the first entries, however many, are a dictionary of their own.
    """

    projections: FloatArray
    biases: FloatArray
    code_bits: BoolArray
    mask_levels: ByteArray
    nested: bool = False


def build_dictionary(
    frames: TrainingFrames,
    learner: Learner,
    options: EntryOptions,
    mask_kind: MaskKind,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Dictionary:
    """Return the dictionary of all frames, or of at most `entries` frames drawn at random.

    Masks of bins are the ideal binary masks of the entries' frames; masks of bands are distilled from all frames. If
    refining is asked for, codes, masks and projections are then learned together, starting with the distilled masks.
    """
    count = len(frames) if options.entries is None else min(options.entries, len(frames))
    drawn: IntArray = rng.permutation(len(frames))[:count].astype(np.int64)
    chosen = np.sort(drawn)
    projections, biases = learner.projections_, learner.biases_
    if mask_kind.of_bins:
        levels = unpack_bits(frames.ibm[chosen], mask_kind.geometry.bins).astype(np.uint8)
        return Dictionary(projections, biases, learner.transform(frames.H[chosen]), levels)
    top = mask_kind.top
    if options.refine_steps:
        masks = _distilled(frames, projections, biases, drawn, options.neighbours, progress)
        schedule = Schedule(
            lengths=sorted({*options.lengths, len(biases)}),
            least=max(options.neighbours, round(LEAST_SHARE * count)),
            top=top,
            steps=options.refine_steps,
        )
        refined = refine(frames, drawn, Start(projections, biases, masks), schedule, rng, progress)
        parts = (refined.projections, refined.biases, refined.code_bits, refined.mask_levels)
        return Dictionary(*parts, nested=True)
    masks = _distilled(frames, projections, biases, chosen, options.neighbours, progress)
    levels = np.floor(masks * top + 0.5).astype(np.uint8)
    return Dictionary(projections, biases, hash_codes(frames.H[chosen], projections, biases), levels)


def _distilled(
    frames: TrainingFrames,
    projections: FloatArray,
    biases: FloatArray,
    chosen: IntArray,
    neighbours: int,
    progress: Progress | None,
) -> Matrix:
    codes = hash_codes(frames.H, projections, biases)
    nearest, _ = hamming_knn(codes, codes[chosen], neighbours)
    own = frames.band_masks[chosen]
    return distilled_masks(nearest, frames.band_masks, frames.band_weights, own, progress=progress)
