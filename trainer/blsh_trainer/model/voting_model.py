# SPDX-License-Identifier: Apache-2.0
"""A voting model: several thresholds on each projection, a dictionary for each group of bands, neighbours that vote.

Its tables are the integers of the device (SPEC.md, 3 and 5), so nothing is lost between training and firmware.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blsh_trainer.arrays import AnyArray, BoolArray, FloatArray
from blsh_trainer.errors import BlshError
from blsh_trainer.model.attenuation import ATTENUATION_OFF, check_attenuation
from blsh_trainer.model.card import (
    ATTENUATION,
    CORPORA,
    Card,
    attenuation_on_card,
    check_card,
    content_hash,
    geometry_of_card,
    geometry_on_card,
)
from blsh_trainer.model.gain_rules import GainRules
from blsh_trainer.model.projection import MAX_BITS
from blsh_trainer.signals.features import FEATURE_KINDS
from blsh_trainer.signals.geometry import RECORDER, Geometry
from blsh_trainer.signals.masks import MAX_SMOOTHING, pack_bits, unpack_bits
from blsh_trainer.system_names import VOTING

VOTING_FORMAT = 4
"""The format of the artifact of a voting model in the paper's geometry."""
GEOMETRY_FORMAT = 5
"""The format of artifacts of any model whose card names a geometry: one other than the paper's."""
VOTING_FEATURES = "memory"
VOTES = "votes"
"""What a voting model has for masks, where a kind of masks is named."""
VOTE_BANDS = RECORDER.bands
"""The most bands that votes are for; a model has those of its geometry."""
MAX_THRESHOLDS = 4
MAX_VOTERS = 32
"""The most neighbours that vote in a dictionary."""
VOTE_WEIGHTS = 32
"""Weights of a neighbour, by its distance less that of the nearest; one that lies farther behind has no vote."""
LEVELS_A_UNIT, BIT_VOTES_A_UNIT = 16, 64
"""Steps of a vote in a unit of log odds: of an entry's level, of a bit's vote."""
RESPONSES = 256
RESPONSE_ORIGIN = 128
"""The index of the response to votes that sum to 0."""
MAX_RULE_VOTES = 255
GAIN_ONE_Q14 = 1 << 14

VOTING_ARRAYS: dict[str, tuple[str, int]] = {  # dtype and dimensions of each array in the file
    "projections": ("int8", 2),
    "thresholds": ("int32", 2),
    "codes": ("uint8", 2),
    "group_edges": ("int16", 1),
    "votes": ("int8", 2),
    "weights": ("uint8", 2),
    "response": ("int16", 1),
    "card": ("uint8", 1),
}
BIT_VOTES = ("bit_votes", ("int8", 3))
"""The array that a file may lack: then no bit votes."""


