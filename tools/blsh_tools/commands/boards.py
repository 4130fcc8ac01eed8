"""`blsh flash`, `blsh boards` and `blsh emulate`: boards, what is attached, and how an image gets there."""

import json
import sys
from dataclasses import replace
from typing import Annotated

import typer

from blsh_tools.console import say, show
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
            help="Serial port of the board [default: the one with its USB ids, if there is one].",
        ),
    ] = None,
    probe: Annotated[
        str | None, typer.Option("--probe", metavar="ID", help="Number of the debug probe, where there are several.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option("--method", help="Another way of boards.toml: openocd, st-flash, pyocd, mass-storage."),
    ] = None,
    flash_timeout: Annotated[float, TIMEOUT_S.option("Seconds for the upload.")] = TIMEOUTS.flash,
    boot_timeout: Annotated[float, TIMEOUT_S.option("Seconds from then until the board answers.")] = TIMEOUTS.boot,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the command that would flash; run nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put the built firmware on a board and read back who answers: build id and model must be those just built.

    A virtual board that `blsh emulate` runs is restarted with it.
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


def boards(
    write: Annotated[
        bool,
        typer.Option("--write", help="Write the files that follow from boards.toml and the protocol; list nothing."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the boards that firmware can be built for, and what is attached to this machine: ports, probes, holders.

    A board is locked while a program talks to it. A stale lock was left by a program that was killed; it is in nobody's
    way.
    """
    from dataclasses import asdict

    from blsh_hil.boards.attached import attached
    from blsh_hil.boards.table import load_boards

    if write:
        _write_files(as_json)
        return
    known = load_boards()
    found = attached(known)
    if as_json:
        show(
            {"boards": [asdict(board) for board in known.values()], "attached": [asdict(each) for each in found]},
            True,
            [],
        )
        return
    rows = [
        [
            board.name,
            board.title,
            board.core,
            f"{board.clock_hz / 1e6:g} MHz",
            f"{board.flash.size >> 10} KiB",
            f"{board.ram.size >> 10} KiB",
            f"QEMU {board.qemu_machine}" if board.qemu_machine else ", ".join(each.method for each in board.uploads),
        ]
        for board in known.values()
    ]
    rows.append(["host", "a process of this machine", "", "", "", "", "for hil and denoise"])
    show(None, False, rows, "Boards", ["board", "part", "core", "clock", "flash", "RAM", "emulator, or how to flash"])
    if not found:
        print("Nothing is attached: no serial port, no probe of a known board, no running emulator.")
        return
    attached_rows = [
        [
            each.kind,
            each.port,
            each.usb,
            each.serial,
            " or ".join(each.boards) or each.product,
            f"{'stale: ' if each.stale else ''}{each.held_by}" if each.held_by else "free",
        ]
        for each in found
    ]
    show(None, False, attached_rows, "Attached", ["kind", "port", "USB", "serial number", "may be", "held by"])


def _write_files(as_json: bool) -> None:
    from blsh_codegen.project import project_root
    from blsh_hil.boards.written_files import write_generated_files

    written = [path.as_posix() for path in write_generated_files(project_root())]
    show(
        {"written": written},
        as_json,
        [[path] for path in written] or [["nothing: all files are up to date"]],
        "Written",
    )


def emulate(
    board: BoardName = DEFAULT_BOARD,
    pty: Annotated[
        bool, typer.Option("--pty", help="A pseudo-terminal, which is like a real serial port, not a TCP socket.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the built firmware on a virtual board that stays, until Ctrl-C; print the port that others may open.

    `blsh flash` restarts it with what was built since.
    """
    from blsh_firmware.build.images import built_image
    from blsh_hil.boards.table import find_board
    from blsh_hil.boards.virtual import VirtualBoard
    from blsh_tools.boards.emulate_board import keep_running

    image = built_image(find_board(board))
    virtual = VirtualBoard(image.board, image.elf, link="pty" if pty else "socket", restarts=True)

    def ready(url: str) -> None:
        if as_json:
            print(json.dumps({"board": board, "url": url, "build_id": f"{image.build_id:08x}"}), flush=True)
        else:
            print(f"{board} runs at {url}", flush=True)

    keep_running(virtual, ready, say)
