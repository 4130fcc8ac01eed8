# SPDX-License-Identifier: Apache-2.0
"""Write one self-contained HTML page of all boards' reports: no script, nothing from the network, light and dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blsh_codegen.spec.stages import STAGES
from blsh_hil.report.board_report import (
    BoardReport,
    CoreCoverage,
    Histogram,
    Load,
    load_coverage,
    load_reports,
    shown,
    side_by_side,
    stage_names,
)
from blsh_hil.report.html import html_environment
from blsh_trainer.files import replacing

CHART_WIDTH: Final = 320
CHART_HEIGHT: Final = 110


@dataclass(frozen=True)
class Bar:
    """A rectangle of a chart, in the chart's units. text: shown when it is pointed at."""

    x: float
    y: float
    width: float
    height: float
    text: str
    stage: str = ""


@dataclass(frozen=True)
class LoadRow:
    """A board's instructions of a hop as a bar cut into stages. All boards have one scale."""

    board: str
    load: Load
    bars: list[Bar]
    most_at: float | None


def write_page(folder: Path, output: Path) -> list[BoardReport]:
    """Write the page of all reports in `folder` to `output`, whole or not at all; return the reports.

    Raises BlshError if there is no report in `folder`.
    """
    reports = load_reports(folder)
    page = render(reports, load_coverage(folder))
    with replacing(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return reports


def render(reports: Sequence[BoardReport], coverage: CoreCoverage | None = None) -> str:
    """Return the page as text."""
    environment = html_environment("blsh_hil")
    environment.filters.update(shown=shown, compact=compact, seconds=seconds, words=_words, moment=_moment)
    return environment.get_template("report.html.j2").render(
        reports=reports,
        verdict=overall(reports),
        stages=stage_names(reports),
        all_stages=STAGES,
        loads=load_rows(reports),
        tables={
            "Worst case found": side_by_side((each.board, facts) for each in reports for facts in each.worst_cases),
            "Clocks and cycles": side_by_side((each.board, facts) for each in reports for facts in each.clocks),
            "Stack": side_by_side((each.board, facts) for each in reports for facts in each.stack),
        },
        histogram_bars=histogram_bars,
        chart=(CHART_WIDTH, CHART_HEIGHT),
        hops=sum(report.hops for report in reports),
        values=sum(report.values for report in reports),
        coverage=coverage,
        mismatches=sum(report.mismatches for report in reports),
    )


def overall(reports: Sequence[BoardReport]) -> str:
    """Return the worst of the boards' verdicts."""
    found = {report.verdict for report in reports}
    return next(verdict for verdict in ("failed", "incomplete", "passed") if verdict in found)


def load_rows(reports: Sequence[BoardReport]) -> list[LoadRow]:
    """Return a row for each recorded load. The longest mean or maximum fills the width."""
    found = [(report.board, load) for report in reports for load in report.loads]
    longest = max((_extent(load) for _, load in found), default=0.0) or 1.0
    rows = []
    for board, load in found:
        bars, at = [], 0.0
        for stage, (mean, most) in load.stages.items():
            width = 100 * mean / longest
            bars.append(Bar(at, 0, width, 1, f"{stage}: mean {mean:,.0f}, most {most:,.0f}", stage))
            at += width
        if not load.stages and load.hop is not None:
            bars.append(Bar(0, 0, 100 * load.hop[0] / longest, 1, f"whole hop: mean {load.hop[0]:,.0f}"))
        rows.append(LoadRow(board, load, bars, 100 * load.hop[1] / longest if load.hop else None))
    return rows


def _extent(load: Load) -> float:
    return max(sum(mean for mean, _ in load.stages.values()), *(load.hop or (0.0,)), 0.0)


def histogram_bars(histogram: Histogram) -> list[Bar]:
    """Return a histogram's bars in a chart of CHART_WIDTH by CHART_HEIGHT; the highest is as high as the chart."""
    first, last = histogram.edges[0], histogram.edges[-1]
    highest = max(histogram.counts) or 1
    bars = []
    for low, high, count in zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False):
        x, width = CHART_WIDTH * (low - first) / (last - first), CHART_WIDTH * (high - low) / (last - first)
        height = CHART_HEIGHT * count / highest
        text = f"{shown(low)} to {shown(high)} {histogram.unit}".rstrip() + f": {shown(count)}"
        bars.append(Bar(x, CHART_HEIGHT - height, max(width - 0.6, 0.4), height, text))
    return bars


def compact(value: float) -> str:
    """Return a number in short: 12,345,678 as 12.3 M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scaled = value / (1e3 if letter == "k" else size)
            return f"{scaled:.1f} {letter}" if scaled < 100 else f"{scaled:.0f} {letter}"
    return f"{value:,.0f}"


def seconds(value: float) -> str:
    """Return a duration as people say it."""
    if value < 60:
        return f"{value:.1f} s" if value >= 0.95 else f"{1000 * value:.0f} ms"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _moment(started: str) -> str:
    return started.replace("T", " ")[:16] + " UTC" if started.endswith("+00:00") else started


def _words(name: str) -> str:
    return name.replace("_", " ")
