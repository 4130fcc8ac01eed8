"""`blsh report`: one page of all boards' runs of the suite; and what it takes for pytest to leave such a report."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.console import say, show
from blsh_tools.options.arguments import AsJson

REPORT_FOLDER = Path("out/hil")
PAGE_NAME = "report.html"


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where `blsh hil` left its reports.")] = REPORT_FOLDER,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=f"Page to write [default: DIR/{PAGE_NAME}].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make one HTML page of the reports of all boards: it needs no network and no other file."""
    result = make_page(folder, output)
    rows = [[each["board"], each["verdict"], str(each["tests"]), str(each["failed"])] for each in result["boards"]]
    show(result, as_json, rows, result["page"], ["board", "verdict", "tests", "failed"])


def make_page(folder: Path, output: Path | None = None) -> dict[str, Any]:
    """Write the page of the reports in `folder`; returns its path and the boards' verdicts, as JSON values.

    Raises BlshError if there are none.
    """
    from blsh_hil.report.page import overall, write_page
    from blsh_hil.report.schema import REPORT_NAME
    from blsh_tools.options.outputs import check_output

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
    """The report.json that a run of pytest leaves in `folder`, junit.xml beside it.

    arguments: pytest's, by which it does.
    """

    def __init__(self, folder: Path) -> None:
        from blsh_hil.report.schema import REPORT_NAME

        self.arguments = ["-p", "blsh_hil.report.plugin", f"--report={folder.resolve()}"]
        self._path = folder.resolve() / REPORT_NAME
        self._before = _version(self._path)

    def read(self) -> dict[str, Any] | None:
        """What it holds; None where the run has left none, which is so when no test was collected."""
        if _version(self._path) == self._before:
            return None
        report: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return report


@contextmanager
def reported(folder: Path) -> Iterator[RunReport]:
    """The report of a run in the block. However that ends, the page of all boards beside `folder` is made anew."""
    report = RunReport(folder)
    try:
        yield report
    finally:
        if report.read() is not None:
            say(f"report: {make_page(folder.parent)['page']}")


def _version(path: Path) -> tuple[int, int] | None:
    """What tells a file from one that has taken its place."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
