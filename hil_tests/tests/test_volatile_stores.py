# SPDX-License-Identifier: Apache-2.0
"""No driver has a loop whose volatile stores gcc 12 moves: -fmove-loop-stores would write once more, after the loop."""

import subprocess
from pathlib import Path

import pytest

from blsh_codegen.project import project_root
from blsh_hil.boards.board import INCLUDE_FOLDERS, Board
from blsh_hil.boards.table import load_boards

pytestmark = pytest.mark.heavy

OPTION = "-fno-move-loop-stores"
GCC = "arm-none-eabi-gcc"


@pytest.fixture(scope="module")
def known() -> None:
    """Skip where the compiler is missing, or too old to move stores."""
    try:
        done = subprocess.run([GCC, OPTION, "-E", "-xc", "/dev/null"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"{GCC} is not installed; run `make setup`")
    if done.returncode:
        pytest.skip(f"{GCC} does not know {OPTION}")


def assembled(board: Board, source: str, *flags: str) -> str:
    root = project_root()
    folders = [f"firmware/{folder}" for folder in INCLUDE_FOLDERS] + [f"firmware/boards/{board.name}"]
    includes = [f"-I{root / folder}" for folder in folders]
    command = [GCC, *board.cpu_flags, "-std=c11", "-O2", *flags, *includes, "-S", str(root / source), "-o", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", load_boards())
def test_a_driver_is_the_same_code_with_and_without_it(name: str, known: None) -> None:
    board = load_boards()[name]
    for source in board.sources():
        assert assembled(board, source) == assembled(board, source, OPTION), f"{Path(source).name} needs {OPTION}"
