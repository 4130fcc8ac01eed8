# SPDX-License-Identifier: Apache-2.0
"""Count the instructions of hops exactly, by the emulator. A loop of known length first proves the counter."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from blsh_codegen.spec.stages import STAGES
from blsh_hil.link.board_errors import BoardError
from blsh_hil.link.client import BoardClient
from blsh_trainer.progress import Progress

ICOUNT_SHIFT = 8
"""An instruction takes 2^8 ns of the board's time: at least four ticks on all boards, so ticks give whole numbers.

The fastest counter, of 1 GHz, then wraps after 16 million instructions.
"""

_LOOPS = (1_000, 1_001, 51_000, 101_000)
_CUT_TICKS = Fraction(3, 2)  # both readings are cut to a whole tick, and some emulated timers also round


@dataclass(frozen=True)
class InstructionCounts:
    """Instructions of the measured hops. Instructions are not cycles: no wait states, caches or load-use stalls.

    hops: how many hops were measured. hops_per_second: of the model. mean, maximum: of a whole hop. stages,
    stage_maxima: mean and maximum of each stage, without the probe. Each count is exact, but includes a fixed number of
    instructions for the call and for reading the counter.
    """

    hops: int
    hops_per_second: float
    mean: float
    maximum: int
    stages: dict[str, float]
    stage_maxima: dict[str, int]

    @property
    def millions_per_second(self) -> float:
        """The instructions for a second of audio, in millions."""
        return self.mean * self.hops_per_second / 1e6

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            "hops": self.hops,
            "mean": round(self.mean),
            "maximum": self.maximum,
            "millions_per_second": round(self.millions_per_second, 3),
            "stages": {stage: round(count) for stage, count in self.stages.items()},
            "stage_maxima": self.stage_maxima,
        }


def ticks_per_instruction(client: BoardClient) -> Fraction:
    """Return the ticks of the board's counter for an instruction, on a board started with ICOUNT_SHIFT.

    Raises BoardError unless loops of known length take this many ticks exactly, up to one constant for all of them.
    Otherwise the board does not count instructions.
    """
    hello = client.board
    ratio = Fraction(hello.tick_hz << ICOUNT_SHIFT, 10**9)
    short, *longer = (client.count_loop(iterations) for iterations in _LOOPS)
    if not short.instructions:
        raise BoardError(f"{client.url}: this board does not know the length of its loop; measure on a virtual board")
    for loop in longer:
        known, ticks = loop.instructions - short.instructions, loop.ticks - short.ticks
        if abs(ticks - ratio * known) > 2 * _CUT_TICKS or exact_count(loop.ticks, ratio) - loop.instructions != (
            exact_count(short.ticks, ratio) - short.instructions
        ):
            raise BoardError(
                f"{client.url}: {known} instructions took {ticks} ticks, expected {float(ratio * known):g}; "
                f"start the virtual board with an icount shift of {ICOUNT_SHIFT}"
            )
    return ratio


def exact_count(ticks: int, ratio: Fraction) -> int:
    """Return the number of instructions between two readings of the counter that are `ticks` apart.

    ratio: ticks for an instruction. Raises BoardError if no whole number of instructions takes that many ticks.
    """
    count = round(ticks / ratio)
    if abs(ticks - count * ratio) > _CUT_TICKS:
        raise BoardError(f"{ticks} ticks at {float(ratio):g} an instruction are no whole number of instructions")
    return count


def count_hops(
    client: BoardClient,
    samples: npt.NDArray[np.int16],
    ratio: Fraction | None = None,
    progress: Progress | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the instructions of each hop of `samples` (int16 whole hops), (T,), and of each of its stages, (T, 8).

    The board must have been started with ICOUNT_SHIFT, unless `ratio` is given: ticks for each unit that is counted.
    With 1 the ticks themselves are counted.
    """
    if ratio is None:
        ratio = ticks_per_instruction(client)
    hops = samples.reshape(-1, client.geometry.hop)
    client.reset_stream()
    totals, by_stage = [], []
    for number, hop in enumerate(hops):
        _tell(progress, number, len(hops))
        totals.append(exact_count(client.hop(hop, masked=True).ticks, ratio))
    client.reset_stream()
    for number, hop in enumerate(hops):
        _tell(progress, len(hops) + number, len(hops))
        ticks = client.hop(hop, ticks=True, masked=True).stage_ticks or ()
        by_stage.append([exact_count(each, ratio) for each in ticks])
    _tell(progress, 2 * len(hops), len(hops))
    return np.array(totals, np.int64), np.array(by_stage, np.int64)


def _tell(progress: Progress | None, done: int, hops: int) -> None:
    """Tell how far the two passes over `hops` hops are."""
    if progress is not None:
        progress("counting", done, 2 * hops)


def count_instructions(
    client: BoardClient, samples: npt.NDArray[np.int16], progress: Progress | None = None
) -> InstructionCounts:
    """Count the instructions of each hop of `samples` (whole hops), on a board started with ICOUNT_SHIFT."""
    totals, by_stage = count_hops(client, samples, progress=progress)
    return InstructionCounts(
        hops=len(totals),
        hops_per_second=client.geometry.hops_per_second,
        mean=float(totals.mean()),
        maximum=int(totals.max()),
        stages=dict(zip(STAGES, by_stage.mean(axis=0).tolist(), strict=True)),
        stage_maxima=dict(zip(STAGES, by_stage.max(axis=0).tolist(), strict=True)),
    )
