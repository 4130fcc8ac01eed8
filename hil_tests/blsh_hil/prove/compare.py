# SPDX-License-Identifier: Apache-2.0
"""Compare a board with the integer reference: first by digests of every stage of every hop, then by values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from blsh_codegen.pipeline.vectorised import VectorisedDenoiser, Vectors
from blsh_codegen.spec.stages import STAGES, stage_values
from blsh_hil.link.hops import HopReply
from blsh_trainer.progress import Progress

READ_BACK: Final = 64
"""The most hops of a differing stage whose values are read back: a board that is all wrong would take hours."""


class HopSource(Protocol):
    """A source of hops to compare: a board (`BoardClient`), or the core called directly (`CoreClient`)."""

    def reset_stream(self) -> None: ...

    def hop(
        self, samples: npt.NDArray[np.int16], *, digests: bool = False, dump_stage: int | None = None
    ) -> HopReply: ...


@dataclass(frozen=True)
class Difference:
    """The first value in which the board differs: where it is, and both values."""

    stage: str
    hop: int
    position: int
    expected: int
    actual: int

    def __str__(self) -> str:
        return f"{self.stage}: hop {self.hop}, {_place(self)}: expected {self.expected}, board {self.actual}"


@dataclass
class Comparison:
    """The outcome of comparing a recording.

    hops: how many hops were compared. values: how many values, of all compared stages. mismatches: how many values of
    each stage differ, counted in the first READ_BACK hops in which the stage differs; all 0 if the board is right.
    first: the first difference of the earliest stage in the earliest hop that differs. output: the board's output,
    int16 (n,), late by the model's lag.
    """

    hops: int
    values: int
    mismatches: dict[str, int]
    first: Difference | None
    output: npt.NDArray[np.int16]

    @property
    def exact(self) -> bool:
        """Whether no value of any stage differs."""
        return not any(self.mismatches.values())


def compare(
    client: HopSource,
    reference: VectorisedDenoiser,
    samples: npt.NDArray[np.int16],
    progress: Progress | None = None,
    stages: Sequence[str] = STAGES,
) -> Comparison:
    """Send `samples`, int16 whole hops, through the board and compare `stages` of each hop with `reference`.

    Every hop's digests are compared first. Where they differ, the stream is sent again and the differing stage is read
    back, so that `mismatches` counts values and `first` names one.
    """
    differing: dict[str, list[int]] = {stage: [] for stage in stages}
    output = np.empty(len(samples), np.int16)
    length = reference.model.geometry.hop
    values = 0

    def check_digests(t: int, vectors: Vectors, row: int, hop: npt.NDArray[np.int16]) -> None:
        nonlocal values
        reply = client.hop(hop, digests=True)
        output[t * length : (t + 1) * length] = reply.samples
        wanted = vectors.hop(row)
        for index, (expected, actual) in enumerate(zip(wanted.digests(), reply.digests or (), strict=True)):
            if STAGES[index] in differing:
                values += wanted.stage(index).size
                if expected != actual:
                    differing[STAGES[index]].append(t)

    hops = _each_hop(client, reference, samples, check_digests, progress, "comparing")
    differing = {stage: found[:READ_BACK] for stage, found in differing.items() if found}
    mismatches, first = dict.fromkeys(STAGES, 0), None
    if differing:
        mismatches, first = _count_values(client, reference, samples, differing)
    return Comparison(hops, values, mismatches, first, output)


def _count_values(
    client: HopSource,
    reference: VectorisedDenoiser,
    samples: npt.NDArray[np.int16],
    differing: dict[str, list[int]],
) -> tuple[dict[str, int], Difference | None]:
    """Read back every stage of every hop whose digest differed, one stage in each pass: a board dumps one at a time."""
    counts = dict.fromkeys(STAGES, 0)
    found: list[Difference] = []
    for index, stage in enumerate(STAGES):
        wanted = set(differing.get(stage, ()))
        if not wanted:
            continue
        last = max(wanted)

        def read_back(
            t: int,
            vectors: Vectors,
            row: int,
            hop: npt.NDArray[np.int16],
            index: int = index,
            stage: str = stage,
            wanted: set[int] = wanted,
        ) -> None:
            reply = client.hop(hop, dump_stage=index if t in wanted else None)
            if t not in wanted:
                return
            expected = vectors.hop(row).stage(index).astype(np.int64)
            actual = stage_values(index, reply.stage_bytes or b"").astype(np.int64)
            if len(actual) != len(expected):
                counts[stage] += len(expected)
                return
            places = np.flatnonzero(expected != actual)
            counts[stage] += max(len(places), 1)  # a digest differed: never report 0, even if the values do not
            if len(places):
                at = int(places[0])
                found.append(Difference(stage, t, at, int(expected[at]), int(actual[at])))

        _each_hop(
            client, reference, samples[: (last + 1) * reference.model.geometry.hop], read_back, None, "reading back"
        )
    first = min(found, key=lambda d: (d.hop, STAGES.index(d.stage)), default=None)
    return counts, first


def _each_hop(
    client: HopSource,
    reference: VectorisedDenoiser,
    samples: npt.NDArray[np.int16],
    visit: Callable[[int, Vectors, int, npt.NDArray[np.int16]], None],
    progress: Progress | None,
    what: str,
) -> int:
    """Start a stream; call visit(t, vectors, row of hop t in them, its samples) for each hop; return their number."""
    client.reset_stream()
    hops = samples.reshape(-1, reference.model.geometry.hop)
    t = 0
    for vectors in reference.chunks(samples):
        for row in range(len(vectors.output)):
            visit(t, vectors, row, hops[t])
            t += 1
            if progress is not None:
                progress(what, t, len(hops))
    return t


def _place(difference: Difference) -> str:
    """Return a position in a stage, in words."""
    position = difference.position
    match difference.stage:
        case "window":
            return "block shift" if position == 0 else f"sample {position - 1}"
        case "spectrum":
            return f"bin {position // 2}, {('real', 'imaginary')[position % 2]} part"
        case "features":
            return f"feature {position}"
        case "accumulators":
            return f"row {position}"
        case "code":
            return f"word {position}"
        case "neighbours":
            return f"neighbour {position // 2}, {('index', 'distance')[position % 2]}"
        case "mask":
            return f"bin {position}"
        case _:
            return f"sample {position}"