@dataclass(frozen=True, eq=False)
class VotingModel:
    """P projections with T thresholds each, and G dictionaries of N entries whose votes add up to a mask of 80 bands.

    projections: int8 (P, 257), the weights of the `memory` features. thresholds: int32 (P, T), ascending. Bit p T + t
    of a code is 1 where projection p reaches its threshold t.

    code_bits: bool (G, N, L), L = P T. group_edges: int16 (G + 1,); dictionary g serves bands group_edges[g] to
    group_edges[g + 1] - 1. votes: int8 (N, W), in 1/16 of a unit of log odds; column w is of the dictionary that
    serves band w. neighbours: K, the entries of each dictionary that vote. weights: uint8 (G, 32), of a neighbour by
    its distance less that of the nearest.

    bit_votes: int8 (P, T + 1, W) or None: what projection p adds to each band, in 1/64 of a unit, by the number of
    its thresholds that it reaches.

    geometry: of frames and hops; W is geometry.bands. response_q14: int16 (256,), Q1.14: the gain of a band by its
    settled sum of votes, in 1/16 of a unit, plus 128.
    smoothing, smoothing_down, start_votes, steady_votes: how sums of votes settle (GainRules); votes in 1/64 of a unit,
    0 to 255. attenuation: the limit of how far a band is lowered, in whole dB, unless its user sets another
    (attenuation.py). card: provenance as JSON values.

    BlshError when the parts do not fit together.
    """

    name: str
    neighbours: int
    projections: NDArray[np.int8]
    thresholds: NDArray[np.int32]
    code_bits: BoolArray
    group_edges: NDArray[np.int16]
    votes: NDArray[np.int8]
    weights: NDArray[np.uint8]
    bit_votes: NDArray[np.int8] | None
    response_q14: NDArray[np.int16]
    card: Card
    smoothing: int = 0
    smoothing_down: int = 0
    start_votes: int = 0
    steady_votes: int = 0
    geometry: Geometry = RECORDER
    attenuation: int = ATTENUATION_OFF

    def __post_init__(self) -> None:
        _check_voting_model(self)

    @property
    def feature_kind(self) -> str:
        """The name of the features that the projections take."""
        return VOTING_FEATURES

    @property
    def mask_kind(self) -> str:
        """The name for what its entries have instead of masks."""
        return VOTES

    @property
    def rules(self) -> GainRules:
        """How sums of votes settle before they become gains."""
        return GainRules(
            self.smoothing,
            self.smoothing_down,
            self.start_votes / BIT_VOTES_A_UNIT,
            self.steady_votes / BIT_VOTES_A_UNIT,
            self.geometry.hops_per_tick,
        )

    @property
    def bits(self) -> int:
        """L, the length of a code."""
        return int(self.thresholds.size)

    @property
    def entries(self) -> int:
        """N, the entries of each dictionary."""
        return int(self.code_bits.shape[1])

    @property
    def dictionaries(self) -> int:
        """G, the dictionaries."""
        return int(self.code_bits.shape[0])

    @property
    def format_version(self) -> int:
        """The format of the artifact."""
        return VOTING_FORMAT if self.geometry == RECORDER else GEOMETRY_FORMAT

    @cached_property
    def sha256(self) -> str:
        """SHA-256 in hex over every array and the card but for credits: the model's identity, kept in the artifact."""
        return content_hash(self.arrays(), self.own_card())

    def with_metrics(self, metrics: Card) -> "VotingModel":
        """Return the model with `metrics` (JSON values) on its card, which are part of its identity."""
        return replace(self, card={**self.card, "metrics": metrics})

    def arrays(self) -> dict[str, AnyArray]:
        """Return the arrays of the artifact but for the card, by name."""
        arrays: dict[str, AnyArray] = {
            "format_version": np.array(self.format_version, dtype=np.int64),
            "projections": np.ascontiguousarray(self.projections),
            "thresholds": np.ascontiguousarray(self.thresholds),
            "codes": pack_bits(self.code_bits.reshape(-1, self.bits)),
            "group_edges": np.ascontiguousarray(self.group_edges),
            "votes": np.ascontiguousarray(self.votes),
            "weights": np.ascontiguousarray(self.weights),
            "response": np.ascontiguousarray(self.response_q14),
        }
        if self.bit_votes is not None:
            arrays["bit_votes"] = np.ascontiguousarray(self.bit_votes)
        return arrays

    def own_card(self) -> Card:
        """Return the card as the artifact holds it, without credits and hash."""
        return {
            **{key: value for key, value in self.card.items() if key != CORPORA},
            "system": VOTING,
            "name": self.name,
            "feature_kind": self.feature_kind,
            "neighbours": self.neighbours,
            "smoothing": self.smoothing,
            "smoothing_down": self.smoothing_down,
            "start_votes": self.start_votes,
            "steady_votes": self.steady_votes,
            **geometry_on_card(self.geometry),
            **attenuation_on_card(self.attenuation),
        }


_NAMED = ("name", "neighbours", "smoothing", "smoothing_down", "start_votes", "steady_votes")


def voting_model_of(arrays: dict[str, AnyArray], card: Card) -> VotingModel:
    """Return the model of an artifact's arrays, of the types in VOTING_ARRAYS, and its card with the credits.

    BlshError when they do not fit together, KeyError where the card lacks something.
    """
    if card.pop("system", VOTING) != VOTING or card["feature_kind"] != VOTING_FEATURES:
        raise BlshError(f"the card speaks of {card['feature_kind']!r} features; expected {VOTING_FEATURES!r}")
    del card["feature_kind"]
    bits, dictionaries = arrays["thresholds"].size, len(arrays["group_edges"]) - 1
    codes = unpack_bits(arrays["codes"], bits)
    if dictionaries < 1 or bits < 1 or len(codes) == 0 or len(codes) % dictionaries:
        raise BlshError(f"{len(codes)} codes of {bits} bits are not {dictionaries} dictionaries of one size")
    named = {key: card.pop(key) for key in _NAMED}
    return VotingModel(
        **named,
        geometry=geometry_of_card(card),
        attenuation=card.pop(ATTENUATION, ATTENUATION_OFF),
        projections=arrays["projections"],
        thresholds=arrays["thresholds"],
        code_bits=codes.reshape(dictionaries, -1, bits),
        group_edges=arrays["group_edges"],
        votes=arrays["votes"],
        weights=arrays["weights"],
        bit_votes=arrays.get("bit_votes"),
        response_q14=arrays["response"],
        card={key: value for key, value in card.items() if key != "sha256"},
    )


def voting_codes(X: ArrayLike, model: VotingModel) -> BoolArray:
    """Return the codes bool (T, L) of features X (T, 257): bit p T + t is 1 where projection p reaches threshold t."""
    sums = np.asarray(X, dtype=np.float64) @ model.projections.T.astype(np.float64)
    return np.asarray(sums[:, :, None] >= model.thresholds).reshape(len(sums), -1)


def response(odds: FloatArray, model: VotingModel) -> FloatArray:
    """Return the gains float64 in [0, 1] for settled log odds."""
    index = np.clip(np.floor(odds * LEVELS_A_UNIT + 0.5) + RESPONSE_ORIGIN, 0, RESPONSES - 1).astype(np.intp)
    return np.asarray(model.response_q14[index] / GAIN_ONE_Q14)


