# SPDX-License-Identifier: Apache-2.0
"""Record the findings of every test of the suite, for the page of `blsh hil-report`: a pytest plugin.

    pytest hil_tests/blsh_suite -p blsh_hil.report.plugin --report out/hil/mps2-an386 --board mps2-an386

After each test, report.json and junit.xml are written anew. So whatever ends the run, the folder has a whole report of
the tests until then. What a test records with pytest's `record_property` is in the report under its name.
"""

import json
import math
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType
from typing import Any, Final

import numpy as np
import pytest

from blsh_hil.boards.board import CROSS_COMPILER
from blsh_hil.boards.host import COMPILER
from blsh_hil.boards.virtual import QEMU
from blsh_hil.link.client import BoardClient
from blsh_hil.report.junit_xml import to_junit
from blsh_hil.report.schema import FORMAT, HELLO_PROPERTY, JUNIT_NAME, REPORT_NAME, SUITE_OPTIONS
from blsh_hil.wire.codes import FeatureKind, ResetCause
from blsh_hil.wire.messages import HelloReply
from blsh_trainer.files import replacing
from blsh_trainer.interrupts import ENDING

_SAME_INTERRUPT_S: Final = 2.0
_CAPTURED_CHARACTERS: Final = 8000  # characters kept of the end of a test's output
_PACKAGES: Final = ("blsh-mcu", "numpy", "pyserial", "pytest")
_PROGRAMS: Final = (QEMU, CROSS_COMPILER, COMPILER)


@dataclass
class TestRecord:
    """One test. outcome: passed, failed (in its body), error (before or after it), skipped, xfailed or xpassed.

    text: the failure, or why the test was skipped. rerun: the command line that runs the test again.
    """

    __test__ = False  # pytest: this is no test class

    nodeid: str
    outcome: str = "passed"
    duration_s: float = 0.0
    text: str = ""
    captured: str = ""
    rerun: str = ""
    properties: dict[str, Any] = field(default_factory=dict)

    def add(self, phase: pytest.TestReport) -> None:
        """Take in the report of setup, call or teardown. The worst of the three is the outcome."""
        self.duration_s = round(self.duration_s + phase.duration, 4)
        for name, value in phase.user_properties:
            if name != HELLO_PROPERTY:
                self.properties[name] = value
        outcome = _outcome(phase)
        if outcome == "passed" or self.outcome in ("failed", "error"):
            return
        self.outcome = outcome
        self.text = _reason(phase)
        if phase.failed:
            captured = "\n".join(text for title, text in phase.sections if text.strip())
            self.captured = captured[-_CAPTURED_CHARACTERS:]


def _outcome(phase: pytest.TestReport) -> str:
    if hasattr(phase, "wasxfail"):
        return "xfailed" if phase.skipped else "xpassed"
    if phase.failed:
        return "failed" if phase.when == "call" else "error"
    return "skipped" if phase.skipped else "passed"


