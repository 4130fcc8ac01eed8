# SPDX-License-Identifier: Apache-2.0
"""Measure how much of the C core the suite executes, by gcov."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from blsh_hil.boards.host import HOST
from blsh_hil.prove.coverage import collect
from blsh_hil.report.schema import COVERAGE_NAME
from blsh_tools.suite.board_reports import make_page
from blsh_tools.suite.run_suite import SuiteOptions, run_suite
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing


def run_coverage(options: SuiteOptions, board_name: str, port: str | None, quiet: bool) -> dict[str, Any]:
    """Run the suite on the host with gcov's counters. Return its counts, and `coverage`: the figures of each file.

    `passed` is true if the suite passed and both bars are met. The figures go into the folder of the reports. Raises
    BlshError for another board.
    """
    if board_name != HOST or port is not None:
        where = f"--port {port}" if port is not None else f"--board {board_name}"
        raise BlshError(f"--coverage with {where}: gcov counts on this machine only, give --board host and no --port")
    with TemporaryDirectory(prefix="blsh-coverage-") as folder:
        result = run_suite(replace(options, coverage=Path(folder)), board_name, port, quiet)
        coverage = collect(Path(folder)).to_dict()
    with replacing(options.reports / COVERAGE_NAME) as temporary:
        temporary.write_text(json.dumps(coverage, indent=1) + "\n", encoding="utf-8")
    make_page(options.reports)
    return {**result, "coverage": coverage, "passed": result["passed"] and coverage["passed"]}
