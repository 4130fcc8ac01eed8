# SPDX-License-Identifier: Apache-2.0
"""Means over mixtures, or over seeds and mixtures, with bootstrap intervals."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import FloatArray

RESAMPLES = 2000
_QUANTILES = (0.025, 0.975)
_EXPERIMENTS_SEED = 20_21


@dataclass(frozen=True)
class MeanInterval:
    """A mean, its 95 % bootstrap interval `low` to `high`, and the deviation of the seeds' means (0 for one seed).

    All four are NaN where there are no mixtures.
    """

    mean: float
    low: float
    high: float
    deviation: float
    seeds: int
    mixtures: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Return the figures as JSON values; NaN becomes None."""
        return {
            name: None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def mean_interval(values: ArrayLike, seed: int | None = None) -> MeanInterval:
    """Return the mean of `values`, (seeds, mixtures) or (mixtures,), with the interval of 2000 resampled means.

    Mixtures on which a value is not finite are left out. A `seed` of None resamples the seeds and the mixtures, as
    experiments do; another one resamples the mixtures alone, as `blsh evaluate` does. The published figures rest on
    both ways. Either way the resamples are the same for every call with the same shape and `seed`, so that figures on
    the same mixtures can be compared.
    """
    table: FloatArray = np.atleast_2d(np.asarray(values, dtype=np.float64))
    table = table[:, np.isfinite(table).all(axis=0)]
    seeds, mixtures = table.shape
    if mixtures == 0:
        return MeanInterval(*(float("nan"),) * 4, seeds=seeds, mixtures=0)
    means = _over_seeds_and_mixtures(table) if seed is None else _over_mixtures(table.mean(axis=0), seed)
    low, high = np.quantile(means, _QUANTILES)
    deviation = float(table.mean(axis=1).std(ddof=1)) if seeds > 1 else 0.0
    return MeanInterval(float(table.mean()), float(low), float(high), deviation, seeds, mixtures)


def _over_seeds_and_mixtures(table: FloatArray) -> FloatArray:
    """Return the means (RESAMPLES,) of `table` (seeds, mixtures) with both axes resampled."""
    seeds, mixtures = table.shape
    rng = np.random.default_rng(_EXPERIMENTS_SEED)
    rows = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES) / seeds
    columns = rng.multinomial(mixtures, np.full(mixtures, 1 / mixtures), size=RESAMPLES) / mixtures
    means: FloatArray = ((rows @ table) * columns).sum(axis=1)
    return means


def _over_mixtures(values: FloatArray, seed: int) -> FloatArray:
    """Return the means (RESAMPLES,) of `values` (mixtures,) resampled; protocols.py draws mixtures by spawn(2)[0]."""
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])
    means: FloatArray = values[rng.integers(values.size, size=(RESAMPLES, values.size))].mean(axis=1)
    return means
