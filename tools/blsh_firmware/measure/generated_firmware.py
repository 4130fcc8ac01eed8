# SPDX-License-Identifier: Apache-2.0
"""Instructions of a hop on a virtual board, stage by stage, of the firmware that was generated last."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from blsh_codegen.cost.cost_signal import cost_signal
from blsh_firmware.build.images import build_image
from blsh_hil.boards.board import Board
from blsh_hil.boards.session import connect
from blsh_hil.prove.instruction_count import ICOUNT_SHIFT, count_instructions
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import load_model
from blsh_trainer.progress import Progress


def count_generated(
    board: Board, model_path: Path, hops: int, log: Callable[[str], None], progress: Progress | None = None
) -> dict[str, Any]:
    """Build the generated model and count the instructions of each stage over `hops` hops of `cost_signal`.

    model_path: the artifact that the code must have been generated from. log: takes each line of the build's output.
    Returns JSON values: those of Image.to_dict, `instructions` of each stage, and `stack_bytes_used`, the most of the
    stack that was in use, by the part of it that is no longer painted. `ram_bytes` are the variables alone.
    Raises BlshError for no hops, a real board, and whatever build_image refuses.
    """
    if hops < 1:
        raise BlshError(f"{hops} hops to measure; give 1 or more")
    if board.qemu_machine is None:
        raise BlshError(f"{board.name} is a real board; instructions are counted on virtual ones, see `blsh boards`")
    model = load_model(model_path)
    image = build_image(board, log, model=model)
    with connect(image.target(None, icount_shift=ICOUNT_SHIFT), image.expected) as client:
        counts = count_instructions(client, cost_signal(hops, model.geometry), progress)
        stack = client.hello().stack_bytes_used
    result = {**image.to_dict(), "core": board.core, "stack_bytes_used": stack}
    return {**result, "instructions": counts.to_dict()}
