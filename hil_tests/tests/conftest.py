"""What several of these modules look at and one run gives: suites with a report, run once."""

import pytest

from .report_runs import FAILING, SUITE, Run, run


@pytest.fixture(scope="session")
def passing_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of SUITE."""
    return run(tmp_path_factory.mktemp("passing"), SUITE)


@pytest.fixture(scope="session")
def failing_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of SUITE and FAILING."""
    return run(tmp_path_factory.mktemp("failing"), SUITE + FAILING)
