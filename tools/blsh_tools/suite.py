"""`blsh hil`: the suite of hil_tests/suite, run by pytest against one board."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blsh_hil.report_plugin import JUNIT_NAME
from blsh_hil.session import connect
from blsh_tools.console import say
from blsh_tools.firmware import reach
from blsh_tools.report_command import REPORT_FOLDER, run_pytest
from blsh_trainer.artifact import load_model
from blsh_trainer.corpus import load_corpus
from blsh_trainer.errors import BlshError

SUITE = Path(__file__).resolve().parents[2] / "hil_tests" / "suite"
"""Beside this package, whatever project is built."""

_EXIT_FAILED, _EXIT_NO_TESTS = 1, 5  # pytest's own codes


def run_suite(
    model_path: Path,
    board_name: str,
    port: str | None,
    corpus: Path | None,
    seconds: float,
    arguments: Sequence[str],
    quiet: bool,
) -> dict[str, Any]:
    """Run the suite; returns counts as JSON values, `passed` among them.

    Model, firmware and board are checked first, so that a wrong one is one clear BlshError and not a page of failures.
    quiet: pytest's own report goes to stderr.
    """
    if not seconds > 0:
        raise BlshError(f"{seconds:g} seconds of speech to compare; give more than 0")
    if corpus is not None:
        load_corpus(corpus)
    model = load_model(model_path)
    with connect(*reach(board_name, port, model, say)):
        say(f"{board_name}: answers, model {model.sha256[:12]}")
    command = [str(SUITE), "-p", "no:cacheprovider"]
    command += [f"--board={board_name}", f"--model={model_path.resolve()}", f"--seconds={seconds:g}"]
    command += [f"--port={port}"] if port is not None else []
    command += [f"--corpus={corpus.resolve()}"] if corpus is not None else []
    folder = REPORT_FOLDER / board_name
    status = run_pytest([*command, *arguments], folder, SUITE.parents[1], quiet)
    if status == _EXIT_NO_TESTS:
        raise BlshError(f"no test of the suite matches {' '.join(arguments)}; see -k of pytest")
    if status not in (0, _EXIT_FAILED):
        raise BlshError(f"pytest could not run the suite with {' '.join(arguments) or 'no further arguments'}")
    counts = _counts(folder / JUNIT_NAME)
    return {"board": board_name, "model_sha256": model.sha256, **counts, "passed": status == 0}


def _counts(report: Path) -> dict[str, int]:
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None, "pytest writes one testsuite"
    return {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
