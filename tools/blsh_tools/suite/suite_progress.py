# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin that tells on stderr how many tests of the suite are done, and how long the others will take."""

from typing import TYPE_CHECKING

import pytest

from blsh_tools.console import progress_lines, say

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter

_WHAT = "tests"


@pytest.hookimpl(trylast=True)  # behind pytest's own reporter
def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin."""
    reports = config.pluginmanager.has_plugin("terminalreporter")
    config.pluginmanager.register(SuiteProgress(config.get_terminal_writer() if reports else None))


class SuiteProgress:
    """The tests of a run, counted. writer: prints pytest's own report; None: nobody does."""

    def __init__(self, writer: "TerminalWriter | None") -> None:
        self._writer = writer
        self._advance = progress_lines(self._tell)
        self._done = self._all = 0

    @pytest.hookimpl(tryfirst=True)  # in front of the tests, behind the line on what was collected
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Begin with all tests that are left to run."""
        self._all = len(session.items)
        if self._all:
            self._advance(_WHAT, 0, self._all)

    def pytest_runtest_logfinish(self) -> None:
        """Count a test that has ended, however it ended."""
        self._done += 1
        self._advance(_WHAT, self._done, self._all)

    def _tell(self, line: str) -> None:
        if self._writer is not None:
            if self._writer.width_of_current_line:  # else the line would stand behind dots
                self._writer.line()
            self._writer.flush()
        say(line)
