"""The report: every test's outcome and what it recorded, kept whatever ends the run, and one page made of it all."""

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import time
import xml.etree.ElementTree as ElementTree
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blsh_codegen.stages import STAGES
from blsh_hil.report_data import load_coverage, load_reports
from blsh_hil.report_page import compact, render, seconds, write_page
from blsh_hil.report_plugin import plain
from blsh_trainer.errors import BlshError

pytestmark = pytest.mark.xdist_group("report")  # what its fixtures run is run once

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)

SUITE = """
import dataclasses

import pytest
from blsh_hil.client import BoardClient
from blsh_hil.protocol import HelloReply

STAGES = ("window", "spectrum", "features", "accumulators", "code", "neighbours", "mask", "output")
EMPTY = {int: 0, str: "", bytes: b""}
HELLO = dataclasses.replace(
    HelloReply(*(EMPTY[field.kind] for field in HelloReply.layout().fields)),
    version_minor=1, build_id=0xABCD, feature_kind=2, board="microbit", core="cortex-m0", stack_bytes_used=828,
)


class Client(BoardClient):
    identity = HELLO

    def __init__(self):
        pass


@pytest.fixture(scope="session")
def client():
    return Client()


def test_speech(client, record_property):
    record_property("counts", {"hops": 1000, "values": 5e6, "mismatches": 0, "stages": dict.fromkeys(STAGES, 0)})
    record_property("stack", {"bytes_used": 828, "bytes": 1536})
    record_property("instructions", {
        **{stage: {"mean": 1000.5 + at, "max": 1200 + at} for at, stage in enumerate(STAGES)},
        "hop": {"mean": 8032, "max": 9628}, "deadline_share": 0.25, "unit": "instructions", "core_hz": 16_000_000,
    })
    record_property("histogram", {"title": "instructions of a hop", "edges": [0, 10, 20, 40], "counts": [3, 7, 0]})
    record_property("worst_case", {"instructions": 9628, "seed": 7})
    record_property("retries", 3)
    record_property("<b>odd</b>", ["<script>alert(1)</script>"])


@pytest.mark.parametrize("name", ["a<b>", "b"])
def test_edge(name, record_property):
    record_property("counts", {"hops": 14, "values": 70, "mismatches": 0, "stages": dict.fromkeys(STAGES, 0)})


@pytest.mark.skip(reason="no such board here")
def test_skipped():
    pass


@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    assert False
"""

FAILING = """
import pytest

def test_wrong(record_property):
    print("BLSH_TEST_SEED=4711 & <seed>")
    record_property("counts", {"hops": 100, "values": 51300, "mismatches": 2, "stages": {"mask": 2}})
    pytest.fail(
        "mask: hop 37, bin 211: expected 8192, board -3\\ndiffering values in 100 hops: mask 2\\n"
        "rerun: BLSH_TEST_SEED=4711 .venv/bin/python -m pytest x.py::test_wrong --board=microbit", pytrace=False)

@pytest.fixture
def broken():
    raise RuntimeError("fixture <broke>")

def test_around(broken):
    pass

def test_teardown(request):
    request.addfinalizer(lambda: 1 / 0)
"""


