# SPDX-License-Identifier: Apache-2.0
"""Name the generated C of a model: `blsh_model` and its tables, or with a prefix, so that one program holds several."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from blsh_trainer.errors import BlshError

CORE_PREFIX: Final = "blsh"
LONGEST_PREFIX: Final = 24
BAND_TABLES: Final = ("mel_first", "mel_count", "mel_weight_q16")
"""Tables of mel bands, which only make sense together."""
SHAREABLE: Final = ("window_q14", "synthesis_q14", "band_edge", *BAND_TABLES)
"""Tables that follow from geometry and kind of features, by field of blsh_model_t: models often have the same."""

_PREFIX: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TABLES: Final = {
    **{name: name for name in (*SHAREABLE, "projection_q7", "bias_q3", "gain_q14", "threshold", "group_edge")},
    **{name: name for name in ("bit_vote", "response_q14")},
    "planes": "dictionary_planes",
    "bounds": "dictionary_bounds",
    "masks": "dictionary_masks",
    "vote": "dictionary_votes",
    "weight": "vote_weight",
}
"""The names of tables in C behind the prefix, by field of blsh_model_t."""


@dataclass(frozen=True)
class Naming:
    """How a model is called in C: `PREFIX_model` in `PREFIX_model.h`, with the numbers `PREFIX_MODEL_...`.

    shared: the symbols of tables that the model has in common with others, by field of blsh_model_t. They are defined
    elsewhere.
    """

    prefix: str = CORE_PREFIX
    shared: Mapping[str, str] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The symbol of the model, which is the name of its files, too."""
        return f"{self.prefix}_model"

    @property
    def macro(self) -> str:
        """What the names of the model's numbers begin with."""
        return f"{self.prefix.upper()}_MODEL"

    @property
    def symbols(self) -> dict[str, str]:
        """The symbols of the model, and of its tables by field of blsh_model_t."""
        own = {name: f"{self.prefix}_{suffix}" for name, suffix in _TABLES.items()}
        return {"model": self.model, **own, **self.shared}


PLAIN: Final = Naming()
"""The names of a model that is the only one of its program."""


def check_prefixes(prefixes: Sequence[str], models: int) -> None:
    """Raise BlshError unless `prefixes` can begin names in C, one for each of `models`; a single model needs none."""
    if len(prefixes) != models and (prefixes or models != 1):
        raise BlshError(
            f"{models} model{'s' * (models != 1)} and {len(prefixes)} --prefix; give each model of one program its own "
            "--prefix, in the order of the models"
        )
    for prefix in prefixes:
        if not _PREFIX.fullmatch(prefix) or len(prefix) > LONGEST_PREFIX:
            raise BlshError(
                f"--prefix {prefix!r} cannot begin names in C; give a lower-case letter, then lower-case letters, "
                f"digits and single underscores between them, {LONGEST_PREFIX} characters at most, as in near_field"
            )
        if prefix == CORE_PREFIX or prefix.startswith(f"{CORE_PREFIX}_"):
            raise BlshError(f"--prefix {prefix}: names of the core begin with {CORE_PREFIX}; choose another prefix")
        if prefixes.count(prefix) > 1:
            raise BlshError(f"--prefix {prefix} is given {prefixes.count(prefix)} times; give each model its own")
