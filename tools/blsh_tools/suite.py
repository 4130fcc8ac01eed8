"""`blsh hil`: the suite of hil_tests/suite, run by pytest against one board."""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blsh_codegen.record import read_record
from blsh_hil.boards import find_board, project_root
from blsh_hil.host_board import HostBoard, build_host
from blsh_hil.session import Expected, connect
from blsh_tools.console import say
from blsh_tools.firmware import fresh_image, generated_folder
from blsh_trainer.artifact import load_model
from blsh_trainer.corpus import load_corpus
from blsh_trainer.errors import BlshError

HOST = "host"
"""The firmware as a process of this machine, instead of a board of boards.toml."""

_EXIT_INTERRUPTED = 2  # pytest's own codes
_EXIT_NO_TESTS = 5


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
    _check_board(board_name, port, model_path)
    root = project_root()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "junit.xml"
        command = [sys.executable, "-m", "pytest", str(root / "hil_tests" / "suite"), "-p", "no:cacheprovider"]
        command += [f"--board={board_name}", f"--model={model_path.resolve()}", f"--seconds={seconds:g}"]
        command += [f"--port={port}"] if port is not None else []
        command += [f"--corpus={corpus.resolve()}"] if corpus is not None else []
        command += [f"--junitxml={report}", *arguments]
        done = subprocess.run(command, cwd=root, stdout=sys.stderr if quiet else None, check=False)
        if done.returncode == _EXIT_NO_TESTS:
            raise BlshError(f"no test of the suite matches {' '.join(arguments)}; see -k of pytest")
        if not report.is_file():
            raise BlshError(f"pytest could not run the suite with {' '.join(arguments) or 'no further arguments'}")
        counts = _counts(report)
    if done.returncode == _EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    return {"board": board_name, "model_sha256": model.sha256, **counts, "passed": done.returncode == 0}


def _check_board(board_name: str, port: str | None, model_path: Path) -> None:
    model = load_model(model_path)
    if board_name == HOST:
        read_record(generated_folder(), model)
        image = build_host(generated_folder())
        with connect(HostBoard(image), Expected(model.sha256, build_id=image.build_id)):
            return
    built = fresh_image(find_board(board_name), say, model)
    with connect(built.target(port), built.expected):
        return


def _counts(report: Path) -> dict[str, int]:
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None, "pytest writes one testsuite"
    return {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
