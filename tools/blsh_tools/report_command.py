"""`blsh report`: one page of all boards' runs of the suite; and what it takes for pytest to leave such a report."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.arguments import AsJson
from blsh_tools.console import say, show
from blsh_trainer.files import replacing

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
    from blsh_hil.report_page import overall, write_page
    from blsh_tools.outputs import check_output

    page = output or folder / PAGE_NAME
    check_output(page)
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


@contextmanager
def reported(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """For a run of pytest: where its JUnit XML will be, and the arguments by which it leaves a report in `folder`.

    However the block ends, report.json and junit.xml in `folder` then tell of this run, and the page of all boards
    beside `folder` is made anew; where no test was collected, nothing is written.
    """
    from blsh_hil.report_plugin import JUNIT_NAME, REPORT_NAME

    report = folder.resolve() / REPORT_NAME
    before = _version(report)
    with tempfile.TemporaryDirectory() as scratch:
        junit = Path(scratch) / JUNIT_NAME
        arguments = ["-p", "blsh_hil.report_plugin", f"--report={report.parent}", f"--junitxml={junit}"]
        try:
            yield junit, [*arguments, "-o", "junit_family=xunit1"]
        finally:
            if _version(report) != before:
                if junit.is_file():
                    with replacing(report.with_name(JUNIT_NAME)) as temporary:
                        shutil.copyfile(junit, temporary)
                say(f"report: {make_page(folder.parent)['page']}")


def _version(path: Path) -> tuple[int, int] | None:
    """What tells a file from one that has taken its place."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
