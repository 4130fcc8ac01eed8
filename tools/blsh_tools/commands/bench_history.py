# SPDX-License-Identifier: Apache-2.0
"""`blsh bench-history`: the runs of `blsh bench --history` beside those before them, as a table and as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blsh_tools.console import say, show
from blsh_tools.options.arguments import AsJson
from blsh_tools.options.numbers_in_range import COUNT, PERCENT
from blsh_tools.options.outputs import check_output

if TYPE_CHECKING:  # imported when the command runs, so that `blsh --help` is quick
    from blsh_tools.bench.history import Change

_HEADER = ["time", "commit", "board", "model", "instructions", "", "grew most", "", "flash", "", "RAM", ""]
_LETTERS = 12  # of a commit and of a model's SHA-256


def bench_history(
    history: Annotated[Path, typer.Argument(help="File of `blsh bench --history`.")],
    plot: Annotated[Path | None, typer.Option(help="Draw all runs as this picture, .svg or .png.")] = None,
    limit: Annotated[
        float | None,
        PERCENT.option("Exit with 1 if a stage grew by more than this in a run of the last commit.", metavar="PERCENT"),
    ] = None,
    last: Annotated[int, COUNT.option("Runs to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the last runs of `blsh bench`, and by how much each stage grew since the run before.

    A run is compared with the one before it of the same board, model and number of hops.
    """
    from blsh_tools.bench.history import changes, newest, read_history
    from blsh_tools.bench.history_plot import check_suffix, draw

    if plot is not None:
        check_suffix(plot)
        check_output(plot, history=history)
    runs = read_history(history)
    made = changes(runs)
    if not runs:
        say(f"{history} has no runs yet; add one: blsh bench --history {history}")
    grown = [] if limit is None else [row for change in newest(made) for row in _grown(change, limit)]
    shown = [{**vars(each.run), "change_percent": each.percent()} for each in made[-last:]]
    result = {"runs": shown, "limit_percent": limit, "grown": grown, "passed": not grown}
    if as_json or runs:
        show(result, as_json, [_row(change) for change in made[-last:]], f"Runs of {history}", _HEADER)
    if plot is not None and runs:
        say(f"drawn: {draw(runs, plot)}")
    for row in grown:
        say(
            f"{row['stage']} grew by {row['percent']:.2f} %, from {row['before']:,} to {row['now']:,} instructions, on "
            f"{row['board']} with {row['model']}; --limit is {limit:g} %"
        )
    if grown:
        raise typer.Exit(1)


def _grown(change: "Change", limit: float) -> list[dict[str, Any]]:
    """Return a row for each stage that grew by more than the limit."""
    percent = change.percent() or {}
    named = {"board": change.run.board, "model": change.run.model, "model_sha256": change.run.model_sha256}
    return [
        {**named, "stage": stage, "before": before, "now": now, "percent": percent[stage]}
        for stage, (before, now) in change.grown(limit).items()
    ]


def _row(change: "Change") -> list[str]:
    run, percent = change.run, change.percent()
    head = [run.time, (run.commit or "-")[:_LETTERS], run.board, f"{run.model} {run.model_sha256[:_LETTERS]}"]
    figures = {"mean": run.mean, "flash_bytes": run.flash_bytes, "ram_bytes": run.ram_bytes}
    told = {name: [f"{value:,}", _signed(percent[name]) if percent else "first"] for name, value in figures.items()}
    most = max(run.stages, key=lambda stage: percent[stage]) if percent else None
    worst = [most, _signed(percent[most])] if percent and most and percent[most] > 0 else ["-", ""]
    return [*head, *told["mean"], *worst, *told["flash_bytes"], *told["ram_bytes"]]


def _signed(percent: float) -> str:
    return f"{percent:+.2f} %" if percent else "same"