def _check_voting_model(model: VotingModel) -> None:
    check_card(model.name, model.card)
    _check_shapes(model)
    if not 1 <= model.bits <= MAX_BITS:
        raise BlshError(f"{model.bits} bits (projections times thresholds); a code has 1 to {MAX_BITS}")
    check_thresholds(model.thresholds)
    check_groups(model.group_edges, model.geometry.bands)
    check_weights(model.weights)
    check_response(model.response_q14)
    most = min(model.entries, MAX_VOTERS)
    if type(model.neighbours) is not int or not 1 <= model.neighbours <= most:
        raise BlshError(f"{model.neighbours} neighbours of {model.entries} entries; choose 1 to {most}")
    for name, highest in (
        ("smoothing", MAX_SMOOTHING),
        ("smoothing_down", MAX_SMOOTHING),
        ("start_votes", MAX_RULE_VOTES),
        ("steady_votes", MAX_RULE_VOTES),
    ):
        value = getattr(model, name)
        if type(value) is not int or not 0 <= value <= highest:
            raise BlshError(f"{name} is {value!r}; choose a whole number from 0 to {highest}")
    check_attenuation(model.attenuation)


def _check_shapes(model: VotingModel) -> None:
    width = FEATURE_KINDS[VOTING_FEATURES].count(model.geometry)
    if model.projections.ndim != 2 or model.projections.shape[1] != width or model.projections.shape[0] < 1:
        raise BlshError(f"projections have shape {model.projections.shape}; expected (projections, {width})")
    rows = model.projections.shape[0]
    each = model.thresholds.shape[1] if model.thresholds.ndim == 2 else 0
    if model.thresholds.shape != (rows, each) or not 1 <= each <= MAX_THRESHOLDS:
        raise BlshError(
            f"thresholds have shape {model.thresholds.shape}; expected ({rows}, 1 to {MAX_THRESHOLDS} thresholds)"
        )
    if model.code_bits.ndim != 3 or model.code_bits.shape[2] != rows * each or 0 in model.code_bits.shape:
        raise BlshError(
            f"code_bits have shape {model.code_bits.shape}; expected (dictionaries, entries, {rows * each} bits)"
        )
    groups, entries = model.code_bits.shape[:2]
    bands = model.geometry.bands
    expected: dict[str, tuple[tuple[int, ...], str]] = {
        "projections": ((rows, width), "int8"),
        "thresholds": ((rows, each), "int32"),
        "code_bits": (model.code_bits.shape, "bool"),
        "group_edges": ((groups + 1,), "int16"),
        "votes": ((entries, bands), "int8"),
        "weights": ((groups, VOTE_WEIGHTS), "uint8"),
        "response_q14": ((RESPONSES,), "int16"),
    }
    if model.bit_votes is not None:
        expected["bit_votes"] = ((rows, each + 1, bands), "int8")
    for name, (shape, dtype) in expected.items():
        array = getattr(model, name)
        if array.shape != shape or array.dtype != np.dtype(dtype):
            raise BlshError(f"{name} are {array.dtype} with shape {array.shape}; expected {dtype} with shape {shape}")


def check_thresholds(thresholds: NDArray[np.int32]) -> None:
    """Raise BlshError unless the thresholds (P, T) of each projection ascend."""
    falls = (np.diff(thresholds.astype(np.int64), axis=1) <= 0).any(axis=1)
    if falls.any():
        row = int(np.argmax(falls))
        raise BlshError(f"the thresholds of projection {row} do not ascend: {thresholds[row].tolist()}")


def check_response(response_q14: NDArray[np.int16]) -> None:
    """Raise BlshError unless the gains (256,) are from 0 to 1 and never fall."""
    gains = response_q14.astype(np.int64)
    if gains.min() < 0 or gains.max() > GAIN_ONE_Q14:
        raise BlshError(f"the response goes from {gains.min()} to {gains.max()}; expected 0 to {GAIN_ONE_Q14}")
    if (np.diff(gains) < 0).any():
        at = int(np.argmax(np.diff(gains) < 0))
        raise BlshError(f"the response falls from {gains[at]} to {gains[at + 1]} at index {at + 1}; it may only rise")


def check_groups(edges: NDArray[np.int16], bands: int) -> None:
    """Raise BlshError unless the edges (G + 1,) give each of the bands to one dictionary."""
    given = [int(edge) for edge in edges]
    if given[0] != 0 or given[-1] != bands or any(a >= b for a, b in pairwise(given)):
        raise BlshError(
            f"the groups of bands begin at {given[:-1]} and end at {given[-1]}; "
            f"expected ascending edges from 0 to {bands}, so that each band has one dictionary"
        )


def check_weights(weights: NDArray[np.uint8]) -> None:
    """Raise BlshError unless the weights (G, 32) fall with the distance, from 1 or more."""
    for group, row in enumerate(weights.astype(np.int64)):
        if row[0] < 1:
            raise BlshError(f"the nearest neighbour in dictionary {group} has weight 0; expected 1 to 255")
        if (np.diff(row) > 0).any():
            at = int(np.argmax(np.diff(row) > 0))
            raise BlshError(
                f"the weights of dictionary {group} rise from {row[at]} to {row[at + 1]} at distance {at + 1}; "
                "a farther neighbour may not weigh more"
            )
