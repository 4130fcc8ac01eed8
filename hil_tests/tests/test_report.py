# SPDX-License-Identifier: Apache-2.0
"""Check report.json and junit.xml: they hold every test's outcome and records, whatever ends the run."""

import json
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blsh_hil.report.board_report import load_reports
from blsh_hil.report.page import render
from blsh_hil.report.plugin import plain

from .report_runs import FAILING, SUITE, Page, Run, environment, pytest_command, run

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("report")]  # the suites of conftest.py are run once


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {test["nodeid"].partition("::")[2]: test["outcome"] for test in report["tests"]}


def test_every_outcome_and_property_is_kept(passing_run: Run) -> None:
    report, _ = passing_run
    assert outcomes(report) == {
        "test_speech": "passed",
        "test_edge[a<b>]": "passed",
        "test_edge[b]": "passed",
        "test_skipped": "skipped",
        "test_expected_to_fail": "xfailed",
    }
    assert report["totals"] == {"passed": 3, "skipped": 1, "xfailed": 1}
    assert (report["state"], report["exit_status"], report["collected"]) == ("finished", 0, 5)
    speech = report["tests"][0]
    assert speech["properties"]["counts"]["hops"] == 1000
    assert speech["properties"]["retries"] == 3
    assert "hello" not in speech["properties"], "it is the board's, not the test's"
    assert report["tests"][3]["text"] == "no such board here"
    assert report["versions"]["pytest"] == pytest.__version__


def test_the_boards_hello_is_recorded_in_words(passing_run: Run) -> None:
    hello = passing_run[0]["hello"]["client"]
    assert (hello["board"], hello["core"], hello["firmware"]) == ("microbit", "cortex-m0", "0.1.0")
    assert (hello["build_id"], hello["feature_kind"], hello["reset_cause"]) == ("0000abcd", "tracked", "power on")


def test_failures_keep_their_text_their_output_and_the_line_that_repeats_them(failing_run: Run) -> None:
    wrong, around, teardown = failing_run[0]["tests"][-3:]
    assert [test["outcome"] for test in (wrong, around, teardown)] == ["failed", "error", "error"]
    assert "expected 8192, board -3" in wrong["text"] and "BLSH_TEST_SEED=4711" in wrong["captured"]
    assert "fixture <broke>" in around["text"] and "ZeroDivisionError" in teardown["text"]
    assert around["rerun"].startswith(".venv/bin/python -m pytest ") and "::test_around" in around["rerun"]


