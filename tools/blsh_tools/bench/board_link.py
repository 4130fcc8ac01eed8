# SPDX-License-Identifier: Apache-2.0
"""Measure how fast hops go through a board and its link."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from blsh_codegen.spec.hard_signals import edge_signal
from blsh_firmware.build.images import reach
from blsh_hil.boards.session import connect
from blsh_hil.link.link_rate import measure_link
from blsh_tools.console import say
from blsh_trainer.model.artifact import load_model
from blsh_trainer.progress import Progress


def measure_board_link(
    board: str, port: str | None, model: Path, seconds: float, rounds: int, progress: Progress | None = None
) -> dict[str, Any]:
    """Stream `seconds` of audio through a board, `rounds` times in each way. Return the rates as JSON values.

    board, port, model: as of `reach`. Raises BlshError as `reach` and `measure_link` do.
    """
    artifact = load_model(model)
    geometry = artifact.geometry
    target, expected = reach(board, port, artifact, say)
    hops = round(seconds * geometry.hops_per_second)
    samples = edge_signal("speech_like", hops * geometry.hop, np.random.default_rng(0))
    with ExitStack() as cleanup:
        url = target if isinstance(target, str) else cleanup.enter_context(target).url
        with connect(url, expected):
            pass  # the board says that it is the one that is meant; measure_link opens the port itself
        rate = measure_link(url, samples, baud=expected.baud, rounds=rounds, held_back=port is None, progress=progress)
    return {"board": board, **rate.to_dict()}
