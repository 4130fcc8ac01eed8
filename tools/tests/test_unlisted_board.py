# SPDX-License-Identifier: Apache-2.0
"""`blsh hil --port` on a board outside boards.toml: what pytest is asked, and what the verdict says of its report."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from blsh_codegen.spec.stages import STAGES
from blsh_hil.link.board_lock import STARTED_AS, running_command
from blsh_hil.report.schema import REPORT_NAME
from blsh_tools.cli import app
from blsh_tools.suite import run_suite as suite

FIGURES = {
    **{name: {"mean": 1000 + place, "max": 2000 + place} for place, name in enumerate((*STAGES, "hop"))},
    **{"unit": "cycles", "deadline_share": 0.25, "hop_ms": 16.0, "counter_hz": 48_000_000},
}
TESTS = [
    {"nodeid": "a.py::test_edge[silence]", "outcome": "passed", "text": "",
     "properties": {"counts": {"hops": 7, "values": 90, "mismatches": 0}}},
    {"nodeid": "a.py::test_cycles", "outcome": "passed", "text": "", "properties": {"instructions": FIGURES}},
    {"nodeid": "a.py::test_generated[one]", "outcome": "skipped", "text": "it holds one model", "properties": {}},
    {"nodeid": "a.py::test_generated[two]", "outcome": "skipped", "text": "it holds one model", "properties": {}},
    {"nodeid": "b.py::test_stack", "outcome": "skipped", "text": "it does not tell it", "properties": {}},
]  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what pytest was asked: the suite is not run, and leaves the report of TESTS."""
    words: list[str] = []
    board = SimpleNamespace(hello=SimpleNamespace(board="my board/2"))
    monkeypatch.setattr(suite, "recognise", lambda port, model, baud, library: board)

    def run_pytest(command: Sequence[str], _leave_s: float, _output: object, environment: Mapping[str, str]) -> int:
        assert environment[STARTED_AS] == running_command(), "a busy port is held by `blsh hil`, not by its pytest"
        words.extend(command)
        (folder,) = [Path(word.removeprefix("--report=")) for word in command if word.startswith("--report=")]
        folder.mkdir(parents=True)
        report = {"tests": TESTS, "totals": {"passed": 2, "skipped": 3}}
        (folder / REPORT_NAME).write_text(json.dumps(report))
        return 0

    monkeypatch.setattr(suite, "run_child", run_pytest)
    monkeypatch.setattr("blsh_tools.suite.board_reports.make_page", lambda folder: {"page": ""})
    return words


def test_the_verdict_has_cycles_a_stage_and_what_was_not_run(asked: list[str], tmp_path: Path) -> None:
    line = ["hil", "--port", "socket://127.0.0.1:1", "--baud", "9600", "--output", str(tmp_path / "hil")]
    shown = CliRunner().invoke(app, line).stdout
    assert {"--board=my-board-2", "--port=socket://127.0.0.1:1", "--unlisted=9600"} <= set(asked)
    rows = [row.split(None, 1) for row in shown.splitlines()]
    assert ["passed", "True"] in [[each.strip() for each in row] for row in rows]
    assert "cycles of neighbours       mean 1,005, most 2,005" in shown
    assert "time of the costliest hop  25.0 % of 16 ms, by a counter of 48 MHz" in shown
    assert shown.count("not run") == 2 and "test_generated: it holds one model" in shown
    assert (tmp_path / "hil" / "my-board-2" / REPORT_NAME).is_file()


def test_the_verdict_as_json(asked: list[str], tmp_path: Path) -> None:
    line = ["hil", "--port", "COM3", "--library", "lib", "--json", "--output", str(tmp_path / "hil")]
    found = json.loads(CliRunner().invoke(app, line).stdout)
    assert f"--library={Path('lib').resolve()}" in asked and "--unlisted=115200" in asked
    assert (found["passed"], found["hops"], found["values"], found["mismatches"]) == (True, 7, 90, 0)
    assert found["cycles"]["features"] == {"mean": 1002, "max": 2002}
    assert found["not_run"] == {"test_generated": "it holds one model", "test_stack": "it does not tell it"}
