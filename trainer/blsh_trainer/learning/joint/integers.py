# SPDX-License-Identifier: Apache-2.0
"""Round learned parameters to the integers of a voting model (SPEC.md, 3)."""

import numpy as np
from numpy.typing import NDArray

from blsh_trainer.arrays import FloatArray
from blsh_trainer.learning.joint.network import Arrays, Scaling, group_edges
from blsh_trainer.learning.joint.options import JointOptions
from blsh_trainer.model.card import Card
from blsh_trainer.model.voting_model import (
    BIT_VOTES_A_UNIT,
    GAIN_ONE_Q14,
    LEVELS_A_UNIT,
    RESPONSE_ORIGIN,
    RESPONSES,
    VOTE_WEIGHTS,
    VotingModel,
)

_INT8 = 127
_HEAVIEST = 255


def voting_model(learned: Arrays, scaling: Scaling, options: JointOptions, card: Card) -> VotingModel:
    """Return the model of learned parameters: each table rounded to the device's steps, the floor in its response."""
    learned = _ascending(learned)
    projections, thresholds = _projections(learned, scaling)
    tau = np.exp(learned["log_tau"].astype(np.float64))
    weights = np.floor(_HEAVIEST * np.exp(-2.0 * tau[:, None] * np.arange(VOTE_WEIGHTS)) + 0.5)
    return VotingModel(
        name=options.name,
        geometry=options.geometry,
        neighbours=options.neighbours,
        projections=projections,
        thresholds=thresholds,
        code_bits=learned["entries"] >= 0,
        group_edges=group_edges(options.dictionaries, options.geometry.bands),
        votes=_steps(learned["votes"], LEVELS_A_UNIT),
        weights=weights.astype(np.uint8),
        bit_votes=_bit_votes(learned["bit_votes"], options) if options.bit_votes else None,
        response_q14=response_table(options.floor_db, options.shift_odds),
        card=card,
        smoothing=options.smoothing,
        smoothing_down=options.smoothing_down,
        start_votes=round(BIT_VOTES_A_UNIT * options.start_odds),
        steady_votes=round(BIT_VOTES_A_UNIT * options.steady_odds),
        attenuation=options.attenuation,
    )


def _projections(learned: Arrays, scaling: Scaling) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Return the rows scaled to a peak of 127 and rounded, and the accumulators at which their bits begin.

    A threshold is one on the sum of scaled features: the mean of the features moves to its side. Thresholds that fall
    on one integer are moved apart, because they have to ascend.
    """
    rows = learned["projections"].T.astype(np.float64) / scaling.deviation
    scale = _INT8 / np.maximum(np.abs(rows).max(axis=1), 1e-30)
    whole = np.floor(rows * scale[:, None] + 0.5)
    offset = whole @ scaling.mean.astype(np.float64)
    wanted = np.ceil(learned["thresholds"].astype(np.float64) * scale[:, None] + offset[:, None])
    steps = np.arange(wanted.shape[1])
    return whole.astype(np.int8), (np.maximum.accumulate(wanted - steps, axis=1) + steps).astype(np.int32)


def _ascending(learned: Arrays) -> Arrays:
    """Return the parameters with the thresholds of each projection in ascending order, and their bits with them."""
    projections, each = learned["thresholds"].shape
    order = np.argsort(learned["thresholds"], axis=1, kind="stable")
    bits = (order + each * np.arange(projections)[:, None]).ravel()
    found = {
        **learned,
        "thresholds": np.take_along_axis(learned["thresholds"], order, axis=1),
        "entries": learned["entries"][:, :, bits],
    }
    return {**found, "bit_votes": learned["bit_votes"][bits]} if "bit_votes" in learned else found


def _bit_votes(learned: NDArray[np.float32], options: JointOptions) -> NDArray[np.int8]:
    """Return what each projection adds by the number of thresholds reached: bits reached add, the others subtract."""
    each = learned.astype(np.float64).reshape(options.projections, options.thresholds, -1)
    rows = [each[:, :q].sum(axis=1) - each[:, q:].sum(axis=1) for q in range(options.thresholds + 1)]
    return _steps(np.stack(rows, axis=1), BIT_VOTES_A_UNIT)


def _steps(values: FloatArray | NDArray[np.float32], steps_a_unit: int) -> NDArray[np.int8]:
    return np.clip(np.floor(values.astype(np.float64) * steps_a_unit + 0.5), -_INT8, _INT8).astype(np.int8)


def response_table(floor_db: float, shift_odds: float) -> NDArray[np.int16]:
    """Return the gain for each sum of votes, int16 (256,) in Q1.14.

    It is the logistic function of the sum plus `shift_odds`, but at least `floor_db`.
    """
    odds = (np.arange(RESPONSES) - RESPONSE_ORIGIN) / LEVELS_A_UNIT + shift_odds
    gains = np.maximum(1.0 / (1.0 + np.exp(-odds)), 10.0 ** (floor_db / 20.0))
    table: NDArray[np.int16] = np.floor(GAIN_ONE_Q14 * gains + 0.5).astype(np.int16)
    return table
