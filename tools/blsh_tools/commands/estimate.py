"""`blsh estimate`: what a model takes on a board, before anything is built."""

from dataclasses import asdict, replace
from typing import Annotated

import typer

from blsh_tools.console import say, show
from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL, AsJson, ModelFile
from blsh_tools.options.model import PlanOptions, with_groups


@with_groups
def estimate(
    model: ModelFile = DEFAULT_MODEL,
    *,
    wanted: PlanOptions,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Measure anew what estimates are made of: of --board, or of all; goes on where it stopped.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell flash, RAM, stack and instructions of a model on a board, as `blsh build` and `blsh bench` will find them.

    Options as of `blsh generate`: with a budget, the model is chosen; one that does not fit is refused. Instructions
    are those of the signal that `blsh bench` measures with.
    """
    from blsh_codegen.spec.constants import HOPS_PER_SECOND
    from blsh_hil.boards.table import find_board
    from blsh_tools.options.board_budgets import planned, say_plan
    from blsh_trainer.model.artifact import load_model

    if calibrate:
        _calibrate(wanted.board, as_json)
        return
    chosen = find_board(wanted.board or DEFAULT_BOARD)
    artifact = load_model(model)
    options, plan = planned(artifact, replace(wanted, board=chosen.name))
    assert plan is not None  # a board was named
    if len(plan.candidates) > 1:
        say_plan(plan)
    found = plan.estimate
    per_clock = HOPS_PER_SECOND / chosen.clock_hz
    shares = {"cpu_share": found.instructions * per_clock, "cpu_share_most": found.worst * per_clock}
    result = {
        "board": chosen.name,
        "core": chosen.core,
        "clock_hz": chosen.clock_hz,
        "model": artifact.name,
        "model_sha256": artifact.sha256,
        "options": asdict(options),
        "plan": plan.to_dict(),
        **{name: round(share, 4) for name, share in shares.items()},
        **found.to_dict(),
    }
    clock = f"of {chosen.clock_hz / 1e6:g} MHz, were each one cycle"
    rows = [
        ("model", f"{artifact.name}, {plan.chosen.words}"),
        ("flash", f"{found.flash_bytes:,} of {chosen.flash.size:,} bytes, {sum(found.tables.values()):,} of tables"),
        ("RAM", f"{found.ram_bytes:,} of {chosen.ram.size:,} bytes, {found.state_bytes:,} of state"),
        ("stack", f"{found.stack_bytes:,} bytes; {chosen.stack_bytes:,} are kept for it"),
        *((f"... {stage}", f"{count:,.0f} instructions") for stage, count in found.stages.items()),
        (
            "whole hop, mean",
            f"{found.instructions:,.0f} instructions, {found.millions_per_second:.2f} million a second",
        ),
        ("share of the CPU", f"{100 * shares['cpu_share']:.0f} % {clock}"),
        ("whole hop, most", f"{found.worst:,.0f} instructions, {100 * shares['cpu_share_most']:.0f} %"),
    ]
    show(result, as_json, rows, f"Estimate for {chosen.name}, {chosen.core}; instructions are not cycles")


def _calibrate(board: str | None, as_json: bool) -> None:
    from blsh_codegen.cost.measured_costs import COSTS_FILE, Costs, load_costs, save_costs
    from blsh_firmware.measure.calibration import calibrate, interrupted_file
    from blsh_hil.boards.table import find_board, load_boards
    from blsh_tools.options.outputs import check_output

    check_output(COSTS_FILE)
    if board:
        kept = load_costs()
        found = calibrate([find_board(board)], say, kept)
        found = Costs(found.compiler, {**kept.cores, **found.cores}, {**kept.boards, **found.boards})
        save_costs(found)
    else:
        virtual_first = sorted(load_boards().values(), key=lambda each: each.qemu_machine is None)
        begun = interrupted_file()
        begun.parent.mkdir(exist_ok=True)
        found = calibrate(virtual_first, say, resumed=begun)
        save_costs(found)
        begun.unlink()
    rows = [
        (name, f"{sizes.flash_bytes:,} bytes of flash, {sizes.ram_bytes:,} of RAM")
        for name, sizes in found.boards.items()
    ]
    show(asdict(found), as_json, rows, f"Measured, written to {COSTS_FILE}: firmware without a model")
