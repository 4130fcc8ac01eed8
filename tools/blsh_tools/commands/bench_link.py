# SPDX-License-Identifier: Apache-2.0
"""`blsh bench-link`: the rate at which a board can be streamed through, and how much of it our client reaches."""

from typing import Annotated

from blsh_tools.console import progress, show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson, BoardName, ModelOption, PortUrl
from blsh_tools.options.numbers_in_range import FEW, STREAMED_SECONDS


def bench_link(
    board: BoardName = DEFAULT_BOARD,
    port: PortUrl = None,
    model: ModelOption = DEFAULT_MODEL,
    seconds: Annotated[float, STREAMED_SECONDS.option("Seconds of audio to stream in each round.")] = 4.0,
    rounds: Annotated[int, FEW.option("Rounds; the figures are medians over them.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure how fast hops go through a board: by our client, bare, and one at a time, in turn.

    Bare means that requests are made beforehand and answers are only counted: the limit of line and board.
    """
    from blsh_tools.bench.board_link import measure_board_link

    with progress() as advance:
        result = measure_board_link(board, port, model, seconds, rounds, advance)
    rate = result["hops_per_second"]
    rows = [
        ["by BoardClient.stream", f"{rate['stream']:,} hops/s, {result['times_real_time']:g} times real time"],
        [f"bare, {result['window']} ahead", f"{rate['limit']:,} hops/s"],
        ["one at a time", f"{rate['single']:,} hops/s"],
        ["share of the bare rate", f"{100 * result['share_of_limit']:.1f} %"],
    ]
    if rate["unbounded"] is not None:
        rows.insert(2, ["bare, all at once", f"{rate['unbounded']:,} hops/s"])
    show(result, as_json, rows, f"{board}: {rounds} rounds of {result['hops']} hops")
