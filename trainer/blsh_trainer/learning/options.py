# SPDX-License-Identifier: Apache-2.0
"""All options of a training, in parts by the stage that reads them, and the two systems with all options set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from blsh_trainer.errors import BlshError
from blsh_trainer.learning.dictionary import EntryOptions
from blsh_trainer.learning.registry import CodeOptions
from blsh_trainer.learning.training_frames import FrameOptions
from blsh_trainer.model.artifact import MAX_FLOOR
from blsh_trainer.model.attenuation import ATTENUATION_OFF, check_attenuation
from blsh_trainer.model.card import ATTENUATION, GEOMETRY, attenuation_on_card, geometry_on_card
from blsh_trainer.signals.features import MASK_FEATURES
from blsh_trainer.signals.masks import MAX_SMOOTHING, find_mask_kind
from blsh_trainer.suggestions import unknown


@dataclass(frozen=True)
class PlaybackOptions:
    """The treatment of the neighbours' mean mask by the model: `smoothing`, `floor` and `attenuation` of Model."""

    smoothing: int = 0
    floor: int = 0
    attenuation: int = ATTENUATION_OFF

    def check(self) -> None:
        """Raise BlshError, naming the option, unless all values can be used."""
        check_attenuation(self.attenuation)
        for option, number, most in (("smoothing", self.smoothing, MAX_SMOOTHING), ("floor", self.floor, MAX_FLOOR)):
            if not 0 <= number <= most:
                raise BlshError(f"{option} is {number}; choose a whole number from 0 to {most}")


@dataclass(frozen=True)
class TrainOptions:
    """The options of a training. The defaults are the paper's system with our learner; EXTENDED is our own system.

    `frames`: the training mixtures and what is kept of them. `code`: how the hash is learned. `dictionary`: its entries
    and their masks. `playback`: what the model does to a mask. An option has one name in all places: it is a field of
    one of the parts, a key of the artifact's card and an argument of `with_`.
    """

    name: str = "blsh"
    seed: int = 0
    frames: FrameOptions = field(default_factory=FrameOptions)
    code: CodeOptions = field(default_factory=CodeOptions)
    dictionary: EntryOptions = field(default_factory=EntryOptions)
    playback: PlaybackOptions = field(default_factory=PlaybackOptions)

    def with_(self, **changes: Any) -> Self:
        """Return these options with `changes`, each named as on the card: EXTENDED.with_(bits=50, snr_db=3.0).

        BlshError for a name that no option has.
        """
        known = {*self.to_card(), GEOMETRY, ATTENUATION}
        for name in changes:
            if name not in known:
                raise BlshError(f"option {name!r} {unknown(name, sorted(known))}")
        whole: dict[str, Any] = {name: value for name, value in changes.items() if hasattr(self, name)}
        for part, options in self._parts().items():
            own = {each.name: changes[each.name] for each in fields(options) if each.name in changes}
            whole[part] = replace(options, **own)
        return replace(self, **whole)

    def to_card(self) -> dict[str, Any]:
        """Return all options by name, as JSON values: what the artifact's card holds. The parts do not show.

        The paper's geometry and a limit of attenuation that is off are not named.
        """
        flat = {"name": self.name, "seed": self.seed}
        for options in self._parts().values():
            flat |= asdict(options)
        del flat[GEOMETRY], flat[ATTENUATION]
        unusual = geometry_on_card(self.frames.geometry) | attenuation_on_card(self.playback.attenuation)
        return {**flat, "lengths": list(self.dictionary.lengths), **unusual}

    def check(self) -> None:
        """Raise BlshError, naming the option, unless all values can be used, and with each other."""
        if not self.name:
            raise BlshError(f"name is {self.name!r}; give the model a name, the device reports it")
        if self.seed < 0:
            raise BlshError(f"seed is {self.seed}; choose 0 or more")
        for options in self._parts().values():
            options.check()
        if self.frames.feature_kind not in MASK_FEATURES:
            known = ", ".join(MASK_FEATURES)
            raise BlshError(f"{self.frames.feature_kind!r} features are those of voting models; choose one of {known}")
        if self.frames.max_frames < self.dictionary.neighbours:
            raise BlshError(f"max_frames is {self.frames.max_frames}; choose {self.dictionary.neighbours} or more")
        self._check_refining()

    def _check_refining(self) -> None:
        steps, lengths = self.dictionary.refine_steps, self.dictionary.lengths
        code, mask_kind = self.code, self.frames.mask_kind
        if steps and (find_mask_kind(mask_kind).of_bins or not code.kind.refinable):
            raise BlshError(
                f"refine_steps is {steps} with mask_kind {mask_kind!r}, learner {code.learner!r}, "
                f"weighting {code.weighting!r}; refining needs masks of bands, 'blsh' and 'masks'"
            )
        if lengths and not (steps and all(1 <= length <= code.bits for length in lengths)):
            raise BlshError(
                f"lengths {list(lengths)} with {code.bits} bits and refine_steps {steps}; "
                f"they are learned when refining, from 1 to {code.bits}"
            )

    def _parts(self) -> dict[str, Any]:
        return {each: getattr(self, each) for each in ("frames", "code", "dictionary", "playback")}


PAPER = TrainOptions()
EXTENDED = TrainOptions(
    frames=FrameOptions(feature_kind="tracked", mask_kind="bands2", varied=True, passes=4, max_frames=300_000),
    code=CodeOptions(bits=128, ordered=False, steps=600, fit_frames=60_000),
    dictionary=EntryOptions(neighbours=8, entries=4096, refine_steps=1200, lengths=(64, 128)),
    playback=PlaybackOptions(smoothing=4),
)
SYSTEMS = {"extended": EXTENDED, "paper": PAPER}
"""Whole settings by name: "paper" is the paper's pipeline, "extended" what denoises best on our `valid` split."""


def system_options(system: str, given: Mapping[str, Any]) -> TrainOptions:
    """Return the options of a system, those in `given` (by their names on the card) in place of its own.

    Refining belongs to the extended system as a whole: it is left out where a learner, a weighting or the paper's
    masks are given. The lengths that are learned for are those below the given bits. BlshError for an unknown system
    or option, and for options that cannot be used.
    """
    if system not in SYSTEMS:
        raise BlshError(f"system {system!r} {unknown(system, SYSTEMS)}")
    whole = SYSTEMS[system]
    changes = dict(given)
    of_bins = "mask_kind" in changes and find_mask_kind(changes["mask_kind"]).of_bins
    if {"learner", "weighting"} & changes.keys() or of_bins:
        changes |= {"refine_steps": 0, "lengths": ()}
    elif "bits" in changes:
        changes["lengths"] = tuple(length for length in whole.dictionary.lengths if length < changes["bits"])
    options = whole.with_(**changes)
    options.check()
    return options
