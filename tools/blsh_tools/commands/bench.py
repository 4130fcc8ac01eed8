# SPDX-License-Identifier: Apache-2.0
"""`blsh bench`: the instructions of each stage of a hop, on one virtual board."""

from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson, BoardName, ModelOption
from blsh_tools.options.numbers_in_range import COUNT
from blsh_tools.options.outputs import check_output


def bench(
    board: BoardName = DEFAULT_BOARD,
    model: ModelOption = DEFAULT_MODEL,
    hops: Annotated[int, COUNT.option("Hops to measure.")] = 125,
    history: Annotated[
        Path | None, typer.Option(help="Append the run to this file, a line for each; see `blsh bench-history`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count the instructions of each stage of a hop on a virtual board, exactly."""
    from blsh_firmware.measure.generated_firmware import count_generated
    from blsh_hil.boards.table import find_board
    from blsh_tools.bench.history import Run, append_run, check_history

    if history is not None:
        check_output(history, model=model)
        check_history(history)
    with progress() as advance:
        result = count_generated(find_board(board), model, hops, say, advance)
    if history is not None:
        append_run(history, Run.of(result))
        say(f"appended to {history}")
    counts: dict[str, Any] = result["instructions"]
    rows = [[stage, f"{count:,}", f"{100 * count / counts['mean']:.1f} %"] for stage, count in counts["stages"].items()]
    rows += [["whole hop, mean", f"{counts['mean']:,}", ""], ["whole hop, most", f"{counts['maximum']:,}", ""]]
    rows += [["flash, bytes", f"{result['flash_bytes']:,}", ""], ["RAM, bytes", f"{result['ram_bytes']:,}", ""]]
    rows += [["stack used, bytes", f"{result['stack_bytes_used']:,}", ""]]
    title = f"{board}: instructions per hop ({counts['millions_per_second']} M/s); instructions are not cycles"
    show(result, as_json, rows, title, ["stage", "instructions", "share"])
