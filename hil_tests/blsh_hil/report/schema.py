# SPDX-License-Identifier: Apache-2.0
"""The names and the format of the files of a run of the suite: the plugin writes them, and the page reads them."""

from typing import Final

FORMAT: Final = 1
"""The version of report.json's layout."""

REPORT_NAME: Final = "report.json"
JUNIT_NAME: Final = "junit.xml"
COVERAGE_NAME: Final = "coverage.json"

SUITE_OPTIONS: Final = ("board", "port", "unlisted", "library", "model", "corpus", "minutes", "stage", "generated")
"""The suite's options that a command line repeats to run a test again."""

HELLO_PROPERTY: Final = "hello"
"""The property under which a board's HELLO travels, with the first test that had the board."""
