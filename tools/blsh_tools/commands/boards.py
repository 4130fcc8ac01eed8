# SPDX-License-Identifier: Apache-2.0
"""`blsh boards`: the known boards, and the devices attached to this machine."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from blsh_tools.console import show
from blsh_tools.options.arguments import AsJson

if TYPE_CHECKING:  # the command imports its modules when it runs, so that `blsh --help` is quick
    from blsh_hil.boards.attached import Attached
    from blsh_hil.boards.board import Board


def boards(
    write: Annotated[
        bool,
        typer.Option("--write", help="Write the files that follow from boards.toml and the protocol; list nothing."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the boards that firmware can be built for, and what is attached to this machine: ports, probes, holders.

    A program that talks to a board locks it. A lock is stale when its program was killed; a stale lock stops no one.
    """
    from blsh_codegen.project import project_root
    from blsh_hil.boards.attached import attached
    from blsh_hil.boards.table import load_boards
    from blsh_hil.boards.written_files import write_generated_files

    if write:
        written = [path.as_posix() for path in write_generated_files(project_root())]
        rows = [[path] for path in written] or [["nothing: all files are up to date"]]
        show({"written": written}, as_json, rows, "Written")
        return
    known = load_boards()
    found = attached(known)
    if as_json:
        lists = {"boards": [asdict(board) for board in known.values()], "attached": [asdict(each) for each in found]}
        show(lists, True, [])
        return
    header = ["board", "part", "core", "clock", "flash", "RAM", "emulator, or how to flash"]
    show(None, False, _board_rows(known.values()), "Boards", header)
    if not found:
        print("Nothing is attached: no serial port, no probe of a known board, no running emulator.")
        return
    header = ["kind", "port", "USB", "serial number", "may be", "held by"]
    show(None, False, _attached_rows(found), "Attached", header)


def _board_rows(boards: "Iterable[Board]") -> list[list[str]]:
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
        for board in boards
    ]
    return [*rows, ["host", "a process of this machine", "", "", "", "", "for hil and denoise"]]


def _attached_rows(found: "Iterable[Attached]") -> list[list[str]]:
    return [
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
