# SPDX-License-Identifier: Apache-2.0
"""Runs of suites with a report, made once for all tests that look at them."""

import pytest

from .report_runs import FAILING, SUITE, Run, run


@pytest.fixture(scope="session")
def passing_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run of SUITE."""
    return run(tmp_path_factory.mktemp("passing"), SUITE)


@pytest.fixture(scope="session")
def failing_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run of SUITE and FAILING."""
    return run(tmp_path_factory.mktemp("failing"), SUITE + FAILING)