def _reason(phase: pytest.TestReport) -> str:
    if hasattr(phase, "wasxfail"):
        return str(phase.wasxfail)
    if phase.skipped and isinstance(phase.longrepr, tuple):
        return str(phase.longrepr[2]).removeprefix("Skipped: ")
    return phase.longreprtext


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option --report."""
    group = parser.getgroup("hardware in the loop")
    group.addoption("--report", metavar="DIR", default=None, help="folder to write report.json and junit.xml into")


def pytest_configure(config: pytest.Config) -> None:
    """Register the recorder if --report is given."""
    folder = config.getoption("--report")
    if folder is None:
        return
    config.pluginmanager.register(_Boards(), "blsh-boards")
    if not hasattr(config, "workerinput"):  # a worker of pytest-xdist; its controller hears of every test
        config.pluginmanager.register(Recorder(Path(folder).resolve(), config), "blsh-report")


class _Boards:
    """Notes the boards that fixtures connect to, and adds their HELLO to the tests' properties.

    By this way HELLO also reaches the report from a worker of pytest-xdist.
    """

    def __init__(self) -> None:
        self._clients: dict[str, BoardClient] = {}
        self._told: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        value = yield
        if isinstance(value, BoardClient):
            self._clients[fixturedef.argname] = value
        return value

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "teardown":
            hellos = {}
            for name, client in self._clients.items():
                if client.identity is not None:
                    hello = describe_hello(client.identity)
                    if hello != self._told.get(name):
                        self._told[name] = hellos[name] = hello
            if hellos:
                report.user_properties.append((HELLO_PROPERTY, hellos))
        return report


class Recorder:
    """Collects the tests' reports, and keeps report.json and junit.xml up to date."""

    def __init__(self, folder: Path, config: pytest.Config) -> None:
        self._path = folder / REPORT_NAME
        self._config = config
        self._began = time.monotonic()
        self._tests: dict[str, TestRecord] = {}
        self._head: dict[str, Any] = {
            "format": FORMAT,
            "board": str(config.getoption("board", "") or folder.name),
            "state": "running",
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "options": _options(config),
            "versions": versions(),
            "hello": {},
            "collected": 0,
            "collection_errors": [],
            "reason": "",
        }
        self._interrupted = -math.inf  # when the last interrupt came
        heard = {signal.SIGINT, *ENDING}
        if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # nohup ignores SIGHUP, and so do we
            heard.remove(signal.SIGHUP)
        self._handlers = {each: signal.signal(each, self._interrupt) for each in heard}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._head["collection_errors"].append({"nodeid": report.nodeid, "text": report.longreprtext})

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._head["collected"] = len(session.items)
        if session.items:  # replaces the report of an earlier run now: this run may be killed in its first test
            self._write()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        record = self._tests.setdefault(report.nodeid, TestRecord(report.nodeid, rerun=self._rerun(report.nodeid)))
        record.add(report)
        for name, value in report.user_properties:
            if name == HELLO_PROPERTY:
                self._head["hello"].update(value)
        if report.when == "teardown":
            self._write()

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if isinstance(excinfo.value, pytest.exit.Exception):
            self._head["reason"] = str(excinfo.value)

    def pytest_sessionfinish(self, exitstatus: int | pytest.ExitCode) -> None:
        interrupted = exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
        self._head["state"] = "interrupted" if interrupted else "finished"
        self._head["exit_status"] = int(exitstatus)
        self._head["collected"] = max(self._head["collected"], len(self._tests))  # xdist collects on its workers
        if exitstatus != pytest.ExitCode.NO_TESTS_COLLECTED:  # a run without tests replaces no report
            self._write()

    def pytest_unconfigure(self) -> None:
        for each, handler in self._handlers.items():
            signal.signal(each, handler)

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        """End the run on SIGTERM and SIGHUP as on Ctrl-C: boards are stopped, and the report says so.

        Ctrl-C comes twice, from the terminal and from `blsh hil`. The second one must not break off the orderly end.
        """
        now = time.monotonic()
        if now - self._interrupted > _SAME_INTERRUPT_S:
            self._interrupted = now
            raise KeyboardInterrupt

    def _rerun(self, nodeid: str) -> str:
        given = " ".join(f"--{name}={value}" for name, value in self._head["options"].items())
        return f".venv/bin/python -m pytest '{nodeid}' {given}".rstrip()

    def _write(self) -> None:
        tests = [asdict(test) for test in self._tests.values()]
        outcomes = [test["outcome"] for test in tests]
        report = {
            **self._head,
            "duration_s": round(time.monotonic() - self._began, 2),
            "totals": {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
            "tests": tests,
        }
        text = json.dumps(report, indent=1, default=plain) + "\n"
        with replacing(self._path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        with replacing(self._path.with_name(JUNIT_NAME)) as temporary:
            temporary.write_bytes(to_junit(json.loads(text)))


def describe_hello(hello: HelloReply) -> dict[str, Any]:
    """Return a HELLO as JSON values, in the words and number bases that people read."""
    values = asdict(hello)
    for name in ("host_nonce", "protocol_version", "version_major", "version_minor", "version_patch"):
        values.pop(name)
    crcs = ("boot_nonce", "build_id", "dictionary_crc32", "dictionary_crc32_now")
    values |= {name: f"{values[name]:08x}" for name in crcs}
    values["model_sha256"] = hello.model_sha256.hex()
    values["feature_kind"] = _member(FeatureKind, hello.feature_kind)
    values["reset_cause"] = _member(ResetCause, hello.reset_cause)
    return {"firmware": hello.version, "protocol": hello.protocol_version, **values}


def _member(kind: type[FeatureKind | ResetCause], value: int) -> str:
    return next((each.name.lower().replace("_", " ") for each in kind if each == value), str(value))


def plain(value: Any) -> Any:
    """Return a JSON value for a value of numpy, or for another value that a test may record."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def versions() -> dict[str, str]:
    """Return the versions of this project and of the packages and programs that it uses, as far as installed."""
    found = {"Python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    for program in _PROGRAMS:
        if shutil.which(program):
            said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
            found[program] = said.partition("\n")[0]
    return found


def _options(config: pytest.Config) -> dict[str, Any]:
    """Return the suite's options that are set, for the report and for the line that repeats a test."""
    given = {name: config.getoption(name, None) for name in (*SUITE_OPTIONS, "vector")}
    return {name: value for name, value in given.items() if value is not None}
