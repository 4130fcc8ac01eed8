# SPDX-License-Identifier: Apache-2.0
"""`blsh hil-report`: one page of all boards' runs of the suite."""

from pathlib import Path
from typing import Annotated

import typer

from blsh_tools.console import show
from blsh_tools.options.arguments import PAGE_NAME, REPORT_FOLDER, AsJson


def hil_report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where `blsh hil` left its reports.")] = REPORT_FOLDER,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=f"Page to write [default: DIR/{PAGE_NAME}].")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make one HTML page of the reports of all boards: it needs no network and no other file."""
    from blsh_tools.suite.board_reports import make_page

    result = make_page(folder, output)
    rows = [[each["board"], each["verdict"], str(each["tests"]), str(each["failed"])] for each in result["boards"]]
    show(result, as_json, rows, result["page"], ["board", "verdict", "tests", "failed"])
