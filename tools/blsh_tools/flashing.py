"""`blsh flash`: put the built image on a board, and believe it only when HELLO says so."""

from typing import Any

from blsh_hil.boards import Board
from blsh_hil.session import connect
from blsh_tools.build import upload_firmware
from blsh_tools.console import say
from blsh_tools.firmware import built_image
from blsh_trainer.errors import BlshError


def flash_board(board: Board, port: str | None) -> dict[str, Any]:
    """Flash the image that `blsh build` made; returns what the board's HELLO says, as JSON values.

    A virtual board is started with the image. Raises BlshError if there is no current image, the upload fails, or the
    board that answers afterwards runs something else.
    """
    image = built_image(board)
    if board.qemu_machine is None:
        if port is None:
            raise BlshError(f"{board.name} is a real board: give its serial port with --port, to read HELLO back")
        upload_firmware(board, image.build_id, log=say)
    with connect(image.target(port), image.expected) as client:
        hello = client.identity or client.hello()
    return {
        "board": hello.board,
        "core": hello.core,
        "firmware": hello.version,
        "build_id": f"{hello.build_id:08x}",
        "model": hello.model,
        "model_sha256": hello.model_sha256.hex(),
        "dictionary_entries": hello.entries,
        "dictionary_crc32": f"{hello.dictionary_crc32_now:08x}",
    }
