# SPDX-License-Identifier: Apache-2.0
"""Gather the frames that a model is learned from: the features of each, and the mask that it should lead to."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from blsh_trainer.arrays import ByteArray, IntArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.mixing import MAX_SNR_DB, NamedMixture, draw_mixtures
from blsh_trainer.corpora.varied_mixtures import varied_mixtures
from blsh_trainer.errors import BlshError
from blsh_trainer.progress import Progress
from blsh_trainer.signals.features import features, find_feature_kind, l2_normalise
from blsh_trainer.signals.geometry import RECORDER, Geometry
from blsh_trainer.signals.masks import MaskKind, band_means, find_mask_kind, ideal_binary_mask, nearest_gains, pack_bits
from blsh_trainer.signals.spectra import stft


@dataclass(frozen=True)
class TrainingFrames:
    """T frames of training mixtures, in their order.

    H: L2-normalised features, float32 (T, D). ibm: packed ideal binary masks, uint8 (T, ceil(bins / 8)). band_masks:
    the mask that each frame needs, in the bands of the mask kind (MaskKind.taught_edges), float32 (T, B) in [0, 1].
    band_weights (T, B): the energy of the band over that of the mixture's mean frame; so all mixtures count alike, as
    they do in the mean of their SI-SDRs. mixture: the number of the frame's mixture, int32 (T,). lots: the random
    numbers by which frames are dropped, float64 (T,). made: how many frames there were before any was dropped.
    """

    H: NDArray[np.float32]
    ibm: ByteArray
    band_masks: NDArray[np.float32]
    band_weights: NDArray[np.float32]
    mixture: NDArray[np.int32]
    lots: NDArray[np.float64]
    made: int

    def __len__(self) -> int:
        return len(self.H)

    def take(self, rows: IntArray) -> Self:
        """Return the frames at `rows` (n,)."""
        arrays = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "made"}
        return type(self)(**arrays, made=self.made)


@dataclass(frozen=True)
class FrameOptions:
    """The choice of training mixtures, and of the frames and features kept.

    `passes` mixes every training utterance that many times, each time with another noise. `varied` mixes at many SNRs
    with noises coloured anew (varied_mixtures), else all mixtures are at `snr_db`. At most `max_frames` of the frames
    are kept, at random: their features of `feature_kind`, and masks as a dictionary of `mask_kind` needs them. They are
    frames of the `geometry`, at its rate.
    """

    feature_kind: str = "mel"
    mask_kind: str = "ibm"
    snr_db: float = 0.0
    varied: bool = False
    passes: int = 1
    max_frames: int = 100_000
    geometry: Geometry = RECORDER

    @property
    def masks(self) -> MaskKind:
        """The kind of masks, in the geometry."""
        return find_mask_kind(self.mask_kind, self.geometry)

    def check(self) -> None:
        """Raise BlshError, naming the option, unless all values can be used."""
        find_feature_kind(self.feature_kind)
        find_mask_kind(self.mask_kind)
        if self.passes < 1:
            raise BlshError(f"passes is {self.passes}; choose 1 or more")
        if not abs(self.snr_db) <= MAX_SNR_DB:
            raise BlshError(f"snr_db is {self.snr_db}; it must be a finite number of -{MAX_SNR_DB:g} to {MAX_SNR_DB:g}")


def gather_frames(
    corpus: Corpus,
    options: FrameOptions,
    rng: np.random.Generator,
    keep_rng: np.random.Generator,
    progress: Progress | None = None,
) -> TrainingFrames:
    """Mix the train split and return its frames, at most `max_frames` of them.

    All frames have the same chance to be kept. The others are dropped while mixtures are still being made, so that
    `max_frames` bounds the memory. Frames that are digital silence in the mixture are left out: they have no direction
    and no mask to teach. BlshError when no frame is left.
    """
    total = options.passes * len(corpus.select("speech", "train"))
    parts: list[TrainingFrames] = []
    made = held = 0
    for number, named in enumerate(_mixtures(corpus, options, total, rng)):
        frames = _frames_of(named, number, options, keep_rng)
        parts.append(frames)
        made += len(frames)
        held += len(frames)
        if held > 1.4 * options.max_frames:  # thinning is rare, because it copies all frames that are kept
            parts = [_thinned(parts, options.max_frames, made)]
            held = options.max_frames
        if progress is not None:
            progress("mixing", min(number + 1, total), total)
    if not made:
        raise BlshError("the training mixtures have no frame with sound; give recordings that are not silent")
    return _thinned(parts, options.max_frames, made)


def _mixtures(corpus: Corpus, options: FrameOptions, total: int, rng: np.random.Generator) -> Iterator[NamedMixture]:
    if options.varied:
        return varied_mixtures(corpus, "train", options.passes, rng)
    return draw_mixtures(corpus, "train", total, options.snr_db, rng)


def _frames_of(
    named: NamedMixture, number: int, options: FrameOptions, keep_rng: np.random.Generator
) -> TrainingFrames:
    signals, geometry = named.signals.at_rate(options.geometry.rate_hz), options.geometry
    X, S, N = (stft(signal, geometry) for signal in (signals.mixture, signals.speech, signals.noise))
    H = l2_normalise(features(X, options.feature_kind, geometry)).astype(np.float32)
    sounding = H.any(axis=1)
    binary = ideal_binary_mask(S, N)
    power = np.abs(X) ** 2
    kind = options.masks
    wanted = binary if kind.of_bins else nearest_gains(S, X, power)
    band_masks, energy = band_means(wanted, power, kind.taught_edges)
    band_weights = energy / max(float(energy.sum(axis=1).mean()), 1e-30)
    return TrainingFrames(
        H[sounding],
        pack_bits(binary[sounding]),
        band_masks[sounding].astype(np.float32),
        band_weights[sounding].astype(np.float32),
        np.full(int(sounding.sum()), number, dtype=np.int32),
        keep_rng.random(int(sounding.sum())),
        int(sounding.sum()),
    )


def _thinned(parts: list[TrainingFrames], most: int, made: int) -> TrainingFrames:
    """Return all frames of `parts`, or the `most` with the lowest lots: no later frame can bring the others back."""
    names = [f.name for f in fields(TrainingFrames) if f.name != "made"]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    frames = TrainingFrames(**joined, made=made)
    if len(frames) <= most:
        return frames
    return frames.take(np.sort(np.argsort(frames.lots, kind="stable")[:most]))
