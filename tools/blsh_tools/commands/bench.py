# SPDX-License-Identifier: Apache-2.0
"""`blsh bench`: the instructions of each stage of a hop, on one virtual board."""

from typing import Annotated, Any

from blsh_tools.console import progress, say, show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson, BoardName, ModelOption
from blsh_tools.options.numbers_in_range import COUNT


def bench(
    board: BoardName = DEFAULT_BOARD,
    model: ModelOption = DEFAULT_MODEL,
    hops: Annotated[int, COUNT.option("Hops to measure.")] = 125,
    as_json: AsJson = False,
) -> None:
    """Count the instructions of each stage of a hop on a virtual board, exactly."""
    from blsh_firmware.measure.generated_firmware import count_generated
    from blsh_hil.boards.table import find_board

    with progress() as advance:
        result = count_generated(find_board(board), model, hops, say, advance)
    counts: dict[str, Any] = result["instructions"]
    rows = [[stage, f"{count:,}", f"{100 * count / counts['mean']:.1f} %"] for stage, count in counts["stages"].items()]
    rows += [["whole hop, mean", f"{counts['mean']:,}", ""], ["whole hop, most", f"{counts['maximum']:,}", ""]]
    rows += [["flash, bytes", f"{result['flash_bytes']:,}", ""], ["RAM, bytes", f"{result['ram_bytes']:,}", ""]]
    rows += [["stack used, bytes", f"{result['stack_bytes_used']:,}", ""]]
    title = f"{board}: instructions per hop ({counts['millions_per_second']} M/s); instructions are not cycles"
    show(result, as_json, rows, title, ["stage", "instructions", "share"])
