"""Instructions of a hop, counted exactly by the emulator; the ruler is checked on a loop of known length first."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from blsh_codegen.fixed import HOP, SAMPLE_RATE_HZ
from blsh_codegen.stages import STAGES
from blsh_hil.board_errors import BoardError
from blsh_hil.client import BoardClient

ICOUNT_SHIFT = 6
"""An instruction takes 2^6 ns of the board's time: the counters of all our boards then resolve single ones."""

_LOOPS = (1_000, 51_000, 101_000)


@dataclass(frozen=True)
class InstructionCounts:
    """Instructions of the measured hops. Instructions are not cycles: no wait states, caches or load-use stalls.

    hops: how many were measured. mean, maximum: of a whole hop. stages: mean of each, the probe left out.
    """

    hops: int
    mean: float
    maximum: int
    stages: dict[str, float]

    @property
    def millions_per_second(self) -> float:
        """Instructions for a second of audio, in millions."""
        return self.mean * SAMPLE_RATE_HZ / HOP / 1e6

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "hops": self.hops,
            "mean": round(self.mean),
            "maximum": self.maximum,
            "millions_per_second": round(self.millions_per_second, 3),
            "stages": {stage: round(count) for stage, count in self.stages.items()},
        }


def ticks_per_instruction(client: BoardClient) -> Fraction:
    """Ticks of the board's counter for an instruction, on a board started with ICOUNT_SHIFT.

    Raises BoardError unless loops of known length take as many ticks as this says, to the resolution of the counter:
    the board then does not count instructions.
    """
    hello = client.identity or client.hello()
    ratio = Fraction(hello.tick_hz << ICOUNT_SHIFT, 10**9)
    short, *longer = (client.count_loop(iterations) for iterations in _LOOPS)
    if not short.instructions:
        raise BoardError(f"{client.url}: this board does not know the length of its loop; measure on a virtual board")
    for loop in longer:
        expected = ratio * (loop.instructions - short.instructions)
        if abs(loop.ticks - short.ticks - expected) > 1:
            raise BoardError(
                f"{client.url}: {loop.instructions - short.instructions} instructions took {loop.ticks - short.ticks} "
                f"ticks, expected {float(expected):g}; start the virtual board with an icount shift of {ICOUNT_SHIFT}"
            )
    return ratio


def count_instructions(client: BoardClient, samples: npt.NDArray[np.int16]) -> InstructionCounts:
    """Count the instructions of each hop of `samples` (whole hops), on a board started with ICOUNT_SHIFT."""
    ratio = ticks_per_instruction(client)
    client.reset_stream()
    totals = [float(client.hop(hop, masked=True).ticks / ratio) for hop in samples.reshape(-1, HOP)]
    client.reset_stream()
    by_stage = []
    for hop in samples.reshape(-1, HOP):
        ticks = client.hop(hop, ticks=True, masked=True).stage_ticks or ()
        by_stage.append([float(each / ratio) for each in ticks])
    return InstructionCounts(
        hops=len(totals),
        mean=float(np.mean(totals)),
        maximum=round(max(totals)),
        stages=dict(zip(STAGES, np.mean(by_stage, axis=0).tolist(), strict=True)),
    )
