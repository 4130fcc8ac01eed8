# SPDX-License-Identifier: Apache-2.0
"""`blsh hil`: the proof, on one board or on all, that a board computes what the reference says."""

from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.console import show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, REPORT_FOLDER, AsJson, ModelOption, PortUrl
from blsh_tools.options.numbers_in_range import MINUTES, MODELS

_COLUMNS = ("tests", "failures", "errors", "skipped", "hops", "values", "mismatches")


def hil(
    context: typer.Context,
    board: Annotated[
        str, typer.Option("--board", help="A board of boards.toml, `host`, or `all`: host and every virtual board.")
    ] = DEFAULT_BOARD,
    port: PortUrl = None,
    model: ModelOption = DEFAULT_MODEL,
    corpus: Annotated[
        Path | None,
        typer.Option(help="Recordings to send [default: $BLSH_CORPUS, ../shared/corpus, or synthetic ones]."),
    ] = None,
    minutes: Annotated[float, MINUTES.option("Minutes of recordings, at all SNRs; give 10 or more overnight.")] = 1.0,
    stage: Annotated[str | None, typer.Option(help="Compare this stage only, such as `features`.")] = None,
    keyword: Annotated[
        str | None, typer.Option("-k", metavar="EXPR", help="Run only the tests whose names match.")
    ] = None,
    generated: Annotated[
        int | None, MODELS.option("Generated models to build for the board and compare [default: 4].")
    ] = None,
    any_speed: Annotated[
        bool, typer.Option("--any-speed", help="Prove the bits alone of a board that is too slow for real time.")
    ] = False,
    vector: Annotated[
        list[Path] | None, typer.Option(help="Replay this vector and run nothing else; may be repeated.")
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Host only: lines and branches of the C core that the suite reaches.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the reports, one for each board, and their page.")
    ] = REPORT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Prove on the board, stage by stage and bit for bit, that it computes what the integer reference says.

    pytest runs the suite; further arguments, such as `-x`, are handed to it.
    """
    from blsh_tools.suite.core_coverage import run_coverage
    from blsh_tools.suite.run_suite import ALL, SuiteOptions, run_all, run_suite

    options = SuiteOptions(
        model=model,
        corpus=corpus,
        minutes=minutes,
        stage=stage,
        keyword=keyword,
        generated=generated,
        any_speed=any_speed,
        vectors=tuple(vector or ()),
        arguments=tuple(context.args),
        reports=output,
    )
    if coverage:
        result = run_coverage(options, board, port, quiet=as_json)
        header = ["file", "lines", "", "branches", "", "lines never executed"]
        show(result, as_json, _coverage_rows(result["coverage"]), "firmware/core, executed by the suite", header)
    elif board == ALL:
        result = run_all(options, port, quiet=as_json)
        show(result, as_json, _board_rows(result), "Hardware in the loop: all boards", ["board", "", *_COLUMNS, "took"])
    else:
        result = run_suite(options, board, port, quiet=as_json)
        rows = [(name, str(value)) for name, value in result.items()]
        show(result, as_json, rows, f"Hardware in the loop: {board}")
    if not result["passed"]:
        raise typer.Exit(1)


def _board_rows(result: dict[str, Any]) -> list[list[str]]:
    rows = []
    for row in result["boards"]:
        outcome = "passed" if row["passed"] else "FAILED"
        figures = [f"{row[name]:,}" for name in _COLUMNS] if "tests" in row else [""] * len(_COLUMNS)
        rows.append([row["board"], outcome, *figures, f"{row['seconds']:.0f} s" if "seconds" in row else ""])
    return rows


def _coverage_rows(coverage: dict[str, Any]) -> list[list[str]]:
    """Return a row for each file and one for all: lines, branches, and the lines that were not executed."""
    rows = []
    for name, each in coverage["files"].items():
        lines, branches = each["lines"], each["branches"]
        missing = ", ".join(map(str, each["missing_lines"]))
        rows.append([name, *_of(lines["executed"], lines["all"]), *_of(branches["taken"], branches["all"]), missing])
    for what in ("lines", "branches"):
        met = "met" if coverage[what] >= coverage["bars"][what] else "MISSED"
        bar = f"bar {100 * coverage['bars'][what]:g} %: {met}"
        share = f"{100 * coverage[what]:.1f} %"
        rows.append([f"all {what}", *((share, bar, "", "") if what == "lines" else ("", "", share, bar)), ""])
    return rows


def _of(reached: int, there: int) -> tuple[str, str]:
    return f"{reached} of {there}", f"{100 * reached / there:.0f} %" if there else ""
