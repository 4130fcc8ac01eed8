"""The boards, read from `boards.toml`, and the files written from it.

`load_boards()` gives every consumer the same facts. `python -m blsh_hil.boards.catalogue` rewrites platformio.ini, the
board files of the PlatformIO platform, the C headers `board.h` and the tables of docs/boards.md; a test holds them to
the table.
"""

import sys
from pathlib import Path

from blsh_codegen.project import project_data, project_root
from blsh_hil.boards import docs as boards_docs
from blsh_hil.boards.model import Board, Memory
from blsh_hil.boards.render import rendered_files
from blsh_hil.boards.table import read_table
from blsh_hil.ending import exit_code
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing

__all__ = ["Board", "Memory", "find_board", "load_boards"]


def load_boards(path: Path | None = None) -> dict[str, Board]:
    """All boards by name, in the order of the table (`path`: another table than the project's).

    Raises BlshError naming the board, the field, the value and what was expected.
    """
    table = project_data() / "boards.toml" if path is None else path
    return read_table(table)


def find_board(name: str) -> Board:
    """The board of that name. Raises BlshError listing the known ones."""
    boards = load_boards()
    if name not in boards:
        known = ", ".join(sorted(boards))
        raise BlshError(f"board {name!r} is unknown; known boards: {known} (add one in boards.toml)")
    return boards[name]


def main() -> None:
    """Rewrite the files that come from boards.toml."""
    root, boards = project_root(), load_boards()
    files = rendered_files(boards)
    document = root / boards_docs.DOCUMENT
    if document.is_file():  # a project folder for building alone has no docs
        files[boards_docs.DOCUMENT] = boards_docs.rewritten(document.read_text(encoding="utf-8"), boards)
    for name, text in files.items():
        with replacing(root / name) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
        print(f"wrote {name}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(exit_code(main))
