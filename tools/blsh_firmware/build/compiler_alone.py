"""Firmware of generated models: for the board that was asked for or, if that is too small, a larger one of its core."""

from dataclasses import dataclass
from pathlib import Path

from blsh_codegen.model.quantise import IntegerModel
from blsh_firmware.measure.bench_images import m0_board
from blsh_firmware.measure.calibration import build_alone
from blsh_hil.boards.catalogue import Board
from blsh_trainer.errors import BlshError

_TOO_SMALL = "region `"  # in what the linker says of flash or RAM that does not suffice


@dataclass(frozen=True)
class GeneratedBuild:
    """An image and the board that runs it."""

    board: Board
    elf: Path


def build_generated(board: Board, model: IntegerModel, folder: Path) -> GeneratedBuild:
    """Build the firmware with `model` in `folder`, for `board` or, if that is too small a Cortex-M0, for M0_HOST.

    What is to be proven is the core's arithmetic, not the memory that the part has. Raises BlshError where it does not
    fit a board of another core, or does not build.
    """
    own, larger = folder / "own", folder / "larger"
    own.mkdir(parents=True)
    try:
        return GeneratedBuild(board, build_alone(board, model, own))
    except BlshError as error:
        if _TOO_SMALL not in str(error) or board.core != "cortex-m0":
            raise
    larger.mkdir()
    return GeneratedBuild(m0_board(), build_alone(m0_board(), model, larger))
