# SPDX-License-Identifier: Apache-2.0
"""Choose the size of a model by the budgets of a board."""

from dataclasses import replace
from typing import TYPE_CHECKING

from blsh_tools.console import say
from blsh_tools.options.model import PlanOptions, sized
from blsh_tools.options.numbers_in_range import size_bytes
from blsh_trainer.errors import BlshError

if TYPE_CHECKING:  # the commands import their modules when they run, so that `blsh --help` is quick
    from blsh_codegen.cost.measured_costs import BoardSizes
    from blsh_codegen.cost.planning import Plan
    from blsh_codegen.emit.generate import GenerateOptions
    from blsh_hil.boards.board import Board
    from blsh_trainer.model.artifact import AnyModel
    from blsh_trainer.signals.geometry import Geometry

SLOTS_FLASH_BYTES = 7168
"""The most code, on any board, that takes pushed models and runs those of other geometries."""
SLOTS_VOTES_FLASH_BYTES = 12288
"""The same where the compiled model votes: then models of every kind are taken."""
SLOTS_RAM_BYTES = 192
"""The most RAM of what is known of pushed models."""
_COPIES_OF_A_HOP = 2
"""In the server, beside the state."""
SLOTS_STACK_BYTES = 96
"""The most stack that trying a pushed model takes beyond a hop: see `image_stack` of a firmware with slots."""


def planned(model: "AnyModel", wanted: PlanOptions) -> "tuple[GenerateOptions, Plan | None]":
    """Return the generator's options for `model` (the whole artifact), and the plan behind them if a board is named.

    The budgets choose the options that the user left out; without a budget, `sized` does. Raises BlshError for an
    unknown board, and for a budget without a board, of 0 or of more than the board has. Raises BlshError for a model
    that does not fit, with the figures and the nearest model that does.
    """
    wishes, mips = wanted.wishes(), wanted.mips
    sizes = {"flash": wanted.flash, "ram": wanted.ram}
    named = [f"--{name}" for name, value in {**sizes, "mips": mips}.items() if value is not None]
    if wishes.board is None:
        if named:
            raise BlshError(f"{', '.join(named)} without a board; name one with --board, see `blsh boards`")
        return sized(wishes, model.entries), None
    if not named:  # the same model as without a board
        bits = model.bits if wishes.bits is None else wishes.bits
        masks = model.mask_kind if wishes.masks is None else wishes.masks
        return _fitting(model, replace(sized(wishes, model.entries), bits=bits, masks=masks))
    flash, ram = (None if text is None else size_bytes(f"--{name}", text) for name, text in sizes.items())
    return _fitting(model, replace(wishes, flash=flash, ram=ram, mips=mips))


def _fitting(model: "AnyModel", wishes: "GenerateOptions") -> "tuple[GenerateOptions, Plan]":
    from blsh_codegen.cost.cost_signal import MEASURED_HOPS, cost_signal
    from blsh_codegen.cost.measured_costs import load_costs
    from blsh_codegen.cost.planning import Budgets, Planner
    from blsh_hil.boards.table import find_board

    assert wishes.board is not None
    board = find_board(wishes.board)
    costs = load_costs()
    sizes = costs.board(board.name)
    if wishes.slots:
        sizes = _with_slots(board, sizes, wishes, model.geometry)
    ram = board.ram.size - board.stack_bytes + sizes.stack_bytes  # the linker keeps more for the stack than is used
    for name, asked, most in (("flash", wishes.flash, board.flash.size), ("ram", wishes.ram, board.ram.size)):
        if asked is not None and asked > most:
            raise BlshError(f"--{name} {asked:,} bytes; {board.name} has {most:,}, give that or less")
    cpu = None if board.budget.cpu is None else board.budget.cpu * board.clock_hz / 1e6
    flash = wishes.flash or board.budget.flash
    if wishes.slots:
        flash = min(flash, board.firmware_flash_bytes)
    budgets = Budgets(flash, min(wishes.ram or board.budget.ram, ram), wishes.mips or cpu)
    planner = Planner(model, costs.core(board.core), sizes, cost_signal(MEASURED_HOPS, model.geometry))
    try:
        plan = planner.plan(wishes, budgets)
    except BlshError as error:
        raise BlshError(f"{board.name}: {error}") from error
    return plan.options, plan


def slots_ram_bytes(geometry: "Geometry", wishes: "GenerateOptions") -> int:
    """Return the most RAM that slots add to a firmware whose own model has this geometry.

    The state takes every geometry of no larger window and lag, and what `wishes` give room for; the server takes hops
    of every length: in a request, and in a reply that it keeps.
    """
    from blsh_codegen.spec.c_structs import Limits, board_bytes, state_struct
    from blsh_trainer.signals.geometry import LEAST_HOP

    least = Limits.of_masks(1, 1, 1, geometry.bins, geometry)
    rooms = (wishes.room_bits or 1, wishes.room_neighbours or 1, wishes.room_smoothed or 1)
    most = Limits.of_masks(*rooms, geometry.bins, geometry)._replace(
        history=geometry.window - LEAST_HOP, one_geometry=False
    )
    state = board_bytes(state_struct, most) - board_bytes(state_struct, least)
    return SLOTS_RAM_BYTES + state + _COPIES_OF_A_HOP * 2 * (most.hop - least.hop)


def _with_slots(board: "Board", sizes: "BoardSizes", wishes: "GenerateOptions", geometry: "Geometry") -> "BoardSizes":
    """Return the needs of the firmware beside a model of `geometry` when it has slots, and room for larger models."""
    if board.slots is None:
        raise BlshError(f"{board.name} has no slots for models in boards.toml; generate without --slots")
    return replace(
        sizes,
        flash_bytes=sizes.flash_bytes + SLOTS_FLASH_BYTES,
        flash_bytes_many=sizes.flash_bytes_many + SLOTS_FLASH_BYTES,
        flash_bytes_small_votes=sizes.flash_bytes_small_votes + SLOTS_VOTES_FLASH_BYTES,
        flash_bytes_large_votes=sizes.flash_bytes_large_votes + SLOTS_VOTES_FLASH_BYTES,
        ram_bytes=sizes.ram_bytes + slots_ram_bytes(geometry, wishes),
        stack_bytes=sizes.stack_bytes + SLOTS_STACK_BYTES,
    )


def say_plan(plan: "Plan") -> None:
    """Print the choice and its candidates on stderr."""
    rows = [("", "bits", "masks", "entries", "flash", "RAM", "M/s", "valid dB", "")]
    for each in plan.candidates:
        here = (each.bits, each.masks) == (plan.chosen.bits, plan.chosen.masks)
        taken = plan.chosen.taken if here else each.taken
        mips = "" if taken.mips is None else f"{taken.mips:.2f}"
        improvement = "" if each.improvement_db is None else f"{each.improvement_db:+.2f}"
        reason = each.reason if each.fits else f"does not fit: {each.reason}"
        sizes = (f"{each.entries:,}", f"{taken.flash:,}", f"{taken.ram:,}", mips, improvement)
        rows.append(("*" if here else "", str(each.bits), each.masks, *sizes, reason))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    say(f"chosen (*): {plan.chosen.words}: {plan.why}")
    for row in rows:
        say("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
