# SPDX-License-Identifier: Apache-2.0
"""Run suites with pytest, and read the page made of their reports."""

import json
import os
import subprocess
import sys
import textwrap
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

Run = tuple[dict[str, Any], Path]
"""A report.json, and the folder it lies in."""

SUITE = """
import dataclasses

import pytest
from blsh_hil.link.client import BoardClient
from blsh_hil.wire.messages import HelloReply

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
    command = [sys.executable, "-m", "pytest", str(suite), "-p", "no:cacheprovider", "-p", "blsh_hil.report.plugin"]
    return [*command, f"--rootdir={suite.parent}", f"--report={report}", *arguments]


def environment() -> dict[str, str]:
    unwanted = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def run(folder: Path, text: str, *arguments: str) -> Run:
    """Run a suite with this text; return its report.json and the folder that holds it."""
    suite, report = folder / "test_it.py", folder / "reports" / "microbit"
    suite.write_text(textwrap.dedent(text))
    command = pytest_command(suite, report, *arguments)
    subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    return json.loads((report / "report.json").read_text()), report


class Page(HTMLParser):
    """The text, the tags and the links of a page."""

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
