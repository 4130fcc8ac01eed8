# SPDX-License-Identifier: Apache-2.0
"""Measure the costs behind estimates anew."""

from blsh_codegen.cost.costs_file import COSTS_FILE
from blsh_codegen.cost.measured_costs import Costs, load_costs, save_costs
from blsh_firmware.measure.calibration import calibrate, interrupted_file
from blsh_hil.boards.table import find_board, load_boards
from blsh_tools.console import progress, say
from blsh_tools.options.outputs import check_output


def renew_costs(board: str | None) -> Costs:
    """Measure the costs of one board, or of all if None, and write them into COSTS_FILE.

    After an interruption, the measurement of all boards goes on where it stopped.
    """
    check_output(COSTS_FILE)
    if board:
        kept = load_costs()
        with progress() as advance:
            found = calibrate([find_board(board)], say, kept, progress=advance)
        found = Costs(found.compiler, {**kept.cores, **found.cores}, {**kept.boards, **found.boards})
        save_costs(found)
        return found
    virtual_first = sorted(load_boards().values(), key=lambda each: each.qemu_machine is None)
    begun = interrupted_file()
    begun.parent.mkdir(exist_ok=True)
    with progress() as advance:
        found = calibrate(virtual_first, say, resumed=begun, progress=advance)
    save_costs(found)
    begun.unlink()
    return found
