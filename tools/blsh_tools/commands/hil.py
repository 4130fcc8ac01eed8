# SPDX-License-Identifier: Apache-2.0
"""`blsh hil`: the proof, on one board or on all, that a board computes what the reference says."""

from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.console import be_quiet, show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, REPORT_FOLDER, AsJson, ModelOption, PortUrl
from blsh_tools.options.numbers_in_range import BAUD, MINUTES, MODELS
from blsh_trainer.errors import BlshError

_COLUMNS = ("tests", "failures", "errors", "skipped", "hops", "values", "mismatches")


def hil(
    context: typer.Context,
    board: Annotated[
        str | None,
        typer.Option(
            "--board",
            help="A board of boards.toml, `host`, or `all`: host and every virtual board "
            f"[default: {DEFAULT_BOARD}; with --port alone any board that runs an export --with-proof].",
        ),
    ] = None,
    port: PortUrl = None,
    baud: Annotated[int | None, BAUD.option("Rate of --port, without --board [default: 115200].", "--baud")] = None,
    library: Annotated[
        Path | None,
        typer.Option(
            "--library",
            metavar="DIR",
            help="The exported folder on the board behind --port, if it was exported with --masks, --seed or --layout.",
        ),
    ] = None,
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
        int | None, MODELS.option("Generated models to build for the board and compare [default: 5].")
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

    A board that boards.toml does not describe runs the library of `blsh export --with-proof`: give its --port and the
    --model, and no --board. pytest runs the suite; further arguments, such as `-x`, are handed to it.
    """
    from blsh_hil.link import client
    from blsh_tools.suite.core_coverage import run_coverage
    from blsh_tools.suite.run_suite import ALL, SuiteOptions, run_all, run_suite, run_unlisted

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
    if {"-q", "--quiet"} & set(context.args):  # pytest takes it, too
        be_quiet()
    unlisted = port is not None and board is None and not coverage
    if not unlisted:
        _refuse_without_port_alone(baud=baud, library=library)
    board = board or DEFAULT_BOARD
    if coverage:
        result = run_coverage(options, board, port, quiet=as_json)
        header = ["file", "lines", "", "branches", "", "lines never executed"]
        show(result, as_json, _coverage_rows(result["coverage"]), "firmware/core, executed by the suite", header)
    elif port is not None and unlisted:
        result = run_unlisted(options, port, baud or client.BAUD, library, quiet=as_json)
        show(result, as_json, _unlisted_rows(result), f"Hardware in the loop: {result['board']}, at {port}")
    elif board == ALL:
        result = run_all(options, port, quiet=as_json)
        show(result, as_json, _board_rows(result), "Hardware in the loop: all boards", ["board", "", *_COLUMNS, "took"])
    else:
        result = run_suite(options, board, port, quiet=as_json)
        rows = [(name, str(value)) for name, value in result.items()]
        show(result, as_json, rows, f"Hardware in the loop: {board}")
    if not result["passed"]:
        raise typer.Exit(1)


def _refuse_without_port_alone(**options: object) -> None:
    """Raise BlshError if an option is given that is for a board outside boards.toml."""
    given = [f"--{name} {value}" for name, value in options.items() if value is not None]
    if given:
        raise BlshError(f"{', '.join(given)}: for a board outside boards.toml, with --port and without --board")


def _unlisted_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of a board outside boards.toml: the counts, what each stage costs, what was not proven."""
    rows = [(name, str(value)) for name, value in result.items() if name not in ("cycles", "not_run")]
    cycles = result["cycles"]
    if cycles is None:
        rows.append(("cycles a stage", "not counted"))
    else:
        from blsh_codegen.spec.stages import STAGES

        unit = cycles["unit"]
        for stage in (*STAGES, "hop"):
            rows.append((f"{unit} of {stage}", f"mean {cycles[stage]['mean']:,}, most {cycles[stage]['max']:,}"))
        share, hop_ms = 100 * cycles["deadline_share"], cycles["hop_ms"]
        rate = f"{cycles['counter_hz'] / 1e6:g} MHz"
        rows.append(("time of the costliest hop", f"{share:.1f} % of {hop_ms:g} ms, by a counter of {rate}"))
    rows += [("not run", f"{test}: {reason}") for test, reason in result["not_run"].items()]
    return rows


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
