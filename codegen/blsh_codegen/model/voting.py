# SPDX-License-Identifier: Apache-2.0
"""Lay a voting model out as the firmware holds it (SPEC.md, 3). Its artifact is in integers already."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.entry_order import tight_order
from blsh_codegen.model.mel_bands import mel_of
from blsh_codegen.model.quantise import IntegerModel, check_sizes
from blsh_codegen.spec.constants import MAX_ENTRIES, VOTE_LEVEL_BITS, ModelKind, voting_kind
from blsh_codegen.spec.packing import pack_words
from blsh_trainer.errors import BlshError
from blsh_trainer.model.voting_model import VotingModel
from blsh_trainer.signals.features import find_feature_kind
from blsh_trainer.signals.masks import band_edges


@dataclass(frozen=True)
class VotingIntegers(IntegerModel):
    """The integers of a voting model: the tables of VotingModel, the entries of each dictionary in their own order.

    thresholds: int32 (P, T). group_edges: int16 (G + 1,). votes: int8 (N, W); column w is of the dictionary that
    serves band w. weights: uint8 (G, 32). bit_votes: int8 (P, T + 1, W) or None. response_q14: int16 (256,).
    """

    thresholds: npt.NDArray[np.int32]
    group_edges: npt.NDArray[np.int16]
    votes: npt.NDArray[np.int8]
    weights: npt.NDArray[np.uint8]
    bit_votes: npt.NDArray[np.int8] | None
    response_q14: npt.NDArray[np.int16]

    @property
    def dictionaries(self) -> int:
        """Dictionaries, G."""
        return len(self.group_edges) - 1

    @property
    def thresholds_each(self) -> int:
        """Thresholds of a projection, and bits that it makes, T."""
        return int(self.thresholds.shape[1])

    @property
    def kind(self) -> ModelKind:
        """The kind of model, by what code it needs."""
        return voting_kind(self.entries)

    @property
    def mask_bands(self) -> int:
        """Bands of a mask, W."""
        return self.geometry.bands

    @property
    def mask_level_bits(self) -> int:
        """Bits of a vote, g."""
        return VOTE_LEVEL_BITS

    @property
    def band_edges(self) -> npt.NDArray[np.int16]:
        """First bin of each band of a mask, and the number of bins."""
        return np.array(band_edges(self.geometry), np.int16)

    @property
    def groups(self) -> list[slice]:
        """The bands of each dictionary."""
        return [slice(first, end) for first, end in pairwise(self.group_edges.tolist())]

    @property
    def vote_table(self) -> npt.NDArray[np.int8]:
        """The votes as they lie in memory, (W N,): dictionary after dictionary, entry after entry."""
        return np.concatenate([self.votes[:, bands].reshape(-1) for bands in self.groups])

    @property
    def dictionary_tables(self) -> tuple[npt.NDArray[Any], ...]:
        """Votes, weights and, if there are any, votes of bits."""
        return (self.vote_table, self.weights, *(() if self.bit_votes is None else (self.bit_votes,)))

    def tables(self) -> dict[str, npt.NDArray[Any]]:
        """Return the tables that the model has, by the field of blsh_model_t that points to them, in its order."""
        return {
            "projection_q7": self.projection_rows,
            **self._windows(),
            "planes": self.planes,
            **({"bounds": self.bounds} if len(self.bounds) else {}),
            **self._shared_tables(),
            "threshold": self.thresholds,
            "group_edge": self.group_edges,
            "vote": self.vote_table,
            "weight": self.weights,
            **({} if self.bit_votes is None else {"bit_vote": self.bit_votes}),
            "response_q14": self.response_q14,
        }

    @classmethod
    def from_model(cls, model: VotingModel, artifact_sha256: str | None = None, reorder: bool = True) -> Self:
        """Lay out `model`; the arguments are those of MaskIntegers.from_model.

        Raises BlshError where a size does not fit the firmware's ranges.
        """
        check_sizes(model)
        if model.dictionaries * model.entries > MAX_ENTRIES:
            raise BlshError(
                f"{model.dictionaries} dictionaries of {model.entries} entries: firmware indexes {MAX_ENTRIES} in all; "
                "train one with fewer"
            )
        feature_kind = find_feature_kind(model.feature_kind)
        orders = [tight_order(codes) if reorder else np.arange(model.entries) for codes in model.code_bits]
        groups = [slice(first, end) for first, end in pairwise(model.group_edges.tolist())]
        votes = [model.votes[order, bands] for order, bands in zip(orders, groups, strict=True)]
        codes = [codes[order] for codes, order in zip(model.code_bits, orders, strict=True)]
        return cls(
            name=model.name,
            model_sha256=artifact_sha256 or model.sha256,
            geometry=model.geometry,
            feature_kind=feature_kind,
            bits=model.bits,
            neighbours=model.neighbours,
            projection_q7=model.projections,
            codes=pack_words(np.concatenate(codes)),
            mel=mel_of(feature_kind, model.geometry),
            smoothing=model.smoothing,
            smoothing_down=model.smoothing_down,
            start_votes=model.start_votes,
            steady_votes=model.steady_votes,
            attenuation=model.attenuation,
            thresholds=model.thresholds,
            group_edges=model.group_edges,
            votes=np.concatenate(votes, axis=1),
            weights=model.weights,
            bit_votes=model.bit_votes,
            response_q14=model.response_q14,
        )


def votes_of_table(
    table: npt.NDArray[np.int8], group_edges: npt.NDArray[np.int16], entries: int
) -> npt.NDArray[np.int8]:
    """Return the votes (N, W) of a `vote_table` (W N,)."""
    parts = [
        table[entries * first : entries * end].reshape(entries, end - first)
        for first, end in pairwise(group_edges.tolist())
    ]
    return np.concatenate(parts, axis=1)
