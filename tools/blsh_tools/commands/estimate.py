# SPDX-License-Identifier: Apache-2.0
"""`blsh estimate`: the needs of a model on a board, before anything is built."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from blsh_tools.console import say, show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson, ModelFile
from blsh_tools.options.model import PlanOptions

if TYPE_CHECKING:  # the command imports its modules when it runs, so that `blsh --help` is quick
    from blsh_tools.bench.estimate_model import BoardEstimate


def estimate(
    model: ModelFile = DEFAULT_MODEL,
    *,
    wanted: PlanOptions,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Measure the costs behind estimates anew: of --board, or of all boards; goes on where it stopped.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell flash, RAM, stack and instructions of a model on a board, as `blsh build` and `blsh bench` will find them.

    The options are those of `blsh generate`: with a budget, the size of the model is chosen; a model that does not fit
    is refused. Instructions are those for the signal that `blsh bench` measures with.
    """
    if calibrate:
        from blsh_codegen.cost.costs_file import COSTS_FILE
        from blsh_tools.bench.renew_costs import renew_costs  # with SciPy, which an estimate does without

        costs = renew_costs(wanted.board)
        rows = [
            (name, f"{sizes.flash_bytes:,} bytes of flash, {sizes.ram_bytes:,} of RAM")
            for name, sizes in costs.boards.items()
        ]
        show(asdict(costs), as_json, rows, f"Measured, written to {COSTS_FILE}: firmware without a model")
        say("the costs of the models in the box rest on these: blsh models --renew")
        return
    from blsh_tools.bench.estimate_model import estimate_model

    found = estimate_model(model, replace(wanted, board=wanted.board or DEFAULT_BOARD))
    title = f"Estimate for {found.board.name}, {found.board.core}; instructions are not cycles"
    show(found.to_dict(), as_json, _rows(found), title)


def _rows(estimate: "BoardEstimate") -> list[tuple[str, str]]:
    board, plan, found = estimate.board, estimate.plan, estimate.plan.estimate
    clock = f"of {board.clock_hz / 1e6:g} MHz, were each one cycle"
    return [
        ("model", f"{estimate.model.name}, {plan.chosen.words}"),
        ("flash", f"{found.flash_bytes:,} of {board.flash.size:,} bytes, {sum(found.tables.values()):,} of tables"),
        ("RAM", f"{found.ram_bytes:,} of {board.ram.size:,} bytes, {found.state_bytes:,} of state"),
        ("stack", f"{found.stack_bytes:,} bytes; {board.stack_bytes:,} are kept for it"),
        *((f"... {stage}", f"{count:,.0f} instructions") for stage, count in found.stages.items()),
        (
            "whole hop, mean",
            f"{found.instructions:,.0f} instructions, {found.millions_per_second:.2f} million a second",
        ),
        ("share of the CPU", f"{100 * estimate.cpu_share:.0f} % {clock}"),
        ("whole hop, most", f"{found.worst:,.0f} instructions, {100 * estimate.cpu_share_most:.0f} %"),
    ]
