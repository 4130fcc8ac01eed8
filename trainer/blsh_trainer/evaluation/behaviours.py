# SPDX-License-Identifier: Apache-2.0
"""Measure the behaviours of a denoiser: the table of all, and their trials in several processes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from blsh_trainer.compute.process_map import check_jobs, computed
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.behaviour import Trial
from blsh_trainer.evaluation.bootstrap import mean_interval
from blsh_trainer.evaluation.clean_speech import CLEAN, START
from blsh_trainer.evaluation.evaluate import Denoiser, without_nan
from blsh_trainer.evaluation.steadiness import STEADINESS
from blsh_trainer.progress import Progress
from blsh_trainer.suggestions import unknown

BEHAVIOURS = {behaviour.name: behaviour for behaviour in (STEADINESS, CLEAN, START)}
"""The behaviours by name, in the order of all tables. To add one, write its trials and its line here."""


@dataclass(frozen=True)
class TrialFigures:
    """The figures of one trial, by name; a figure that is not defined there is NaN."""

    behaviour: str
    group: str
    id: str
    figures: dict[str, float]


@dataclass(frozen=True)
class GroupMean:
    """The mean of one figure over the `n` trials of a group where it is defined, with its 95 % bootstrap interval.

    The three are NaN where it is defined nowhere; with one trial they are its figure.
    """

    behaviour: str
    group: str
    figure: str
    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Behaved:
    """The behaviours of one denoiser. `trials` are in the order of the tables; `seed` is that of the intervals."""

    trials: tuple[TrialFigures, ...]
    seed: int

    def means(self) -> list[GroupMean]:
        """Return the mean of each figure of each group, ordered as the trials are."""
        groups = dict.fromkeys((trial.behaviour, trial.group) for trial in self.trials)
        return [
            self._mean(behaviour, group, name) for behaviour, group in groups for name in BEHAVIOURS[behaviour].shown
        ]

    def find(self, behaviour: str, group: str, figure: str) -> GroupMean:
        """Return one mean. BlshError where it was not measured."""
        for each in self.means():
            if (each.behaviour, each.group, each.figure) == (behaviour, group, figure):
                return each
        raise BlshError(f"{figure} of {group} was not measured; measure {behaviour}")

    def to_dict(self) -> dict[str, Any]:
        """Return means and trials as JSON values; a figure that is not defined becomes None."""
        return {
            "means": [without_nan(asdict(each)) for each in self.means()],
            "trials": [{**asdict(trial), "figures": without_nan(trial.figures)} for trial in self.trials],
        }

    def _mean(self, behaviour: str, group: str, name: str) -> GroupMean:
        values = [t.figures[name] for t in self.trials if (t.behaviour, t.group) == (behaviour, group)]
        found = mean_interval(values, self.seed)
        return GroupMean(behaviour, group, name, found.mean, found.low, found.high, found.mixtures)


def check_behaviours(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of behaviours; BlshError for an unknown one, or one twice."""
    for name in names:
        if name not in BEHAVIOURS:
            raise BlshError(f"behaviour {name!r} {unknown(name, BEHAVIOURS)}")
    if len(set(names)) < len(names):
        raise BlshError(f"behaviours {list(names)}; give none twice")
    return tuple(names)


def measure_behaviours(
    denoiser: Denoiser,
    corpus: Corpus,
    names: Sequence[str] = tuple(BEHAVIOURS),
    jobs: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Behaved:
    """Measure `denoiser` by the behaviours of these names, in `jobs` processes (None: all cores).

    The result is the same for any number of processes. `seed` is that of the intervals. BlshError for an unknown name,
    for a corpus without test speech, and for all that goes wrong with a trial, naming it.
    """
    chosen = check_behaviours(names)
    check_jobs(jobs)
    trials = tuple((name, trial) for name in chosen for trial in BEHAVIOURS[name].trials(corpus))
    found = computed(_Measuring(denoiser, trials), len(trials), jobs, "measuring behaviour", progress)
    return Behaved(tuple(found), seed)


@dataclass(frozen=True)
class _Measuring:
    """The work that each process gets: called with the index of a trial, it runs the denoiser."""

    denoiser: Denoiser
    trials: tuple[tuple[str, Trial], ...]

    def __call__(self, index: int) -> TrialFigures:
        name, trial = self.trials[index]
        try:
            return TrialFigures(name, trial.group, trial.id, trial.figures(self.denoiser))
        except Exception as error:
            told = str(error) if isinstance(error, BlshError) else f"{type(error).__name__}: {error}"
            raise BlshError(f"{name}, {trial.id}: {told}") from error
