# SPDX-License-Identifier: Apache-2.0
"""The reports that runs of the suite leave, and the page of all boards that is made of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from blsh_hil.report.page import overall, write_page
from blsh_hil.report.schema import REPORT_NAME
from blsh_tools.console import say
from blsh_tools.options.arguments import PAGE_NAME
from blsh_tools.options.outputs import check_output


def make_page(folder: Path, output: Path | None = None) -> dict[str, Any]:
    """Write the page of the reports in `folder`; None: into `folder`. Return its path and the verdicts as JSON values.

    Raises BlshError if there are no reports.
    """
    page = output or folder / PAGE_NAME
    check_output(page, **{f"report of {each.parent.name}": each for each in folder.glob(f"*/{REPORT_NAME}")})
    reports = write_page(folder, page)
    boards = [
        {
            "board": each.board,
            "verdict": each.verdict,
            "tests": len(each.tests),
            "failed": len(each.failures),
            "hops": each.hops,
            "values": each.values,
            "mismatches": each.mismatches,
        }
        for each in reports
    ]
    return {"page": str(page), "verdict": overall(reports), "boards": boards}


class RunReport:
    """The report.json that a run of pytest leaves in `folder`, with junit.xml beside it.

    arguments: the arguments of pytest that make it write the report.
    """

    def __init__(self, folder: Path) -> None:
        self.arguments: Final = ["-p", "blsh_hil.report.plugin", f"--report={folder.resolve()}"]
        self._path = folder.resolve() / REPORT_NAME
        self._before = _version(self._path)

    def read(self) -> dict[str, Any] | None:
        """Return its content; None if the run has left none, as when no test was collected."""
        if _version(self._path) == self._before:
            return None
        report: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return report


@contextmanager
def reported(folder: Path) -> Iterator[RunReport]:
    """Yield the report of a run in the block. However the block ends, the page of all boards is made anew then."""
    report = RunReport(folder)
    try:
        yield report
    finally:
        if report.read() is not None:
            say(f"report: {make_page(folder.parent)['page']}")


def _version(path: Path) -> tuple[int, int] | None:
    """Return marks that tell a file from another in its place; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
