"""`blsh flash`: put the built image on a board, and believe it only when HELLO says so."""

import subprocess
import sys
from typing import Any

from blsh_hil.boards import Board, project_root
from blsh_hil.session import connect
from blsh_tools.build import platformio_environment
from blsh_tools.console import say
from blsh_tools.firmware import built_image
from blsh_trainer.errors import BlshError

UPLOAD_TIMEOUT_S = 300


def flash_board(board: Board, port: str | None) -> dict[str, Any]:
    """Flash the image that `blsh build` made; returns what the board's HELLO says, as JSON values.

    A virtual board is started with the image. Raises BlshError if there is no current image, the upload fails or takes
    more than five minutes, or the board that answers afterwards runs something else.
    """
    image = built_image(board)
    if board.qemu_machine is None:
        if port is None:
            raise BlshError(f"{board.name} is a real board: give its serial port with --port, to read HELLO back")
        _upload(board)
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


def _upload(board: Board) -> None:
    command = [sys.executable, "-m", "platformio", "run", "-e", board.name, "-t", "upload"]
    try:
        done = subprocess.run(
            command,
            cwd=project_root(),
            env=platformio_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=UPLOAD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BlshError(
            f"the upload to {board.name} did not end within {UPLOAD_TIMEOUT_S} s; is the probe connected?"
        ) from error
    for line in done.stdout.splitlines():
        say(line)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise BlshError(f"the upload to {board.name} failed; is the probe connected? The end of its output:\n{said}")
