"""`blsh bench`: instructions of a hop on a virtual board."""

from pathlib import Path
from typing import Any

import numpy as np

from blsh_codegen.fixed import HOP, SAMPLE_RATE_HZ
from blsh_hil.boards import Board
from blsh_hil.measure import ICOUNT_SHIFT, count_instructions
from blsh_hil.session import connect
from blsh_tools.console import say
from blsh_tools.firmware import fresh_image
from blsh_trainer.artifact import load_model
from blsh_trainer.errors import BlshError


def run_benchmark(board: Board, model_path: Path, hops: int) -> dict[str, Any]:
    """Instructions of each stage over `hops` hops of a fixed, speech-like signal; as JSON values."""
    if hops < 1:
        raise BlshError(f"{hops} hops to measure; give 1 or more")
    if board.qemu_machine is None:
        raise BlshError(f"{board.name} is a real board; instructions are counted on virtual ones, see `blsh boards`")
    image = fresh_image(board, say, load_model(model_path))
    with connect(image.target(None, icount_shift=ICOUNT_SHIFT), image.expected) as client:
        counts = count_instructions(client, _signal(hops))
    return {**image.to_dict(), "instructions": counts.to_dict()}


def _signal(hops: int) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    """Harmonics that glide and pause over noise: the work of a hop hardly depends on what is in it."""
    n = np.arange(hops * HOP) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(5 * n)) / SAMPLE_RATE_HZ
    voice = sum(np.sin(h * phase) / h for h in range(1, 20)) * np.maximum(0, np.sin(12 * n))
    noisy = 2000 * voice + 800 * np.random.default_rng(0).standard_normal(len(n))
    return np.clip(np.round(noisy), -32768, 32767).astype(np.int16)
