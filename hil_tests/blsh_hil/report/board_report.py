# SPDX-License-Identifier: Apache-2.0
"""Read report.json files into the shape that the page shows.

The suite records the properties `counts`, `instructions`, `stack`, `worst_case` and `histogram` (docs/report.md). Any
other property, and a value of another shape, is shown as it is beside its test. It never stops the page.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from blsh_codegen.spec.stages import STAGES
from blsh_hil.report.schema import COVERAGE_NAME, FORMAT, REPORT_NAME
from blsh_trainer.errors import BlshError
from blsh_trainer.own_files import read_own

BAD: Final = ("failed", "error")
_DIFFERENCE: Final = re.compile(
    r"^(?P<stage>\w+): hop (?P<hop>\d+), (?P<place>[^:\n]+): expected (?P<expected>-?\d+), board (?P<actual>-?\d+)",
    re.MULTILINE,
)
_RERUN: Final = re.compile(r"^\s*(?:E\s+)?rerun: (.+)$", re.MULTILINE)


@dataclass
class StageCount:
    """The number of hops in which a stage was compared, and of its values that differ."""

    hops: int = 0
    mismatches: int = 0


@dataclass(frozen=True)
class Load:
    """Instructions or cycles of a hop: mean and maximum, for each stage and for the whole hop.

    deadline_share: the share of the time between two hops, at the board's clock; None if not recorded. unit: the unit
    of the other figures.
    """

    test: str
    stages: dict[str, tuple[float, float]]
    hop: tuple[float, float] | None
    deadline_share: float | None
    unit: str


@dataclass(frozen=True)
class Histogram:
    """A histogram: counts[i] values lie between edges[i] and edges[i + 1]."""

    title: str
    unit: str
    edges: list[float]
    counts: list[float]


@dataclass(frozen=True)
class Facts:
    """The names and values of one recorded property, ready to be shown."""

    title: str
    rows: list[tuple[str, str]]


@dataclass(frozen=True)
class Difference:
    """The first value in which a board differs, read from a failure's text."""

    stage: str
    hop: str
    place: str
    expected: str
    actual: str


@dataclass
class Test:
    """A test as the page shows it. name: without its file's path. facts: its properties that are in no chart."""

    __test__ = False  # pytest: this is no test class

    nodeid: str
    name: str
    outcome: str
    duration_s: float
    text: str
    captured: str
    rerun: str
    difference: Difference | None
    facts: list[Facts]


@dataclass
class BoardReport:
    """All about one board's run. reason: why the run was broken off, in the suite's words."""

    board: str
    state: str
    started: str
    duration_s: float
    collected: int
    tests: list[Test]
    options: dict[str, Any]
    versions: dict[str, str]
    hello: dict[str, dict[str, Any]]
    collection_errors: list[tuple[str, str]]
    reason: str = ""
    stages: dict[str, StageCount] = field(default_factory=dict)
    loads: list[Load] = field(default_factory=list)
    histograms: list[Histogram] = field(default_factory=list)
    hops: int = 0
    values: int = 0
    stack: list[Facts] = field(default_factory=list)
    worst_cases: list[Facts] = field(default_factory=list)
    clocks: list[Facts] = field(default_factory=list)

    def count(self, *outcomes: str) -> int:
        """Return how many tests had one of `outcomes`."""
        return sum(test.outcome in outcomes for test in self.tests)

    @property
    def failures(self) -> list[Test]:
        """The tests that failed."""
        return [test for test in self.tests if test.outcome in BAD]

    @property
    def mismatches(self) -> int:
        """The number of differing values, over all stages."""
        return sum(stage.mismatches for stage in self.stages.values())

    @property
    def verdict(self) -> str:
        """The verdict: failed, incomplete (interrupted, killed, or nothing ran) or passed."""
        if self.failures or self.collection_errors or self.mismatches:
            return "failed"
        if self.state != "finished" or not self.count("passed"):
            return "incomplete"
        return "passed"