def pytest_command(suite: Path, report: Path, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", str(suite), "-p", "no:cacheprovider", "-p", "blsh_hil.report_plugin"]
    return [*command, f"--rootdir={suite.parent}", f"--report={report}", *arguments]


def environment() -> dict[str, str]:
    unwanted = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def run(folder: Path, text: str, *arguments: str) -> "Run":
    """The report.json of a suite with this text, and the folder it lies in."""
    suite, report = folder / "test_it.py", folder / "reports" / "microbit"
    suite.write_text(textwrap.dedent(text))
    command = pytest_command(suite, report, *arguments)
    subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    return json.loads((report / "report.json").read_text()), report


Run = tuple[dict[str, Any], Path]


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of SUITE."""
    return run(tmp_path_factory.mktemp("passing"), SUITE)


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of SUITE and FAILING."""
    return run(tmp_path_factory.mktemp("failing"), SUITE + FAILING)


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {test["nodeid"].partition("::")[2]: test["outcome"] for test in report["tests"]}


class Page(HTMLParser):
    """The text, tags and addresses of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self._in_style = False
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in_style = tag == "style"
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "data", "action")]

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.words.append(data)


# ---- report.json ------------------------------------------------------------------------------------------------


def test_every_outcome_and_property_is_kept(passing: Run) -> None:
    report, _ = passing
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


def test_the_boards_hello_is_recorded_in_words(passing: Run) -> None:
    hello = passing[0]["hello"]["client"]
    assert (hello["board"], hello["core"], hello["firmware"]) == ("microbit", "cortex-m0", "0.1.0")
    assert (hello["build_id"], hello["feature_kind"], hello["reset_cause"]) == ("0000abcd", "tracked", "power on")


def test_failures_keep_their_text_their_output_and_the_line_that_repeats_them(failing: Run) -> None:
    wrong, around, teardown = failing[0]["tests"][-3:]
    assert [test["outcome"] for test in (wrong, around, teardown)] == ["failed", "error", "error"]
    assert "expected 8192, board -3" in wrong["text"] and "BLSH_TEST_SEED=4711" in wrong["captured"]
    assert "fixture <broke>" in around["text"] and "ZeroDivisionError" in teardown["text"]
    assert around["rerun"].startswith(".venv/bin/python -m pytest ") and "::test_around" in around["rerun"]


def test_a_suite_that_cannot_be_imported_is_reported(tmp_path: Path) -> None:
    report, folder = run(tmp_path, "import nothing_of_this_name")
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


@pytest.mark.parametrize(
    ("number", "state"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "interrupted"), (signal.SIGKILL, "running")],
)
def test_a_run_that_is_ended_leaves_a_whole_report_of_what_ran(
    tmp_path: Path, number: signal.Signals, state: str
) -> None:
    suite, folder = tmp_path / "test_it.py", tmp_path / "reports" / "microbit"
    suite.write_text(SLOW)
    command = pytest_command(suite, folder, f"--junitxml={tmp_path / 'junit.xml'}")
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
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
    if number != signal.SIGKILL:
        assert ElementTree.parse(tmp_path / "junit.xml").getroot().find(".//testcase[@name='test_first']") is not None


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


def test_workers_of_xdist_hand_over_what_they_saw(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    report, _ = run(tmp_path, SUITE, "-n", "1")
    assert report["totals"]["passed"] == 3 and report["hello"]["client"]["board"] == "microbit"


def test_numpys_values_become_jsons() -> None:
    found = json.loads(json.dumps([np.int64(3), np.float32(0.5), np.arange(2), b"\x01\xff", Path("a")], default=plain))
    assert found == [3, 0.5, [0, 1], "01ff", "a"]


# ---- the page -----------------------------------------------------------------------------------------------------


def test_the_page_tells_of_every_board_and_stage(tmp_path: Path, passing: Run) -> None:
    report = write_page(passing[1].parent, tmp_path / "page.html")[0]
    page = Page((tmp_path / "page.html").read_text())
    assert report.verdict == "passed" and "PASSED" in page.text
    assert all(f"✓ {1028:,}" in page.text and stage in page.text for stage in STAGES), "1000 values and twice 14 hops"
    figures = ("0000abcd", "25.0 %", "8,032", "9,628", "16,000,000", "5.0 M", pytest.__version__)
    words = (
        "microbit",
        "cortex-m0",
        "bytes used",
        "instructions of a hop",
        "retries",
        "no such board",
        "test_edge[a<b>]",
    )
    missing = [each for each in (*figures, *words) if each not in page.text]
    assert not missing


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path, failing: Run) -> None:
    write_page(failing[1].parent, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    page = Page(text)
    assert page.addresses == [] and not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not re.search(r"https?://|url\(|@import", text)
    assert "<script>alert(1)</script>" in page.text, "what a test recorded is text, whatever it looks like"
    assert "prefers-color-scheme: dark" in text


def test_failures_come_first_with_where_and_how_to_repeat(tmp_path: Path, failing: Run) -> None:
    (report,) = write_page(failing[1].parent, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text())
    assert report.verdict == "failed" and "FAILED" in page.text and "✗ 2" in page.text
    words = ["Failures", "test_wrong", "hop 37", "bin 211", "8192", "-3", "Run it again:", "BLSH_TEST_SEED=4711",
             "Boards and stages", "Each board"]  # fmt: skip
    places = [page.text.index(word) for word in words]
    assert places[0] < min(places[1:]) and places[-2] == max(places[:-1]) < places[-1]
    assert "fixture <broke>" in page.text and "ZeroDivisionError" in page.text


ODD: list[tuple[str, Any]] = [
    ("counts", 3),
    ("counts", {"window": "many"}),
    ("counts", {"hops": 3, "values": 3, "stages": {"other stage": 0}}),
    ("counts", {"hops": "some", "values": 3, "stages": {"mask": 0}}),
    ("counts", {"stages": {}}),
    ("instructions", {"window": {"mean": "many"}}),
    ("instructions", {"hop": None}),
    ("instructions", []),
    ("histogram", {"edges": [0, 1], "counts": [1, 2]}),
    ("histogram", {"edges": [1, 1], "counts": [1]}),
    ("histogram", {"edges": "abc", "counts": None}),
    ("histogram", {}),
    ("stack", None),
    ("worst_case", [1, {"a": 2}]),
    ("never heard of", {"deep": {"er": [1, 2.5, None, True]}}),
]


@pytest.mark.parametrize(("name", "value"), ODD)
def test_a_property_of_another_shape_is_shown_as_it_is(tmp_path: Path, name: str, value: Any) -> None:
    report, folder = run_once(tmp_path)
    report["tests"][1]["properties"] = {name: value}
    (folder / "report.json").write_text(json.dumps(report))
    page = Page(render(load_reports(folder.parent)))
    assert name.replace("_", " ") in page.text
    for leaf in re.findall(r"[a-z]{3,}", json.dumps(value).replace("null", "").replace("true", "")):
        assert leaf in page.text, f"{leaf} of {value}"


def run_once(tmp_path: Path) -> tuple[dict[str, Any], Path]:
    """A report.json as the plugin writes it, without a run: two tests that recorded nothing."""
    test = {"nodeid": "t.py::test_a", "outcome": "passed", "duration_s": 1.0, "text": "", "captured": "", "rerun": ""}
    report = {
        "format": 1, "board": "microbit", "state": "finished", "started": "2024-01-01T00:00:00+00:00",
        "duration_s": 2.0, "collected": 2, "options": {}, "versions": {}, "hello": {}, "collection_errors": [],
        "reason": "",
        "tests": [{**test, "properties": {}}, {**test, "nodeid": "t.py::test_b", "properties": {}}],
    }  # fmt: skip
    folder = tmp_path / "reports" / "microbit"
    folder.mkdir(parents=True)
    return report, folder


def test_coverage_of_the_core_is_shown_with_its_bars(tmp_path: Path) -> None:
    report, folder = run_once(tmp_path)
    (folder / "report.json").write_text(json.dumps(report))
    file = {"lines": {"executed": 39, "all": 40}, "branches": {"taken": 17, "all": 20}, "missing_lines": [7, 33]}
    found = {"lines": 0.975, "branches": 0.85, "bars": {"lines": 0.95, "branches": 0.9}, "files": {"blsh_hop.c": file}}
    (folder.parent / "coverage.json").write_text(json.dumps(found))
    write_page(folder.parent, tmp_path / "page.html")
    text = Page((tmp_path / "page.html").read_text()).text
    for words in ("Coverage of the C core", "97.5 %", "95 %", "85.0 %", "90 %", "blsh_hop.c", "39 of 40", "7, 33"):
        assert words in text, words


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": 3}'])
def test_coverage_that_cannot_be_read_is_left_out(tmp_path: Path, content: str) -> None:
    (tmp_path / "coverage.json").write_text(content)
    assert load_coverage(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "board": "x"}'])
def test_a_report_that_cannot_be_read_is_a_failure_and_hides_no_other(tmp_path: Path, content: str) -> None:
    report, folder = run_once(tmp_path)
    (folder / "report.json").write_text(json.dumps(report))
    (tmp_path / "reports" / "broken").mkdir()
    (tmp_path / "reports" / "broken" / "report.json").write_text(content)
    reports = {report.board: report for report in load_reports(tmp_path / "reports")}
    assert (reports["microbit"].verdict, reports["broken"].verdict) == ("passed", "failed")
    assert "its report cannot be read" in Page(render(list(reports.values()))).text


def test_no_report_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BlshError, match=r"no report\.json in .*run the suite first"):
        write_page(tmp_path, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (9_999, "9,999"), (12_345, "12.3 k"), (123_456_789, "123 M"), (2.5e9, "2.5 G")]
)
def test_large_counts_are_short(value: float, text: str) -> None:
    assert compact(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.012, "12 ms"), (3.21, "3.2 s"), (61, "1 min 01 s"), (3600 * 2 + 300, "2 h 05 min")]
)
def test_durations_are_in_words(value: float, text: str) -> None:
    assert seconds(value) == text


# ---- in a browser ---------------------------------------------------------------------------------------------


def browse(tmp_path: Path, page: Path, *arguments: str) -> str:
    assert CHROMIUM is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
               "--disable-component-update", "--disable-sync", "--hide-scrollbars",
               f"--user-data-dir={tmp_path / 'profile'}"]  # fmt: skip
    done = subprocess.run([CHROMIUM, *options, *arguments, page.as_uri()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def png_rows(data: bytes) -> tuple[int, int, set[bytes]]:
    """Width, height and the distinct scan lines of a PNG without interlacing."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, content, width, height = 8, b"", 0, 0
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", body)
        content += body if kind == b"IDAT" else b""
        at += length + 12
    raw = zlib.decompress(content)
    step = len(raw) // height
    return width, height, {raw[row : row + step] for row in range(0, len(raw), step)}


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: tools/setup.sh --with-test-tools")
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_it(tmp_path: Path, failing: Run, dark: bool) -> None:
    page = tmp_path / "page.html"
    write_page(failing[1].parent, page)
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    shown = Page(browse(tmp_path, page, "--dump-dom", *scheme)).text
    for words in ("FAILED", "hop 37", "bin 211", "8192", "microbit", "cortex-m0", "What a hop takes"):
        assert words in shown, words
    picture = tmp_path / "page.png"
    browse(tmp_path, page, f"--screenshot={picture}", "--window-size=1200,900", *scheme)
    width, height, rows = png_rows(picture.read_bytes())
    assert (width, height) == (1200, 900)
    assert len(rows) > 300, "a blank page has one kind of line"
