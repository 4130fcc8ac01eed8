# SPDX-License-Identifier: Apache-2.0
"""The options of the joint learner: the shape of the model, its training, and what it does to a mask."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from blsh_trainer.errors import BlshError
from blsh_trainer.model.attenuation import ATTENUATION_OFF, check_attenuation
from blsh_trainer.model.card import ATTENUATION, GEOMETRY, attenuation_on_card, geometry_on_card
from blsh_trainer.model.gain_rules import LEAST_ODDS, GainRules
from blsh_trainer.model.projection import MAX_BITS
from blsh_trainer.model.voting_model import (
    BIT_VOTES_A_UNIT,
    MAX_RULE_VOTES,
    MAX_THRESHOLDS,
    MAX_VOTERS,
)
from blsh_trainer.signals.geometry import RECORDER, Geometry
from blsh_trainer.signals.masks import MAX_SMOOTHING

_MOST_SHIFT = 2.0


@dataclass(frozen=True)
class JointOptions:
    """The options of a joint training; the defaults are the `voting` system.

    Shape of the model: P `projections` of `thresholds` each, `dictionaries` of `entries` each, K `neighbours`,
    `bit_votes` or none. Training: `passes` scenes of each utterance; `steps` steps of `sequences` x `span` frames at
    the learning rate `rate`. Loss: `hearing` weighs the error of compressed spectra against that of spectra, `clarity`
    the correlation of envelopes, and `easy` is the error, as a share of the speech, below which a sequence counts less.
    Playback: `smoothing`, `smoothing_down`, `start_odds` and `steady_odds` as of GainRules; `shift_odds`
    is added to settled log odds, and below 0 takes away more noise and more speech; the least gain is `floor_db`.
    `attenuation` is the model's own limit (model/attenuation.py). `geometry` is that of frames and hops; the smoothings
    are for each hop.
    """

    name: str = "blsh"
    seed: int = 0
    projections: int = 96
    thresholds: int = 3
    dictionaries: int = 5
    entries: int = 64
    neighbours: int = 8
    bit_votes: bool = True
    passes: int = 6
    steps: int = 128_000
    sequences: int = 8
    span: int = 32
    rate: float = 3e-3
    hearing: float = 0.5
    clarity: float = 4.0
    easy: float = 0.05
    smoothing: int = 4
    smoothing_down: int = 4
    start_odds: float = 3.5
    steady_odds: float = 3.5
    shift_odds: float = -0.3
    floor_db: float = -30.0
    attenuation: int = ATTENUATION_OFF
    geometry: Geometry = RECORDER

    @property
    def bits(self) -> int:
        """L, the length of a code."""
        return self.projections * self.thresholds

    @property
    def rules(self) -> GainRules:
        """How log odds settle before they become gains."""
        return GainRules(
            self.smoothing, self.smoothing_down, self.start_odds, self.steady_odds, self.geometry.hops_per_tick
        )

    def to_card(self) -> dict[str, Any]:
        """Return all options by name, as JSON values; geometry and attenuation have places of their own on a card."""
        named = {name: value for name, value in asdict(self).items() if name not in (GEOMETRY, ATTENUATION)}
        return named | geometry_on_card(self.geometry) | attenuation_on_card(self.attenuation)

    def check(self) -> None:
        """Raise BlshError, naming the option, unless all values can be used, and with each other."""
        if not self.name:
            raise BlshError(f"name is {self.name!r}; give the model a name, the device reports it")
        for option, least, most in (
            ("seed", 0, None),
            ("projections", 1, MAX_BITS),
            ("thresholds", 1, MAX_THRESHOLDS),
            ("dictionaries", 1, self.geometry.bands),
            ("entries", 2, 1 << 16),
            ("neighbours", 1, MAX_VOTERS),
            ("passes", 1, None),
            ("steps", 1, None),
            ("sequences", 1, None),
            ("span", 2, None),
            ("smoothing", 0, MAX_SMOOTHING),
            ("smoothing_down", 0, MAX_SMOOTHING),
        ):
            value = getattr(self, option)
            if value < least or (most is not None and value > most):
                raise BlshError(f"{option} is {value}; choose {least} {'or more' if most is None else f'to {most}'}")
        check_attenuation(self.attenuation)
        if self.bits > MAX_BITS:
            raise BlshError(
                f"{self.projections} projections of {self.thresholds} thresholds make {self.bits} bits; "
                f"a code has at most {MAX_BITS}"
            )
        if self.neighbours > self.entries:
            raise BlshError(f"{self.neighbours} neighbours of {self.entries} entries; choose at most as many")
        for option, above_zero, top in (
            ("rate", True, 1.0),
            ("easy", True, 1.0),
            ("hearing", False, 100.0),
            ("clarity", False, 100.0),
            ("start_odds", False, MAX_RULE_VOTES / BIT_VOTES_A_UNIT),
            ("steady_odds", False, MAX_RULE_VOTES / BIT_VOTES_A_UNIT),
        ):
            self._check_number(option, above_zero, top)
        if not -_MOST_SHIFT <= self.shift_odds <= _MOST_SHIFT:
            raise BlshError(f"shift_odds is {self.shift_odds:g}; choose {-_MOST_SHIFT:g} to {_MOST_SHIFT:g}")
        lowest = -20.0 * math.log10(1.0 + math.exp(-LEAST_ODDS - self.shift_odds))
        if not lowest <= self.floor_db <= 0.0:
            raise BlshError(
                f"floor_db is {self.floor_db:g}; choose {math.ceil(lowest)} to 0, as low as log odds go with "
                f"shift_odds {self.shift_odds:g}"
            )

    def _check_number(self, option: str, above_zero: bool, most: float) -> None:
        value = getattr(self, option)
        if not (0.0 < value <= most or (value == 0.0 and not above_zero)):
            least = "more than 0" if above_zero else "0"
            raise BlshError(f"{option} is {value:g}; choose {least} to {most:g}")


def joint_options(given: Mapping[str, Any]) -> JointOptions:
    """Return the options of the `voting` system, those in `given` in place of its own.

    With hops shorter than 16 ms its smoothings keep as much over 16 ms as they do in one such hop.
    BlshError for an option that the system does not have, and for options that cannot be used.
    """
    known = [field.name for field in fields(JointOptions)]
    for option in given:
        if option not in known:
            raise BlshError(f"the system voting has no option {option}; it has {', '.join(known)}")
    geometry = given.get("geometry", RECORDER)
    own = {name: smoothing_of(geometry, getattr(JointOptions, name)) for name in ("smoothing", "smoothing_down")}
    options = JointOptions(**{**own, **given})
    options.check()
    return options


def smoothing_of(geometry: Geometry, sixteenths: int) -> int:
    """Return the sixteenths to keep in each hop, so that as much is kept over 16 ms as `sixteenths` of it."""
    kept: float = (sixteenths / 16) ** (1.0 / geometry.hops_per_tick)
    return min(MAX_SMOOTHING, round(16.0 * kept))
