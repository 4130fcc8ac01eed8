# SPDX-License-Identifier: Apache-2.0
"""Score denoisers, and the unprocessed mixture, over mixtures of unseen speakers and noise."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.compute.process_map import check_jobs, computed
from blsh_trainer.corpora.mixing import Mixture, NamedMixture
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.bootstrap import mean_interval
from blsh_trainer.evaluation.metrics import METRICS, check_metrics
from blsh_trainer.evaluation.protocols import Mixtures
from blsh_trainer.progress import Progress

MIXTURE = "mixture"


class SilentEstimateError(BlshError):
    """The estimate of a denoiser holds nothing of the speech, so its SDR is undefined."""


class System(Protocol):
    """A denoiser that can be pickled. Nothing of one mixture may stay in it for the next."""

    def estimate(self, signals: Mixture) -> FloatArray:
        """Return an estimate of signals.speech (n,), aligned in time, at any scale.

        Blind systems use signals.mixture alone; oracles may look at its parts.
        """
        ...


class Denoiser(Protocol):
    """A denoiser of signals: it makes samples (n,) of samples (n,), aligned in time."""

    def denoise(self, x: FloatArray, /) -> FloatArray: ...


@dataclass(frozen=True)
class Blind:
    """The System of a denoiser, which hears the mixture alone."""

    denoiser: Denoiser

    def estimate(self, signals: Mixture) -> FloatArray:
        """Return the denoised mixture (n,)."""
        return self.denoiser.denoise(signals.mixture)


@dataclass(frozen=True)
class Score:
    """The figures of one system on one mixture, by metric; a figure that is not defined there is NaN."""

    system: str
    id: str
    snr_db: float
    speech_path: str
    noise_path: str
    noise_type: str
    figures: dict[str, float]


@dataclass(frozen=True)
class Summary:
    """One metric of one system at one SNR: means over `n` mixtures and their 95 % bootstrap intervals.

    The improvement is the system's figure less the mixture's, mixture by mixture. `undefined` mixtures are left out:
    the metric has no value on them, for the system or for the mixture. All means are NaN if no mixture is left.
    """

    system: str
    snr_db: float
    metric: str
    mean: float
    low: float
    high: float
    improvement: float
    improvement_low: float
    improvement_high: float
    n: int
    undefined: int


@dataclass(frozen=True)
class Evaluation:
    """Scores of several systems on the same mixtures.

    mixtures: the recipe of the mixtures as JSON values. seed: that of the intervals. scores: ordered by mixture, SNR
    and system; the unprocessed mixture comes first.
    """

    mixtures: dict[str, Any]
    metrics: tuple[str, ...]
    seed: int
    scores: tuple[Score, ...]

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems' names, MIXTURE first."""
        return tuple(dict.fromkeys(score.system for score in self.scores))

    @property
    def snrs_db(self) -> tuple[float, ...]:
        """The SNRs, in the recipe's order."""
        return tuple(dict.fromkeys(score.snr_db for score in self.scores))

    def values(self, system: str, metric: str, snr_db: float | None = None) -> FloatArray:
        """Return the figures (n,) of a system, in the order of the mixtures, at one SNR (None: at all)."""
        return np.array(
            [s.figures[metric] for s in self.scores if s.system == system and snr_db in (None, s.snr_db)], dtype=float
        )

    def find(self, system: str, metric: str, snr_db: float) -> Summary:
        """Return the summary of one system by one metric at one SNR."""
        return next(s for s in self.summary() if (s.system, s.metric, s.snr_db) == (system, metric, snr_db))

    def summary(self) -> list[Summary]:
        """Return a Summary for each SNR, system and metric, ordered by these three."""
        return list(self._summaries)

    @cached_property
    def _summaries(self) -> tuple[Summary, ...]:
        return tuple(
            self._summarise(system, metric, snr_db)
            for snr_db in self.snrs_db
            for system in self.systems
            for metric in self.metrics
        )

    def _summarise(self, system: str, metric: str, snr_db: float) -> Summary:
        values, mixture = (self.values(name, metric, snr_db) for name in (system, MIXTURE))
        defined = np.isfinite(values) & np.isfinite(mixture)
        values, gains = values[defined], values[defined] - mixture[defined]
        level, gain = mean_interval(values, self.seed), mean_interval(gains, self.seed)
        intervals = (level.mean, level.low, level.high, gain.mean, gain.low, gain.high)
        n = int(defined.sum())
        return Summary(system, snr_db, metric, *intervals, n=n, undefined=len(defined) - n)

    def to_dict(self) -> dict[str, Any]:
        """Return recipe, summaries and scores as JSON values; a figure that is not defined becomes None."""
        return {
            "mixtures": self.mixtures,
            "metrics": list(self.metrics),
            "seed": self.seed,
            "summary": [without_nan(asdict(summary)) for summary in self.summary()],
            "scores": [{**asdict(score), "figures": without_nan(score.figures)} for score in self.scores],
        }

    def to_csv(self) -> str:
        """Return a table with a line for each score; a figure that is not defined is empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["system", "id", "snr_db", "speech_path", "noise_path", "noise_type", *self.metrics])
        for s in self.scores:
            figures = without_nan(s.figures)
            named = [s.system, s.id, f"{s.snr_db:g}", s.speech_path, s.noise_path, s.noise_type]
            writer.writerow([*named, *("" if figures[m] is None else repr(figures[m]) for m in self.metrics)])
        return text.getvalue()


def evaluate_systems(
    systems: Mapping[str, System],
    mixtures: Mixtures,
    metrics: Sequence[str] = tuple(METRICS),
    jobs: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Score `systems` and the unprocessed mixture on each of `mixtures`, in `jobs` processes (None: all cores).

    Only the recipe and the systems go to the processes, which make the mixtures themselves. The result is the same for
    any number of processes. `seed` is that of the intervals. BlshError for an unknown metric, for a system named
    "mixture", and for all that goes wrong with a mixture, naming it; SilentEstimateError for an estimate with nothing
    of the speech in it.
    """
    chosen = check_metrics(metrics)
    check_jobs(jobs)
    if MIXTURE in systems:
        raise BlshError(f"a system is named {MIXTURE!r}, as the unprocessed mixture is; choose another name")
    described = mixtures.describe()  # one call draws the mixtures, so that the processes need not draw them again
    parts = computed(_Scoring(dict(systems), mixtures, chosen), len(mixtures), jobs, "evaluating", progress)
    return Evaluation(described, chosen, seed, tuple(score for part in parts for score in part))