def test_a_build_server_reads_the_same(failing_run: Run) -> None:
    (suite,) = ElementTree.parse(failing_run[1] / "junit.xml").getroot()
    counts = {name: int(suite.get(name, "")) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": 8, "failures": 1, "errors": 2, "skipped": 2}
    cases = {case.get("name"): case for case in suite.iterfind("testcase")}
    assert list(cases) == [test["nodeid"].partition("::")[2] for test in failing_run[0]["tests"]]
    assert {case.get("classname") for case in cases.values()} == {"test_it"}
    failure = cases["test_wrong"].find("failure")
    assert failure is not None and failure.get("message") == "mask: hop 37, bin 211: expected 8192, board -3"
    assert "rerun: BLSH_TEST_SEED=4711" in (failure.text or "")
    assert "BLSH_TEST_SEED=4711 & <seed>" in (cases["test_wrong"].findtext("system-out") or "")
    recorded = cases["test_speech"].find("properties/property[@name='retries']")
    assert recorded is not None and recorded.get("value") == "3"
    hello = suite.find("properties/property[@name='hello']")
    assert hello is not None and json.loads(hello.get("value", "")) == failing_run[0]["hello"]


def test_what_xml_cannot_hold_does_not_reach_a_build_server(tmp_path: Path) -> None:
    text = r"""
        def test_it(record_property):
            record_property("\0name", "\x1b[31m \ud800 ü")
            assert not "\x00 \x1b"
        """
    _, folder = run(tmp_path, text)
    assert "\N{REPLACEMENT CHARACTER}[31m \N{REPLACEMENT CHARACTER} ü" in (folder / "junit.xml").read_text()
    ElementTree.parse(folder / "junit.xml")


def test_a_suite_that_cannot_be_imported_is_reported(tmp_path: Path) -> None:
    report, folder = run(tmp_path, "import nothing_of_this_name")
    assert "nothing_of_this_name" in (ElementTree.parse(folder / "junit.xml").findtext(".//error") or "")
    assert report["state"] == "interrupted" and "nothing_of_this_name" in report["collection_errors"][0]["text"]
    assert load_reports(folder.parent)[0].verdict == "failed"


def test_a_suite_that_leaves_says_why(tmp_path: Path) -> None:
    text = "import pytest\ndef test_it():\n    pytest.exit('refused before any test: <model>', returncode=2)\n"
    report, folder = run(tmp_path, text)
    assert (report["state"], report["reason"]) == ("interrupted", "refused before any test: <model>")
    assert "refused before any test: <model>" in Page(render(load_reports(folder.parent))).text


SLOW = """
import time

def test_first(record_property):
    record_property("counts", {"hops": 10, "values": 20, "mismatches": 0, "stages": {"code": 0}})

def test_second():
    open("reached", "w").close()
    time.sleep(600)

def test_third():
    pass
"""


def hear_signals() -> None:
    """Let a program end on signals, even where a shell's `&` or nohup has it begin with them ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (signal.SIGINT, "interrupted"),
        *(pytest.param(each, "interrupted", marks=pytest.mark.slow) for each in (signal.SIGTERM, signal.SIGHUP)),
        (signal.SIGKILL, "running"),
    ],
)
def test_a_run_that_is_ended_leaves_a_whole_report_of_what_ran(
    tmp_path: Path, number: signal.Signals, state: str
) -> None:
    suite, folder = tmp_path / "test_it.py", tmp_path / "reports" / "microbit"
    suite.write_text(SLOW)
    command = pytest_command(suite, folder)
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=hear_signals,
    )  # fmt: skip
    with process:
        deadline = time.monotonic() + 300
        while not (tmp_path / "reached").exists():
            assert process.poll() is None and time.monotonic() < deadline, "it never came to the second test"
            time.sleep(0.05)
        process.send_signal(number)
        process.wait(300)
    report = json.loads((folder / "report.json").read_text())
    assert report["state"] == state
    assert outcomes(report)["test_first"] == "passed" and "test_third" not in outcomes(report)
    assert not list(folder.glob(".*")), "no temporary file is left"
    (board,) = load_reports(folder.parent)
    assert board.verdict == "incomplete" and board.hops == 10
    text = Page(render([board])).text
    assert "INCOMPLETE" in text and "of 3 tests ran" in text
    junit = ElementTree.parse(folder / "junit.xml").getroot()
    assert junit.find(".//testcase[@name='test_first']") is not None
    assert junit.find(f"./testsuite/properties/property[@name='state'][@value='{state}']") is not None


def test_the_report_of_an_earlier_run_is_gone_before_the_first_test(tmp_path: Path) -> None:
    run(tmp_path, "def test_it():\n    pass\n")
    report, _ = run(tmp_path, "def test_other():\n    pass\n")
    assert outcomes(report) == {"test_other": "passed"}


def test_without_the_option_nothing_is_written(tmp_path: Path) -> None:
    suite = tmp_path / "test_it.py"
    suite.write_text(FAILING)
    command = [each for each in pytest_command(suite, tmp_path / "reports") if not each.startswith("--report")]
    subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, timeout=120, check=False)
    assert not (tmp_path / "reports").exists()


@pytest.mark.slow
def test_workers_of_xdist_hand_over_what_they_saw(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    report, _ = run(tmp_path, SUITE, "-n", "1")
    assert report["totals"]["passed"] == 3 and report["hello"]["client"]["board"] == "microbit"


def test_numpys_values_become_jsons() -> None:
    found = json.loads(json.dumps([np.int64(3), np.float32(0.5), np.arange(2), b"\x01\xff", Path("a")], default=plain))
    assert found == [3, 0.5, [0, 1], "01ff", "a"]
