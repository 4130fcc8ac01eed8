# SPDX-License-Identifier: Apache-2.0
"""Run the tests of blsh_suite by pytest, on one board or on all of them in turn."""

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import blsh_suite
from blsh_codegen.spec.stages import STAGES
from blsh_firmware.build.images import reach
from blsh_hil.boards.host import HOST
from blsh_hil.boards.session import connect
from blsh_hil.boards.table import load_boards
from blsh_hil.link.board_lock import STARTED_AS, running_command
from blsh_hil.link.child_process import run_child
from blsh_hil.prove.unlisted import recognise
from blsh_tools.console import is_quiet, say
from blsh_tools.options.arguments import REPORT_FOLDER
from blsh_tools.options.outputs import check_output_folder
from blsh_tools.suite import suite_progress
from blsh_tools.suite.board_reports import reported
from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel, load_model
from blsh_trainer.suggestions import unknown

SUITE = Path(blsh_suite.__file__).parent
"""The suite's folder, in a checkout or installed."""

ALL = "all"
"""What stands in a board's place for the host and every virtual board."""

_PASSED, _FAILED, _NO_TESTS = 0, 1, 5  # pytest's exit codes
_PYTEST = ("--import-mode=importlib", "-p", "blsh_suite.shared_fixtures", "-p", "no:cacheprovider")
_LEAVE_S = 15.0  # the time that pytest has to end its emulator after Ctrl-C


@dataclass(frozen=True)
class SuiteOptions:
    """The options of the suite, the same for every board.

    model: artifact that the firmware was generated from. corpus: recordings; None: $BLSH_CORPUS, ../shared/corpus or
    synthetic ones. minutes: of recordings. stage: the only one to compare. keyword: pytest's -k. generated: models to
    generate; None: the suite's own number. any_speed: prove the bits of a board that is too slow, too. coverage: folder
    for gcov's counters. vectors: files to replay, and nothing else. arguments: further ones for pytest. reports: takes
    a folder for each board.
    """

    model: Path
    corpus: Path | None = None
    minutes: float = 1.0
    stage: str | None = None
    keyword: str | None = None
    generated: int | None = None
    any_speed: bool = False
    coverage: Path | None = None
    vectors: tuple[Path, ...] = ()
    arguments: tuple[str, ...] = ()
    reports: Path = REPORT_FOLDER

    def check(self) -> AnyModel:
        """Return the model. Raises BlshError unless every option can be used."""
        if self.stage is not None and self.stage not in STAGES:
            raise BlshError(f"--stage {self.stage} {unknown(self.stage, STAGES)}")
        for vector in self.vectors:
            if not vector.is_file():
                raise BlshError(f"no vector {vector}; the suite names those that it keeps, under out/hil/vectors")
        if self.corpus is not None:
            load_corpus(self.corpus)
        return load_model(self.model)

    def to_arguments(self) -> list[str]:
        """Return the arguments of pytest."""
        named = {
            "model": self.model.resolve(),
            "corpus": self.corpus.resolve() if self.corpus else None,
            "minutes": f"{self.minutes:g}",
            "stage": self.stage,
            "generated": self.generated,
            "coverage": self.coverage.resolve() if self.coverage else None,
        }
        given = [f"--{name}={value}" for name, value in named.items() if value is not None]
        given += ["--any-speed"] * self.any_speed + [f"--vector={vector}" for vector in self.vectors]
        return [*given, *(["-k", self.keyword] if self.keyword else []), *self.arguments]


def run_suite(options: SuiteOptions, board_name: str, port: str | None, quiet: bool) -> dict[str, Any]:
    """Run the suite on one board. Return counts as JSON values, `passed` among them.

    Model, firmware and board are checked first: a wrong one gives one clear BlshError instead of a page of failures.
    quiet: pytest's own report goes to stderr.
    """
    return _run_board(options, options.check(), board_name, port, quiet)


def run_all(options: SuiteOptions, port: str | None, quiet: bool) -> dict[str, Any]:
    """Run the suite on the host and on every virtual board in turn. Return a row for each, and whether all passed.

    The row of a board that cannot be built for, or that does not answer, has an `error`; the others go on. Raises
    BlshError for a port: it belongs to one board.
    """
    if port is not None:
        raise BlshError(f"--port {port} is one board; name it by --board instead of `{ALL}`")
    model = options.check()
    rows = []
    for board_name in [HOST, *(name for name, board in load_boards().items() if board.qemu_machine is not None)]:
        say(f"---- {board_name}")
        try:
            rows.append(_run_board(options, model, board_name, None, quiet))
        except BlshError as error:
            say(f"{board_name}: error: {error}")
            rows.append({"board": board_name, "passed": False, "error": str(error)})
    return {"boards": rows, "model_sha256": model.sha256, "passed": all(row["passed"] for row in rows)}


