# SPDX-License-Identifier: Apache-2.0
"""`blsh emulate`: a virtual board that stays, for other programs to talk to."""

import json
from typing import Annotated

import typer

from blsh_tools.console import say
from blsh_tools.options.arguments import DEFAULT_BOARD, AsJson, BoardName


def emulate(
    board: BoardName = DEFAULT_BOARD,
    pty: Annotated[
        bool,
        typer.Option("--pty", help="Offer a pseudo-terminal, like a real serial port, instead of a TCP socket."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the built firmware on a virtual board that stays, until Ctrl-C; print the port that others may open.

    `blsh flash` restarts it with firmware that was built since.
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