def load_reports(folder: Path) -> list[BoardReport]:
    """Return the reports of all boards in `folder`: in a folder of each board, or directly in `folder`.

    A report that cannot be read is returned with the reason, so that it does not hide the others. Raises BlshError if
    there is no report.
    """
    paths = sorted({*folder.glob(f"*/{REPORT_NAME}"), *folder.glob(REPORT_NAME)})
    if not paths:
        raise BlshError(f"no {REPORT_NAME} in {folder} or in a folder of it; run the suite first: blsh hil")
    return [_board_report(path) for path in paths]


@dataclass(frozen=True)
class CoreCoverage:
    """The coverage of the C core by the suite. shares: of lines and branches, 0 to 1. bars: the least shares allowed.

    files: for each file its name, the lines executed and all, the branches taken and all, the lines never executed.
    """

    shares: dict[str, float]
    bars: dict[str, float]
    files: list[tuple[str, tuple[int, int], tuple[int, int], str]]


def load_coverage(folder: Path) -> CoreCoverage | None:
    """Return the coverage that `blsh hil --coverage` left in `folder`; None if there is nothing, or something else."""
    try:
        found = json.loads(read_own(folder / COVERAGE_NAME))
        files = [
            (
                str(name),
                (int(each["lines"]["executed"]), int(each["lines"]["all"])),
                (int(each["branches"]["taken"]), int(each["branches"]["all"])),
                ", ".join(map(str, each["missing_lines"])),
            )
            for name, each in found["files"].items()
        ]
        shares, bars = ({name: float(part[name]) for name in ("lines", "branches")} for part in (found, found["bars"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return CoreCoverage(shares, bars, files)


def _board_report(path: Path) -> BoardReport:
    try:
        found = json.loads(read_own(path))
        if found["format"] != FORMAT:
            raise BlshError(f"a report of format {found['format']}, expected {FORMAT}")
        report = BoardReport(
            board=str(found["board"]),
            state=str(found["state"]),
            started=str(found["started"]),
            duration_s=float(found["duration_s"]),
            collected=int(found["collected"]),
            tests=[],
            options=dict(found["options"]),
            versions=dict(found["versions"]),
            hello=dict(found["hello"]),
            collection_errors=[(each["nodeid"], each["text"]) for each in found["collection_errors"]],
            reason=str(found["reason"]),
        )
        for test in found["tests"]:
            _add_test(report, test)
    except (BlshError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, BlshError) else f"not a report of the suite ({error!r})"
        return _unreadable(path, f"{path}: {reason}; run it again: blsh hil")
    return report


def _unreadable(path: Path, reason: str) -> BoardReport:
    return BoardReport(path.parent.name, "unreadable", "", 0.0, 0, [], {}, {}, {}, [(path.name, reason)])


def _add_test(report: BoardReport, found: dict[str, Any]) -> None:
    text = str(found["text"])
    rerun, difference = _RERUN.search(text), _DIFFERENCE.search(text)
    test = Test(
        nodeid=str(found["nodeid"]),
        name=str(found["nodeid"]).partition("::")[2] or str(found["nodeid"]),
        outcome=str(found["outcome"]),
        duration_s=float(found["duration_s"]),
        text=_RERUN.sub("", text).rstrip(),
        captured=str(found["captured"]),
        rerun=rerun[1] if rerun else str(found["rerun"]),
        difference=Difference(**difference.groupdict()) if difference else None,
        facts=[],
    )
    for name, value in dict(found["properties"]).items():
        taken = _TAKERS[name](report, test.name, value) if name in _TAKERS else False
        if not taken:
            test.facts.append(_facts(name, value))
    report.tests.append(test)


# ---- one function for each property: it puts the value into the report, or returns False for another shape --------


def _take_counts(report: BoardReport, _test: str, value: Any) -> bool:
    """Take {hops, values, mismatches, stages: {stage: mismatches}}."""
    if not isinstance(value, dict) or not isinstance(value.get("stages"), dict):
        return False
    stages, hops, values = value["stages"], _number(value.get("hops")), _number(value.get("values"))
    if hops is None or values is None or not stages:
        return False
    if not _is_number(*stages.values()) or not all(stage in STAGES for stage in stages):
        return False
    report.hops += int(hops)
    report.values += int(values)
    for stage, mismatches in stages.items():
        count = report.stages.setdefault(stage, StageCount())
        count.hops += int(hops)
        count.mismatches += int(mismatches)
    return True


def _take_instructions(report: BoardReport, test: str, value: Any) -> bool:
    """Take {stage: {mean, max}, "hop": {mean, max}, "deadline_share": x, "unit": u}, and further figures."""
    if not isinstance(value, dict):
        return False
    pairs = {name: _mean_and_most(each) for name, each in value.items() if name in (*STAGES, "hop")}
    if not pairs or None in pairs.values():
        return False
    found = {name: pair for name, pair in pairs.items() if pair is not None}
    share = _number(value.get("deadline_share"))
    stages = {stage: found[stage] for stage in STAGES if stage in found}
    report.loads.append(Load(test, stages, found.get("hop"), share, str(value.get("unit", "instructions"))))
    rest = {name: each for name, each in value.items() if name not in (*STAGES, "hop", "deadline_share", "unit")}
    if rest:
        report.clocks.append(_facts(test, rest))
    return True


def _take_histogram(report: BoardReport, test: str, value: Any) -> bool:
    """Take {edges, counts}, perhaps with title and unit; or several histograms by title."""
    if not isinstance(value, dict):
        return False
    if "edges" not in value:
        return bool(value) and all([_take_histogram(report, title, each) for title, each in value.items()])
    edges, counts = value["edges"], value.get("counts")
    if not isinstance(edges, list) or not isinstance(counts, list) or not counts or len(edges) != len(counts) + 1:
        return False
    if not _is_number(*edges, *counts) or sorted(edges) != edges or edges[0] == edges[-1] or min(counts) < 0:
        return False
    unit = str(value.get("unit", ""))
    title = str(value.get("title", f"hops by {unit}" if unit else test))
    report.histograms.append(Histogram(title, unit, edges, counts))
    return True


def _take_stack(report: BoardReport, test: str, value: Any) -> bool:
    if isinstance(value, dict):
        report.stack.append(_facts(test, value))
    return isinstance(value, dict)


def _take_worst_case(report: BoardReport, test: str, value: Any) -> bool:
    if isinstance(value, dict):
        report.worst_cases.append(_facts(test, value))
    return isinstance(value, dict)


_TAKERS: Final = {
    "counts": _take_counts,
    "instructions": _take_instructions,
    "histogram": _take_histogram,
    "stack": _take_stack,
    "worst_case": _take_worst_case,
}


def _facts(title: str, value: Any) -> Facts:
    if isinstance(value, dict):
        return Facts(
            title, [(str(name), str(each) if "seed" in str(name) else shown(each)) for name, each in value.items()]
        )
    return Facts(title, [("", shown(value))])


def shown(value: Any) -> str:
    """Return a value as text: whole numbers in groups of three digits, lists and objects as JSON."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    return json.dumps(value)


def _is_number(*values: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _number(value: Any) -> float | None:
    return float(value) if _is_number(value) else None


def _mean_and_most(value: Any) -> tuple[float, float] | None:
    if _is_number(value):
        return float(value), float(value)
    if not isinstance(value, dict):
        return None
    mean = _number(value.get("mean", value.get("max")))
    most = _number(value.get("max", value.get("maximum", mean)))
    return (mean, most) if mean is not None and most is not None and mean >= 0 else None


@dataclass(frozen=True)
class Table:
    """Facts of several boards side by side. rows: the board, the test that recorded them, a value for each column."""

    columns: list[str]
    rows: list[tuple[str, str, list[str]]]


def side_by_side(found: Iterable[tuple[str, Facts]]) -> Table:
    """Return facts by board as a table, with a column for each name that any of them has."""
    facts = list(found)
    columns = list(dict.fromkeys(name for _, each in facts for name, _ in each.rows))
    return Table(
        columns, [(board, each.title, [dict(each.rows).get(c, "–") for c in columns]) for board, each in facts]
    )


def stage_names(reports: Iterable[BoardReport]) -> list[str]:
    """Return the stages that any board has counts of, in the order of the pipeline."""
    seen = {stage for report in reports for stage in report.stages}
    return [stage for stage in STAGES if stage in seen]
