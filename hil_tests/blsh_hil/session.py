"""From a board's name, or a port, to a client that talks to the firmware that was meant."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from blsh_hil.boards import Board
from blsh_hil.client import BoardClient
from blsh_hil.virtual_board import VirtualBoard
from blsh_trainer.errors import BlshError


@dataclass(frozen=True)
class Expected:
    """What HELLO must say before anything is asked of a board. None: not compared."""

    model_sha256: str | None = None
    dictionary_crc32: int | None = None
    build_id: int | None = None


@contextmanager
def open_board(
    board: Board,
    elf: Path | None,
    expected: Expected,
    *,
    port: str | None = None,
    icount_shift: int | None = None,
) -> Iterator[BoardClient]:
    """A client of `board`, its HELLO checked against `expected`; the board and the port are closed on leaving.

    With `port`, what is connected there; else `board` must be virtual, and is started with `elf`.
    Raises BlshError if the board does not answer, answers as another, or cannot be started.
    """
    with ExitStack() as cleanup:
        if port is None:
            if board.qemu_machine is None or elf is None:
                raise BlshError(f"{board.name} is a real board: give its serial port with --port /dev/tty...")
            port = cleanup.enter_context(VirtualBoard(board, elf, icount_shift=icount_shift)).url
        client = cleanup.enter_context(BoardClient.open(port))
        client.require(
            model_sha256=expected.model_sha256,
            dictionary_crc32=expected.dictionary_crc32,
            build_id=expected.build_id,
        )
        yield client
