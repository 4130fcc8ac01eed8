"""SI-SDR improvement of a denoiser over mixtures of unseen speakers and noise."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from blsh_trainer.arrays import FloatArray, Progress
from blsh_trainer.artifact import Model
from blsh_trainer.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.metrics import si_sdr
from blsh_trainer.mixing import draw_mixtures

RESAMPLES = 2000


class SilentEstimateError(BlshError):
    """A denoiser's estimate has nothing of the speech, so no SI-SDR."""


@dataclass(frozen=True)
class Score:
    """One mixture's figures in dB."""

    id: str
    speech_path: str
    noise_path: str
    noise_type: str
    mixture_si_sdr_db: float
    estimate_si_sdr_db: float
    improvement_db: float


@dataclass(frozen=True)
class Evaluation:
    """Scores of one model on one split, their mean improvement and its 95 % bootstrap interval, in dB."""

    model_sha256: str
    corpus: str
    split: str
    snr_db: float
    seed: int
    mean_mixture_si_sdr_db: float
    mean_estimate_si_sdr_db: float
    mean_improvement_db: float
    interval_95_db: tuple[float, float]
    scores: tuple[Score, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            **asdict(self),
            "interval_95_db": list(self.interval_95_db),
            "scores": [asdict(s) for s in self.scores],
        }


def evaluate(
    model: Model,
    corpus: Corpus,
    split: str,
    snr_db: float,
    count: int | None,
    seed: int,
    denoise: Callable[[FloatArray], FloatArray],
    progress: Progress | None = None,
) -> Evaluation:
    """Score `denoise` on `count` mixtures of a split (None: one for each utterance).

    `denoise` maps a mixture float64 (n,) to an estimate (n,) of any scale, aligned in time; `model` is
    the one it uses. The same seed draws the same mixtures. BlshError for an empty split, count < 1, or an
    estimate of another length; SilentEstimateError for one without any of the speech in it.
    """
    mixture_rng, bootstrap_rng = (np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(2))
    total = len(corpus.select("speech", split)) if count is None else count
    scores: list[Score] = []
    for named in draw_mixtures(corpus, split, count, snr_db, mixture_rng):
        signals = named.signals
        before = si_sdr(signals.speech, signals.mixture)
        after = si_sdr(signals.speech, denoise(signals.mixture))
        if not np.isfinite(after):
            raise SilentEstimateError(
                f"the estimate of mixture {named.id} has SI-SDR {after} dB; the denoiser put out silence"
            )
        scores.append(
            Score(named.id, named.speech_path, named.noise_path, named.noise_type, before, after, after - before)
        )
        if progress is not None:
            progress("evaluating", len(scores), total)
    improvements = np.array([score.improvement_db for score in scores])
    return Evaluation(
        model_sha256=model.sha256,
        corpus=corpus.name,
        split=split,
        snr_db=snr_db,
        seed=seed,
        mean_mixture_si_sdr_db=float(np.mean([score.mixture_si_sdr_db for score in scores])),
        mean_estimate_si_sdr_db=float(np.mean([score.estimate_si_sdr_db for score in scores])),
        mean_improvement_db=float(improvements.mean()),
        interval_95_db=bootstrap_interval(improvements, bootstrap_rng),
        scores=tuple(scores),
    )


def bootstrap_interval(values: FloatArray, rng: np.random.Generator) -> tuple[float, float]:
    """Return the 2.5 and 97.5 % quantiles of the mean of `values` (n,) over 2000 resamples."""
    means = values[rng.integers(values.size, size=(RESAMPLES, values.size))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
