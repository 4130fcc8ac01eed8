# SPDX-License-Identifier: Apache-2.0
"""The command that trains a voting model again, from what its card says."""

import shlex

from blsh_trainer.learning.joint.options import joint_options
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.card import ATTENUATION, CORPORA, GEOMETRY, geometry_on_card
from blsh_trainer.model.voting_model import VotingModel

_NO_FLAG = ("bit_votes", "sequences", "span", "rate", "easy")
"""Options that the command line does not have."""


def training_command(model: AnyModel) -> str | None:
    """Return the line that trains `model`, with its corpora by name; options that have their default are left out.

    None for a model of another system, one whose card is of an earlier version, and one with an option that the
    command line does not have.
    """
    options, corpora = model.card.get("options"), model.card.get(CORPORA)
    if not isinstance(model, VotingModel) or options is None or corpora is None:
        return None
    usual = joint_options({GEOMETRY: model.geometry}).to_card()  # its smoothings are those of the geometry
    unusual = {name: value for name, value in options.items() if value != usual.get(name)}
    if any(name in _NO_FLAG or name not in {*usual, ATTENUATION} for name in unusual):
        return None
    unusual |= geometry_on_card(model.geometry)
    words = ["blsh", "train", *(f"{each['name']}/" for each in corpora)]
    for pattern in model.card["corpus"].get("without", []):
        words += ["--without", pattern]
    for name, value in unusual.items():
        words += [f"--{name.replace('_', '-')}", _word(name, value)]
    return shlex.join([*words, "-o", f"{model.name}.npz"])


def _word(name: str, value: object) -> str:
    if name == GEOMETRY and isinstance(value, list):
        return "/".join(map(str, value))
    return str(value)
