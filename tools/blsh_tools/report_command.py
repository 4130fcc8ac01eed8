"""`blsh report`: one page of all boards' runs of the suite; and pytest run so that it leaves such a report."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.arguments import AsJson
from blsh_tools.console import say, show
from blsh_trainer.files import replacing

REPORT_FOLDER = Path("out/hil")
PAGE_NAME = "report.html"
_ON_ITS_OWN_S = 1.0  # after Ctrl-C: a terminal's reaches pytest too
_STOP_TIMEOUT_S = 20.0  # for fixtures to stop their boards
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


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
            "compared": each.compared,
            "mismatches": each.mismatches,
        }
        for each in reports
    ]
    return {"page": str(page), "verdict": overall(reports), "boards": boards}


def run_pytest(arguments: Sequence[str], folder: Path, cwd: Path, quiet: bool) -> int:
    """Run pytest with `arguments`; report.json and junit.xml in `folder` tell of this run, however it ends.

    quiet: what pytest prints goes to stderr. Returns pytest's exit status. On Ctrl-C, pytest stops its boards and
    writes both files before KeyboardInterrupt goes on; when this process dies, pytest does so as well. The page of
    all boards, beside `folder`, is made anew. Where no test ran, nothing is written.
    """
    from blsh_hil.report_plugin import JUNIT_NAME, REPORT_NAME

    report = folder.resolve() / REPORT_NAME
    before = _version(report)
    with tempfile.TemporaryDirectory() as scratch:
        junit = Path(scratch) / JUNIT_NAME
        command = [sys.executable, "-m", "pytest", *arguments]
        command += ["-p", "blsh_hil.report_plugin", f"--report={report.parent}", f"--junitxml={junit}"]
        try:
            return _run_to_its_end(command, cwd, quiet)
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


def _run_to_its_end(command: Sequence[str], cwd: Path, quiet: bool) -> int:
    parent = os.getpid()

    def end_with_parent() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # the plugin makes an orderly end of it
        if os.getppid() != parent:
            os._exit(1)

    stdout = sys.stderr if quiet else None
    with subprocess.Popen(command, cwd=cwd, stdout=stdout, preexec_fn=end_with_parent) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            _end(process)
            raise


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_ON_ITS_OWN_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
