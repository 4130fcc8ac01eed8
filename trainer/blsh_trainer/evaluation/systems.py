# SPDX-License-Identifier: Apache-2.0
"""The systems that evaluations compare: the `estimate` of each maps the parts of a mixture to its speech."""

from dataclasses import dataclass

from blsh_trainer.arrays import ComplexArray, FloatArray
from blsh_trainer.compute.cosine_index import KNN
from blsh_trainer.corpora.mixing import Mixture
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.model.voting_model import VotingModel
from blsh_trainer.signals.features import FeatureExtractor, find_feature_kind
from blsh_trainer.signals.masks import find_mask_kind, ideal_binary_mask
from blsh_trainer.signals.spectra import BINS, filter_frames, istft, stft

_VALUE_BYTES = 4  # a real number takes 32 bits in the paper's sizes, and so in ours


@dataclass(frozen=True)
class ModelSize:
    """The bytes that a system must keep: real numbers take 4 bytes each, bits are packed without gaps (Table I).

    entries: the codes or features of the dictionary. masks: the masks of the entries. parameters: projections and
    biases, or the weights of a network. The paper's sizes are `without_masks`; a device needs all three.
    """

    entries: int = 0
    parameters: int = 0
    masks: int = 0

    @property
    def total(self) -> int:
        """The bytes of all three."""
        return self.entries + self.parameters + self.masks

    @property
    def without_masks(self) -> int:
        """The bytes that the paper's Table I counts."""
        return self.entries + self.parameters

    def to_dict(self) -> dict[str, int]:
        """Return the figures as JSON values."""
        return {
            "entries": self.entries,
            "parameters": self.parameters,
            "masks": self.masks,
            "without_masks": self.without_masks,
            "total": self.total,
        }


class MixtureSystem:
    """The unprocessed mixture, from which every improvement is measured."""

    size = ModelSize()

    def estimate(self, signals: Mixture) -> FloatArray:
        """Return the mixture (n,)."""
        return signals.mixture


class IbmOracle:
    """The ideal binary mask on the mixture: an upper bound for all systems that estimate a binary mask."""

    size = ModelSize()

    def estimate(self, signals: Mixture) -> FloatArray:
        """Return the estimate (n,). It takes the parts of the mixture, which no denoiser has."""
        mask = ideal_binary_mask(stft(signals.speech), stft(signals.noise))
        return istft(stft(signals.mixture) * mask, signals.mixture.size)


class HashDenoiser:
    """The hash look-up of a model in floating point: LSH or BLSH, as its projections were made."""

    def __init__(self, model: AnyModel) -> None:
        self.denoiser = FloatDenoiser(model)

    @property
    def size(self) -> ModelSize:
        """The sizes of the codes, of the projections with their biases, and of the masks.

        Of a voting model: those of its tables, which are of integers; votes, weights and response count as masks.
        """
        model = self.denoiser.model
        if isinstance(model, VotingModel):
            return _voting_size(model)
        kind = find_mask_kind(model.mask_kind)
        return ModelSize(
            entries=_bytes_of(model.entries * model.bits),
            parameters=_VALUE_BYTES * (model.projections.size + model.biases.size),
            masks=_bytes_of(model.entries * kind.width * kind.level_bits),
        )

    def estimate(self, signals: Mixture) -> FloatArray:
        """Return the estimate (n,) from the mixture alone."""
        return self.denoiser.denoise(signals.mixture)


class KnnDenoiser:
    """The KNN system without a hash: cosine similarity of features of one kind."""

    def __init__(self, knn: KNN, feature_kind: str) -> None:
        """Take a fitted `knn`. BlshError for an unknown kind of features."""
        self.knn = knn
        self.feature_kind = find_feature_kind(feature_kind)

    @property
    def size(self) -> ModelSize:
        """The sizes of the features and of the masks."""
        rows = self.knn.index_.rows
        return ModelSize(entries=_VALUE_BYTES * rows.size, masks=_bytes_of(len(rows) * BINS))

    def estimate(self, signals: Mixture) -> FloatArray:
        """Return the estimate (n,) from the mixture alone. BlshError if the features are of another width."""
        return self.denoise(signals.mixture)

    def denoise(self, x: FloatArray) -> FloatArray:
        """Return the denoised signal float64 (n,), aligned in time with x (n,). BlshError if x is unfit."""
        features = FeatureExtractor(self.feature_kind)

        def masked(X: ComplexArray) -> ComplexArray:
            return X * self.knn.masks(features(X))

        return filter_frames(x, masked)


def _voting_size(model: VotingModel) -> ModelSize:
    bit_votes = 0 if model.bit_votes is None else model.bit_votes.nbytes
    return ModelSize(
        entries=_bytes_of(model.code_bits.size),
        parameters=model.projections.nbytes + model.thresholds.nbytes,
        masks=model.votes.nbytes + model.weights.nbytes + model.response_q14.nbytes + bit_votes,
    )


def _bytes_of(bits: int) -> int:
    return -(-bits // 8)