@dataclass(frozen=True)
class _Scoring:
    """The work that each process gets: called with the index of a mixture, it scores every system on the mixture."""

    systems: dict[str, System]
    mixtures: Mixtures
    metrics: tuple[str, ...]

    def __call__(self, index: int) -> list[Score]:
        named = self.mixtures[index]
        signals = named.signals
        scores: list[Score] = []
        for name, system in [(MIXTURE, None), *self.systems.items()]:
            try:
                estimate = signals.mixture if system is None else system.estimate(signals)
                scores.append(_scored(name, named, estimate, self.metrics))
            except Exception as error:
                where = f"{name}, mixture {named.id} at {named.snr_db:g} dB"
                if isinstance(error, SilentEstimateError):
                    raise SilentEstimateError(f"{where}: {error}") from error
                told = str(error) if isinstance(error, BlshError) else f"{type(error).__name__}: {error}"
                raise BlshError(f"{where}: {told}") from error
        return scores


def _scored(system: str, named: NamedMixture, estimate: FloatArray, metrics: tuple[str, ...]) -> Score:
    speech = named.signals.speech
    if np.shape(estimate) != speech.shape:
        raise BlshError(
            f"the estimate has shape {np.shape(estimate)}, the speech {speech.shape}; give signals of one length"
        )
    heard, said = estimate[named.lead :], speech[named.lead :]
    figures = {metric: METRICS[metric].measure(said, heard, named.rate_hz) for metric in metrics}
    for metric, figure in figures.items():
        if METRICS[metric].is_ratio and figure == -np.inf:
            raise SilentEstimateError(f"the estimate has {metric} {figure}; the denoiser put out silence")
    return Score(system, named.id, named.snr_db, named.speech_path, named.noise_path, named.noise_type, figures)


def without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with None for NaN and infinities, which JSON does not have."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value for name, value in values.items()
    }
