"""`blsh bench`: instructions of a hop on a virtual board."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blsh_codegen.spec.constants import HOP, SAMPLE_RATE_HZ
from blsh_firmware.build.images import build_image
from blsh_hil.boards.catalogue import Board
from blsh_hil.boards.session import connect
from blsh_hil.prove.measure import ICOUNT_SHIFT, count_instructions
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import load_model


def run_benchmark(board: Board, model_path: Path, hops: int, log: Callable[[str], None]) -> dict[str, Any]:
    """Instructions of each stage over `hops` hops of a fixed, speech-like signal, and bytes; as JSON values.

    `ram_bytes` are the variables, `stack_bytes_used` the most of the stack that the painted part says was in use.
    """
    if hops < 1:
        raise BlshError(f"{hops} hops to measure; give 1 or more")
    if board.qemu_machine is None:
        raise BlshError(f"{board.name} is a real board; instructions are counted on virtual ones, see `blsh boards`")
    image = build_image(board, log, model=load_model(model_path))
    with connect(image.target(None, icount_shift=ICOUNT_SHIFT), image.expected) as client:
        counts = count_instructions(client, measured_signal(hops))
        stack = client.hello().stack_bytes_used
    result = {**image.to_dict(), "core": board.core, "stack_bytes_used": stack}
    return {**result, "instructions": counts.to_dict()}


def measured_signal(hops: int) -> npt.NDArray[np.int16]:
    """The signal that instructions are counted and estimated on: harmonics that glide and pause over noise."""
    n = np.arange(hops * HOP) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(5 * n)) / SAMPLE_RATE_HZ
    voice = sum(np.sin(h * phase) / h for h in range(1, 20)) * np.maximum(0, np.sin(12 * n))
    noisy = 2000 * voice + 800 * np.random.default_rng(0).standard_normal(len(n))
    return np.clip(np.round(noisy), -32768, 32767).astype(np.int16)
