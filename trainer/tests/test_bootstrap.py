# SPDX-License-Identifier: Apache-2.0
"""Means and their intervals: over mixtures, and over seeds and mixtures."""

import numpy as np
import pytest

from blsh_trainer.evaluation.bootstrap import mean_interval


def test_intervals_count_seeds_and_mixtures(rng: np.random.Generator) -> None:
    mixtures = rng.standard_normal(40)
    seeds = np.array([-1.0, 0.0, 1.0])
    alone, both = mean_interval(mixtures), mean_interval(mixtures[None, :] + 5 * seeds[:, None])
    assert alone.mean == pytest.approx(both.mean) and both.high - both.low > 2 * (alone.high - alone.low)
    assert both.deviation == pytest.approx(5.0) and alone.deviation == 0.0
    mixtures[3] = np.nan
    assert mean_interval(mixtures).mixtures == 39


def test_an_interval_has_the_width_of_the_mean_s_error():
    values = np.random.default_rng(51).standard_normal(400)
    for found in (mean_interval(values, seed=52), mean_interval(values)):
        assert found.low < found.mean < found.high
        assert found.mean == pytest.approx(values.mean())
        assert found.high - found.low == pytest.approx(2 * 1.96 / 20, rel=0.15)
