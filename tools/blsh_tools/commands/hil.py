"""The command `blsh hil`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.console import show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson, PortUrl
from blsh_tools.options.numbers_in_range import MINUTES, MODELS
from blsh_trainer.errors import BlshError


def hil(
    context: typer.Context,
    board: Annotated[
        str, typer.Option("--board", help="A board of boards.toml, `host`, or `all`: host and every virtual board.")
    ] = DEFAULT_BOARD,
    port: PortUrl = None,
    model: Annotated[Path, typer.Option("--model", help="Model artifact.")] = DEFAULT_MODEL,
    corpus: Annotated[
        Path | None, typer.Option(help="Recordings to send [default: $BLSH_CORPUS, or synthetic ones].")
    ] = None,
    minutes: Annotated[float, MINUTES.option("Minutes of recordings, at all SNRs; 10 and more overnight.")] = 1.0,
    stage: Annotated[str | None, typer.Option(help="Compare this stage only, such as `features`.")] = None,
    keyword: Annotated[str | None, typer.Option("-k", metavar="EXPR", help="Only tests whose names match.")] = None,
    generated: Annotated[
        int | None, MODELS.option("Generated models to build for the board and compare [default: 4].")
    ] = None,
    vector: Annotated[
        list[Path] | None, typer.Option(help="Replay this vector and nothing else; may be given again.")
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Host only: lines and branches of the C core that the suite reaches.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Prove on the board, stage by stage and bit for bit, that it computes what the integer reference says.

    This is pytest underneath: further arguments, such as `-x`, are handed to it.
    """
    from blsh_tools.suite.core_coverage import coverage_rows, run_coverage
    from blsh_tools.suite.run_suite import ALL, SuiteOptions, run_all, run_suite

    options = SuiteOptions(
        model=model,
        corpus=corpus,
        minutes=minutes,
        stage=stage,
        keyword=keyword,
        generated=generated,
        vectors=tuple(vector or ()),
        arguments=tuple(context.args),
    )
    if coverage:
        result = run_coverage(options, board, port, quiet=as_json)
        header = ["file", "lines", "", "branches", "", "lines never executed"]
        show(result, as_json, coverage_rows(result["coverage"]), "firmware/core, executed by the suite", header)
    elif board == ALL:
        if port is not None:
            raise BlshError(f"--port {port} is one board; name it by --board instead of `{ALL}`")
        result = run_all(options, quiet=as_json)
        _show_all(result, as_json)
    else:
        result = run_suite(options, board, port, quiet=as_json)
        rows = [(name, str(value)) for name, value in result.items()]
        show(result, as_json, rows, f"Hardware in the loop: {board}")
    if not result["passed"]:
        raise typer.Exit(1)


def _show_all(result: dict[str, Any], as_json: bool) -> None:
    columns = ("tests", "failures", "errors", "skipped", "hops", "values", "mismatches")
    rows = []
    for row in result["boards"]:
        outcome = "passed" if row["passed"] else "FAILED"
        figures = [f"{row[name]:,}" for name in columns] if "tests" in row else [""] * len(columns)
        rows.append([row["board"], outcome, *figures, f"{row['seconds']:.0f} s" if "seconds" in row else ""])
    show(result, as_json, rows, "Hardware in the loop: all boards", ["board", "", *columns, "took"])