def _run_board(
    options: SuiteOptions, model: AnyModel, board_name: str, port: str | None, quiet: bool
) -> dict[str, Any]:
    check_output_folder(options.reports / board_name)
    with connect(*reach(board_name, port, model, say)):
        say(f"{board_name}: answers, model {model.sha256[:12]}")
    place = [f"--board={board_name}", *([f"--port={port}"] if port is not None else [])]
    return _run_tests(options, model, board_name, place, quiet)[0]


def run_unlisted(options: SuiteOptions, port: str, baud: int, library: Path | None, quiet: bool) -> dict[str, Any]:
    """Run the suite on a board that boards.toml does not describe. Return counts and figures as JSON values.

    Besides the counts: `cycles`, what each stage costs by the board's counter, if it was counted; `not_run`, why tests
    were not run, by their names. baud: of the serial line. library: the exported folder that the firmware is of;
    None: HELLO tells enough. Raises BlshError as `recognise` does.
    """
    model = options.check()
    check_output_folder(options.reports)
    hello = recognise(port, model, baud, library).hello
    folder = re.sub(r"[^A-Za-z0-9_-]+", "-", hello.board).strip("-") or "unlisted"
    say(f"{hello.board}: answers, model {model.sha256[:12]}")
    place = [f"--board={folder}", f"--port={port}", f"--unlisted={baud}"]
    place += [f"--library={library.resolve()}"] if library is not None else []
    row, report = _run_tests(options, model, folder, place, quiet)
    return {**row, "cycles": _cycles(report), "not_run": _not_run(report)}


def _cycles(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the figures of a hop and its stages that a run has recorded; None if they were not counted."""
    found = [test["properties"]["instructions"] for test in report["tests"] if "instructions" in test["properties"]]
    return found[0] if found else None


def _not_run(report: Mapping[str, Any]) -> dict[str, str]:
    """Return why tests were skipped, by the name of their function: the reason of its first case."""
    reasons: dict[str, str] = {}
    for test in report["tests"]:
        if test["outcome"] == "skipped":
            reasons.setdefault(test["nodeid"].split("::")[-1].partition("[")[0], test["text"])
    return reasons


def _run_tests(
    options: SuiteOptions, model: AnyModel, board_name: str, place: Sequence[str], quiet: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run pytest with the board's options, `place`; return the counts and the whole report."""
    began = time.monotonic()
    with reported(options.reports / board_name) as report:
        command = [sys.executable, "-m", "pytest", str(SUITE), *_PYTEST, *place]
        command += [*options.to_arguments(), *report.arguments]
        command += [] if is_quiet() else ["-p", suite_progress.__name__]
        code = _run_pytest(command, quiet)
        if code == _NO_TESTS:
            raise BlshError(f"no test of the suite matches -k {options.keyword}; see -k of pytest")
        found = report.read()
        if code not in (_PASSED, _FAILED) or found is None:
            further = " ".join(options.arguments) or "no further arguments"
            raise BlshError(
                f"pytest could not run the suite with {further}: it ended with {code}, see its output above"
            )
    seconds = round(time.monotonic() - began, 1)
    row = {"board": board_name, "model_sha256": model.sha256, **_counts(found)}
    return {**row, "seconds": seconds, "passed": code == _PASSED}, found


def _run_pytest(command: Sequence[str], quiet: bool) -> int:
    """Run pytest and return its exit code. On Ctrl-C it has time to end its board; it never outlives this process."""
    with TemporaryDirectory() as scratch:
        # the folder is ours, not the user's; who finds the board's port in use knows the command, not its pytest
        environment = {"HYPOTHESIS_STORAGE_DIRECTORY": scratch, STARTED_AS: running_command(), **os.environ}
        return run_child(command, _LEAVE_S, sys.stderr if quiet else None, environment)


def _counts(report: Mapping[str, Any]) -> dict[str, int]:
    """Return the numbers of tests by outcome, and of the hops and values that they compared."""
    outcomes = {"failures": "failed", "errors": "error", "skipped": "skipped"}
    counts = {name: report["totals"].get(outcome, 0) for name, outcome in outcomes.items()}
    compared = [test["properties"].get("counts", {}) for test in report["tests"]]
    sums = {name: sum(each.get(name, 0) for each in compared) for name in ("hops", "values", "mismatches")}
    return {"tests": len(report["tests"]), **counts, **sums}
