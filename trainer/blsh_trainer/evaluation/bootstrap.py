"""Means over seeds and mixtures, with intervals that count both."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import FloatArray

RESAMPLES = 2000
_SEED = 20_21


@dataclass(frozen=True)
class Estimate:
    """A mean, its 95 % bootstrap interval, and the deviation of the seeds' means (0 for one seed)."""

    mean: float
    low: float
    high: float
    deviation: float
    seeds: int
    mixtures: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Return the figures as JSON values."""
        return {
            name: None if isinstance(value, float) and not np.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def estimate(values: ArrayLike) -> Estimate:
    """Return the mean of `values` (seeds, mixtures), the same mixtures for every seed.

    The interval is that of 2000 means over resampled seeds and resampled mixtures; with one seed, over mixtures
    alone. Mixtures on which a value is NaN are left out. The resamples are the same for every call of one shape,
    so that figures of the same mixtures can be compared.
    """
    table: FloatArray = np.atleast_2d(np.asarray(values, dtype=np.float64))
    table = table[:, np.isfinite(table).all(axis=0)]
    seeds, mixtures = table.shape
    if mixtures == 0:
        return Estimate(*(float("nan"),) * 4, seeds=seeds, mixtures=0)
    rng = np.random.default_rng(_SEED)
    rows = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES) / seeds
    columns = rng.multinomial(mixtures, np.full(mixtures, 1 / mixtures), size=RESAMPLES) / mixtures
    means = ((rows @ table) * columns).sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    deviation = float(table.mean(axis=1).std(ddof=1)) if seeds > 1 else 0.0
    return Estimate(float(table.mean()), float(low), float(high), deviation, seeds, mixtures)
