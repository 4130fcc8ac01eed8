"""The dictionary: which frames become entries, and the mask that each of them holds."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from blsh_trainer.arrays import BoolArray, ByteArray, FloatArray, IntArray, Progress
from blsh_trainer.compute.hamming_index import hamming_knn
from blsh_trainer.learning.dictionary_refine import LEAST_SHARE, Start, refine
from blsh_trainer.learning.mask_distil import distilled_masks
from blsh_trainer.learning.soft_knn import Matrix
from blsh_trainer.learning.training_frames import TrainingFrames
from blsh_trainer.model.projection import Learner, hash_codes
from blsh_trainer.signals.masks import find_mask_kind, unpack_bits
from blsh_trainer.signals.spectra import BINS


class DictionaryOptions(Protocol):
    """What of TrainOptions concerns the dictionary."""

    @property
    def entries(self) -> int | None: ...
    @property
    def mask_kind(self) -> str: ...
    @property
    def neighbours(self) -> int: ...
    @property
    def refine_steps(self) -> int: ...
    @property
    def bits(self) -> int: ...
    @property
    def lengths(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Dictionary:
    """Codes bool (N, L) and mask levels uint8 (N, W), with the projections (L, D) and biases (L,) of the codes.

    `nested`: the first entries are a dictionary of their own, however many they are.
    """

    projections: FloatArray
    biases: FloatArray
    code_bits: BoolArray
    mask_levels: ByteArray
    nested: bool = False


def build_dictionary(
    frames: TrainingFrames,
    learner: Learner,
    options: DictionaryOptions,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Dictionary:
    """Return all frames as entries, or at most `entries` of them drawn at random.

    "ibm": each entry has its frame's own ideal binary mask. Bands: the masks are distilled from all frames. If
    refining is asked for, that is but the start from which codes, masks and projections are learned together.
    """
    count = len(frames) if options.entries is None else min(options.entries, len(frames))
    drawn: IntArray = rng.permutation(len(frames))[:count].astype(np.int64)
    chosen = np.sort(drawn)
    projections, biases = learner.projections_, learner.biases_
    if options.mask_kind == "ibm":
        levels = unpack_bits(frames.ibm[chosen], BINS).astype(np.uint8)
        return Dictionary(projections, biases, learner.transform(frames.H[chosen]), levels)
    top = find_mask_kind(options.mask_kind).top
    if options.refine_steps:
        masks = _distilled(frames, projections, biases, drawn, options.neighbours, progress)
        lengths = sorted({*options.lengths, options.bits})
        least = max(options.neighbours, round(LEAST_SHARE * count))
        start = Start(projections, biases, masks)
        refined = refine(frames, drawn, start, lengths, least, top, options.refine_steps, rng, progress)
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
