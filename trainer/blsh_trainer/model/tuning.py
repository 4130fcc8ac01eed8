# SPDX-License-Identifier: Apache-2.0
"""Tune a trained model by ear: its limit of attenuation and its smoothing, without learning it again (SPEC.md, 10).

Both are numbers beside the tables that were learned. Every engine reads them from the artifact, so a tuned model is
computed with the same bits everywhere, as any other is.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.attenuation import attenuation_text
from blsh_trainer.model.card import Card
from blsh_trainer.model.voting_model import VotingModel

TUNED = "tuned"
"""The key of the card under which the former values stand, and the SHA-256 of the model that had them."""


@dataclass(frozen=True)
class Tuning:
    """What may be changed of a trained model; None leaves the model's own.

    attenuation: the limit, 0 to 60 whole dB or ATTENUATION_OFF (attenuation.py). smoothing, smoothing_down: sixteenths,
    0 to 15, that stay of the hop before: of a voting model where sums of votes do not fall, and where they fall.
    """

    attenuation: int | None = None
    smoothing: int | None = None
    smoothing_down: int | None = None


def tuned(model: AnyModel, tuning: Tuning) -> AnyModel:
    """Return `model` with the values of `tuning`; `model` itself where they are its own.

    The card of another model says which values it had, and of which model. BlshError for a value out of range, and for
    `smoothing_down` of a model with masks, which has one smoothing for both directions.
    """
    wanted = {name: value for name, value in asdict(tuning).items() if value is not None}
    if "smoothing_down" in wanted and not isinstance(model, VotingModel):
        raise BlshError(
            f"smoothing_down is {wanted['smoothing_down']}, and {model.name} is a model with masks, which has one "
            "smoothing; leave it out"
        )
    changed = {name: value for name, value in wanted.items() if value != getattr(model, name)}
    if not changed:
        return model
    origin: dict[str, Any] = {name: getattr(model, name) for name in changed}
    card = {**model.card, TUNED: {"parent_sha256": model.sha256, **origin}}
    return replace(model, **changed, card=card)


def tuned_text(model: AnyModel) -> str | None:
    """Return in words how `model` was tuned, as "attenuation 12 dB, was off; of 0123456789ab"; None if it was not."""
    origin: Card | None = model.card.get(TUNED)
    if origin is None:
        return None
    former = {name: value for name, value in origin.items() if name != "parent_sha256"}
    words = [
        f"{name} {_value(name, getattr(model, name))}, was {_value(name, value)}" for name, value in former.items()
    ]
    return f"{'; '.join(words)}; of {origin['parent_sha256'][:12]}"


def _value(name: str, value: int) -> str:
    return attenuation_text(value) if name == "attenuation" else str(value)
