"""`blsh bench-link`: the rate at which a board can be streamed through, and how much of it our client reaches."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from blsh_tools.console import say, show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson, BoardName, PortUrl
from blsh_tools.options.numbers_in_range import FEW, STREAMED_SECONDS


def bench_link(
    board: BoardName = DEFAULT_BOARD,
    port: PortUrl = None,
    model: Annotated[Path, typer.Option("--model", help="Model artifact that the firmware was generated from.")] = (
        DEFAULT_MODEL
    ),
    seconds: Annotated[float, STREAMED_SECONDS.option("Seconds of audio to stream in each round.")] = 4.0,
    rounds: Annotated[int, FEW.option("Rounds; the figures are medians over them.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Measure how fast hops go through a board: by our client, bare, and one at a time, in turn.

    Bare means requests made beforehand and answers only counted meanwhile: the limit of line and board.
    """
    result = run_bench_link(board, port, model, seconds, rounds)
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


def run_bench_link(board: str, port: str | None, model: Path, seconds: float, rounds: int) -> dict[str, Any]:
    """What `bench_link` measures, as JSON values. Raises BlshError."""
    import numpy as np

    from blsh_codegen.spec.constants import HOP, SAMPLE_RATE_HZ
    from blsh_codegen.spec.hard_signals import edge_signal
    from blsh_firmware.build.images import reach
    from blsh_hil.boards.session import connect
    from blsh_hil.link.link_rate import measure_link
    from blsh_trainer.model.artifact import load_model

    hops = round(seconds * SAMPLE_RATE_HZ / HOP)
    target, expected = reach(board, port, load_model(model), say)
    samples = edge_signal("speech_like", hops * HOP, np.random.default_rng(0))
    with ExitStack() as cleanup:
        url = target if isinstance(target, str) else cleanup.enter_context(target).url
        with connect(url, expected):
            pass
        rate = measure_link(url, samples, baud=expected.baud, rounds=rounds, held_back=port is None)
    return {"board": board, **rate.to_dict()}
