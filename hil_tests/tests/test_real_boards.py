"""The real boards, as far as this machine can tell: registers on a model of the part, images by their ELF, and the
very images of the STM32 boards in the emulator, whose clocks never get ready."""

import pytest

from blsh_hil.boards.table import load_boards

from .stm32f4_model import (
    PARTS,
)

pytestmark = pytest.mark.xdist_group("real boards")  # what its fixtures build is built once

REAL = [name for name, board in load_boards().items() if board.uploads]
STM32 = list(PARTS)
READS = 100_000  # HAL_CLOCK_READINGS
NMI = 0x7104  # of sabotage.c
BAUD_ERROR = 0.01  # of a rate; two ends may differ by some 4 %
