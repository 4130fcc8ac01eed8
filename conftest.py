"""Let every folder of tests use the fixtures that the suite ships; skip tests whose programs are not installed.

A test says what it needs by `@pytest.mark.needs("qemu-system-arm")`. Where that depends on the case, and in fixtures,
it calls the fixture `require`.
"""

import shutil
from collections.abc import Callable

import pytest

pytest_plugins = ["blsh_suite.shared_fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of tests that need programs."""
    config.addinivalue_line("markers", "needs(*programs): skipped where one of the programs is not installed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs what is not installed, before its fixtures are made."""
    for mark in item.iter_markers("needs"):
        _require(*mark.args)


@pytest.fixture(scope="session")
def require() -> Callable[..., None]:
    """Return a function that skips the test where one of the programs that it is given is not installed."""
    return _require


def _require(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (tools/setup.sh installs it)")
