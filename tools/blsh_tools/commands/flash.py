# SPDX-License-Identifier: Apache-2.0
"""`blsh flash`: the built image onto a board, real or virtual."""

import json
import sys
from dataclasses import replace
from typing import Annotated

import typer

from blsh_tools.console import show
from blsh_tools.options.arguments import DEFAULT_BOARD, AsJson, BoardName, checked_port
from blsh_tools.options.flash import TIMEOUTS, FlashOptions
from blsh_tools.options.numbers_in_range import TIMEOUT_S


def flash(
    board: BoardName = DEFAULT_BOARD,
    port: Annotated[
        str | None,
        typer.Option(
            "--port",
            callback=checked_port,
            help="Serial port of the board [default: the only one with its USB ids].",
        ),
    ] = None,
    probe: Annotated[
        str | None, typer.Option("--probe", metavar="ID", help="Number of the debug probe, if there are several.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method", help="Program that flashes, of those in boards.toml: openocd, st-flash, pyocd, mass-storage."
        ),
    ] = None,
    flash_timeout: Annotated[float, TIMEOUT_S.option("Seconds for the upload.")] = TIMEOUTS.flash,
    boot_timeout: Annotated[
        float, TIMEOUT_S.option("Seconds from the end of the upload until the board answers.")
    ] = TIMEOUTS.boot,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the command that would flash; run nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put the built firmware on a board and read back who answers: build id and model must be those just built.

    A virtual board that `blsh emulate` runs is restarted with the firmware.
    """
    from blsh_hil.boards.table import find_board
    from blsh_tools.boards.flash_board import flash_board, planned_command

    options = FlashOptions(port, probe, method, replace(TIMEOUTS, flash=flash_timeout, boot=boot_timeout))
    if dry_run:
        plan = planned_command(find_board(board), options)
        sys.stdout.write((json.dumps(plan, indent=2, sort_keys=True) if as_json else plan["command"]) + "\n")
        return
    result = flash_board(find_board(board), options)
    rows = [(name, str(value)) for name, value in result.items()]
    show(result, as_json, rows, f"Flashed {board}")
