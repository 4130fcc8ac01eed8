# SPDX-License-Identifier: Apache-2.0
"""Judge whether a board keeps up with the microphone: its costliest hop must take less than a hop of audio."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.spec.stages import STAGES
from blsh_hil.boards.board import Board
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.instruction_count import count_hops, ticks_per_instruction
from blsh_trainer.signals.geometry import Geometry

TOO_SLOW: Final = "too slow for real time"
"""How the suite's words on a board begin that does not keep up."""
_BINS: Final = 24  # bins of the histogram


@dataclass(frozen=True)
class Counts:
    """The costs of many hops: totals (T,) and stages (T, 8), in units of `unit`. rate_hz: units in a second."""

    unit: str
    rate_hz: int
    totals: npt.NDArray[np.int64]
    stages: npt.NDArray[np.int64]

    def joined(self, other: "Counts") -> "Counts":
        """Return the counts of both."""
        totals, stages = (np.concatenate(pair) for pair in ((self.totals, other.totals), (self.stages, other.stages)))
        return Counts(self.unit, self.rate_hz, totals, stages)

    def histogram(self) -> dict[str, Any]:
        """Return the histogram of the totals as JSON values. `edges` has one value more than `counts`."""
        counts, edges = np.histogram(self.totals, bins=_BINS)
        return {"unit": self.unit, "edges": [round(float(edge)) for edge in edges], "counts": counts.tolist()}


@dataclass(frozen=True)
class RealTime:
    """The verdict on a board. usual: hops of recordings. all: with the hard ones. proof_hz: the clock to judge by.

    hop_s: the seconds of audio in a hop, which the board has for it.
    """

    usual: Counts
    all: Counts
    proof_hz: int
    hop_s: float

    @property
    def most(self) -> int:
        """The total of the costliest hop."""
        return int(self.all.totals.max())

    @property
    def deadline_share(self) -> float:
        """The costliest hop's share of its time, at the clock that the board runs at."""
        return self.most / (self.all.rate_hz * self.hop_s)

    @property
    def proof_share(self) -> float:
        """The costliest hop's share of its time at `proof_hz`. Up to 1 is real time."""
        return self.most / (self.proof_hz * self.hop_s)

    @property
    def needed_mhz(self) -> float:
        """The clock at which the costliest hop is done in its time, were each instruction a cycle."""
        return self.most / self.hop_s / 1e6

    def to_dict(self) -> dict[str, Any]:
        """Return the mean of the usual hops and the maximum of all, for each stage and the hop, and the shares."""
        of_stages: dict[str, Any] = {
            name: {"mean": round(float(mean)), "max": int(most)}
            for name, mean, most in zip(
                STAGES, self.usual.stages.mean(axis=0), self.all.stages.max(axis=0), strict=True
            )
        }
        return {
            **of_stages,
            "hop": {"mean": round(float(self.usual.totals.mean())), "max": self.most},
            "hop_ms": 1000 * self.hop_s,
            "deadline_share": round(self.deadline_share, 4),
            "core_hz": self.all.rate_hz,
            "proof_hz": self.proof_hz,
            "proof_share": round(self.proof_share, 4),
            "unit": self.all.unit,
            "hops": len(self.all.totals),
        }


def count_streams(client: BoardClient, board: Board, streams: Iterable[npt.NDArray[np.int16]]) -> Counts:
    """Count the cost of each hop of `streams` (int16 whole hops): instructions on a virtual board, ticks on a real one.

    A virtual board must have been started with ICOUNT_SHIFT.
    """
    if board.qemu_machine is None:
        return count_ticks(client, streams)
    totals, stages = _counted(client, streams, ticks_per_instruction(client))
    return Counts("instructions", client.board.core_hz, totals, stages)


def count_ticks(client: BoardClient, streams: Iterable[npt.NDArray[np.int16]]) -> Counts:
    """Count the ticks of each hop of `streams` (int16 whole hops): cycles, where the counter runs with the core."""
    hello = client.board
    totals, stages = _counted(client, streams, Fraction(1))
    return Counts("cycles" if hello.tick_hz == hello.core_hz else "ticks", hello.tick_hz, totals, stages)


def _counted(
    client: BoardClient, streams: Iterable[npt.NDArray[np.int16]], ratio: Fraction
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    counted = [count_hops(client, stream, ratio) for stream in streams]
    totals, stages = zip(*counted, strict=True)
    return np.concatenate(totals), np.concatenate(stages)


def judge(board: Board, geometry: Geometry, usual: Counts, hard: Iterable[Counts]) -> RealTime:
    """Return the verdict on a board. usual: the counts of recordings. hard: the counts of all other signals."""
    everything = usual
    for each in hard:
        everything = everything.joined(each)
    return RealTime(usual, everything, board.proof_hz or usual.rate_hz, geometry.hop_s)
