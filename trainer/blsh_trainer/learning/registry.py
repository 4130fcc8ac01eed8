# SPDX-License-Identifier: Apache-2.0
"""The learners of a hash by name: the function that fits each, its options, and the place of its work."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from blsh_trainer.compute.block_pool import Pool
from blsh_trainer.errors import BlshError
from blsh_trainer.learning.boosted import BLSH, BoostOptions
from blsh_trainer.learning.pair_forms import TARGETS
from blsh_trainer.learning.supervised import SupervisedBLSH
from blsh_trainer.learning.training_frames import TrainingFrames
from blsh_trainer.model.projection import LSH, Learner, check_bits
from blsh_trainer.progress import Progress
from blsh_trainer.suggestions import unknown


@dataclass(frozen=True)
class CodeOptions:
    """The options of learning a hash.

    The learner `learner`, under `weighting` where it has several, learns `bits` bits from `fit_frames` training frames
    drawn at random. Which of the other options it reads stands in its LearnerKind; SupervisedBLSH and BoostOptions say
    what they mean.
    """

    bits: int = 50
    learner: str = "blsh"
    weighting: str = "masks"
    ordered: bool = True
    steps: int = 400
    target: str = "linear"
    sigma2: float = 0.5
    fit_frames: int = 40_000

    @property
    def kind(self) -> "LearnerKind":
        """The learner that these options name. BlshError for an unknown learner or weighting."""
        return find_learner(self.learner, self.weighting)

    def check(self) -> None:
        """Raise BlshError, naming the option, unless all values can be used."""
        check_bits(self.bits)
        for option, value, known in (
            ("learner", self.learner, LEARNERS),
            ("weighting", self.weighting, WEIGHTINGS),
            ("target", self.target, TARGETS),
        ):
            if value not in known:
                raise BlshError(f"{option} {value!r} {unknown(value, known)}")
        for option, number, least in (("fit_frames", self.fit_frames, 2), ("steps", self.steps, 1)):
            if number < least:
                raise BlshError(f"{option} is {number}; choose {least} or more")


@dataclass(frozen=True)
class Run:
    """The surroundings of a fit: its progress, its checkpoint and its pool. No field changes the result."""

    progress: Progress | None = None
    checkpoint: Path | None = None
    pool: Pool | None = None


Fit: TypeAlias = Callable[[TrainingFrames, CodeOptions, np.random.Generator, Run], Learner]


@dataclass(frozen=True)
class LearnerKind:
    """A learner that can be asked for.

    weighting: the one under which it goes; None for a learner that has no weightings. reads: the fields of CodeOptions
    that it reads besides `bits`. pair_targets: the targets with which its cost grows with the pairs of frames within
    segments. refinable: the dictionary can be refined from its code (dictionary_refine). no_checkpoint, no_scheduler:
    why a checkpoint and a cluster are of no use to it, and what to do; None where they are of use.
    """

    name: str
    weighting: str | None
    fit: Fit
    reads: tuple[str, ...] = ()
    pair_targets: tuple[str, ...] = ()
    refinable: bool = False
    no_checkpoint: str | None = None
    no_scheduler: str | None = None

    def check_use(self, checkpoint: Path | None, scheduler: str | None) -> None:
        """Raise BlshError for a checkpoint file or a scheduler's address that is of no use to this learner."""
        for flag, value, reason in (
            ("--checkpoint", checkpoint, self.no_checkpoint),
            ("--scheduler", scheduler, self.no_scheduler),
        ):
            if value is not None and reason is not None:
                raise BlshError(f"{flag} {value} is of no use: {reason}")


def _fit_to_masks(frames: TrainingFrames, options: CodeOptions, rng: np.random.Generator, run: Run) -> Learner:
    learner = SupervisedBLSH(options.bits, rng, ordered=options.ordered, steps=options.steps)
    taught = (frames.band_masks, frames.band_weights, frames.mixture)
    return learner.fit(frames.H, *taught, run.progress, run.checkpoint)


def _fit_to_pairs(frames: TrainingFrames, options: CodeOptions, rng: np.random.Generator, run: Run) -> Learner:
    boost = BoostOptions(weighting=options.weighting, target=options.target, sigma2=options.sigma2)
    return BLSH(options.bits, rng, boost, run.pool).fit(frames.H, run.progress, run.checkpoint)


def _draw(
    frames: TrainingFrames, options: CodeOptions, rng: np.random.Generator, run: Run, centred: bool = True
) -> Learner:
    return LSH(options.bits, rng, centred).fit(frames.H)


def _boosted(weighting: str) -> LearnerKind:
    within = tuple(target for target in TARGETS if not BoostOptions(weighting, target).all_pairs)
    return LearnerKind("blsh", weighting, _fit_to_pairs, reads=("target", "sigma2"), pair_targets=within)


def _drawn(name: str, fit: Fit) -> LearnerKind:
    reason = f"learner {name} draws its bits at once; leave it out"
    return LearnerKind(name, None, fit, no_checkpoint=reason, no_scheduler=reason)


LEARNER_KINDS = (
    LearnerKind(
        "blsh",
        "masks",
        _fit_to_masks,
        reads=("ordered", "steps"),
        refinable=True,
        no_scheduler=(
            "the masks learner takes many small steps, which cannot be shared; "
            "choose --weighting residual or adaboost, or leave it out"
        ),
    ),
    _boosted("residual"),
    _boosted("adaboost"),
    _drawn("lsh", _draw),
    _drawn("lsh-plain", partial(_draw, centred=False)),
)
"""Every learner. To add one, add its line; `blsh train` and the experiments find it by name and weighting."""

LEARNERS = tuple(dict.fromkeys(kind.name for kind in LEARNER_KINDS))
WEIGHTINGS = tuple(kind.weighting for kind in LEARNER_KINDS if kind.weighting is not None)


def find_learner(name: str, weighting: str) -> LearnerKind:
    """Return the learner called `name`; `weighting` decides only where the name has several. BlshError for none."""
    for kind in LEARNER_KINDS:
        if kind.name == name and kind.weighting in (None, weighting):
            return kind
    known = ", ".join(f"{kind.name} {kind.weighting or ''}".strip() for kind in LEARNER_KINDS)
    raise BlshError(f"learner {name!r} with weighting {weighting!r} is unknown; choose one of {known}")


def fit_learner(
    frames: TrainingFrames, options: CodeOptions, rng: np.random.Generator, run: Run | None = None
) -> Learner:
    """Return the learner that `options` name, fitted to all of `frames`. BlshError as of its fit."""
    return options.kind.fit(frames, options, rng, run or Run())
