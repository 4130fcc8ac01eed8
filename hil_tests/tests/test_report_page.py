# SPDX-License-Identifier: Apache-2.0
"""Check the page made of reports: all boards and stages, failures first, self-contained, whatever tests recorded."""

import json
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

from blsh_codegen.spec.stages import STAGES
from blsh_hil.report.board_report import load_coverage, load_reports
from blsh_hil.report.page import compact, render, seconds, write_page
from blsh_trainer.errors import BlshError

from .report_runs import Page, Run

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("report")]  # the suites of conftest.py are run once

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)


def test_the_page_tells_of_every_board_and_stage(tmp_path: Path, passing_run: Run) -> None:
    report = write_page(passing_run[1].parent, tmp_path / "page.html")[0]
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


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path, failing_run: Run) -> None:
    write_page(failing_run[1].parent, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    page = Page(text)
    assert page.addresses == [] and not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not re.search(r"https?://|url\(|@import", text)
    assert "<script>alert(1)</script>" in page.text, "what a test recorded is text, whatever it looks like"
    assert "prefers-color-scheme: dark" in text


def test_failures_come_first_with_where_and_how_to_repeat(tmp_path: Path, failing_run: Run) -> None:
    (report,) = write_page(failing_run[1].parent, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text())
    assert report.verdict == "failed" and "FAILED" in page.text and "✗ 2" in page.text
    words = ["Failures", "test_wrong", "hop 37", "bin 211", "8192", "-3", "Run it again:", "BLSH_TEST_SEED=4711",
             "Boards and stages", "Each board"]  # fmt: skip
    places = [re.search(rf"(?<!\d){re.escape(word)}", page.text).start() for word in words]  # "-3" is in no date
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
    """Return a report.json as the plugin writes it, without a run: two tests that recorded nothing."""
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
    """Return width, height and the distinct scan lines of a PNG without interlacing."""
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
def test_a_browser_shows_it(tmp_path: Path, failing_run: Run, dark: bool) -> None:
    page = tmp_path / "page.html"
    write_page(failing_run[1].parent, page)
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    shown = Page(browse(tmp_path, page, "--dump-dom", *scheme)).text
    for words in ("FAILED", "hop 37", "bin 211", "8192", "microbit", "cortex-m0", "What a hop takes"):
        assert words in shown, words
    picture = tmp_path / "page.png"
    browse(tmp_path, page, f"--screenshot={picture}", "--window-size=1200,900", *scheme)
    width, height, rows = png_rows(picture.read_bytes())
    assert (width, height) == (1200, 900)
    assert len(rows) > 300, "a blank page has one kind of line"
