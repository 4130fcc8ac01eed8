# SPDX-License-Identifier: Apache-2.0
"""Compare a board with the integer reference: first by digests of every stage of every hop, then by values."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.stages import STAGES, HopVectors, stage_values
from blsh_hil.link.hops import HopReply
from blsh_hil.wire.protocol import ATTENUATION_OF_MODEL
from blsh_trainer.progress import Progress

READ_BACK: Final = 64
"""The most hops of a differing stage whose values are read back: a board that is all wrong would take hours."""


TOLD: Final = {"activity": "mask", "reduction_db": "output"}
"""What a hop tells beside its stages, and the stage that each is made of: it is compared with that one."""


class HopSource(Protocol):
    """A source of hops to compare: a board (`BoardClient`), or the core called directly (`CoreClient`)."""

    def reset_stream(self) -> None: ...

    def hop(
        self,
        samples: npt.NDArray[np.int16],
        *,
        digests: bool = False,
        dump_stage: int | None = None,
        attenuation: int = ATTENUATION_OF_MODEL,
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
    told: the hops whose activity or reduction differs, and how. first: the first difference of the earliest stage in
    the earliest hop that differs; of `told` where no stage does. output: the board's output, int16 (n,), late by the
    model's lag.
    """

    hops: int
    values: int
    mismatches: dict[str, int]
    told: list[Difference]
    first: Difference | None
    output: npt.NDArray[np.int16] = field(repr=False)

    @property
    def exact(self) -> bool:
        """Whether no value of any stage differs, and none that hops tell."""
        return self.differences == 0

    @property
    def differences(self) -> int:
        """The number of values that differ, of all compared stages and of what hops tell; at most READ_BACK hops."""
        return sum(self.mismatches.values()) + len(self.told)


def compare(
    client: HopSource,
    reference: VectorisedDenoiser,
    samples: npt.NDArray[np.int16],
    progress: Progress | None = None,
    stages: Sequence[str] = STAGES,
    limits: Sequence[int] | None = None,
) -> Comparison:
    """Send `samples`, int16 whole hops, through the board and compare `stages` of each hop with `reference`.

    Every hop's digests are compared first. Where they differ, the stream is sent again and the differing stage is read
    back, so that `mismatches` counts values and `first` names one. limits: that of attenuation in each hop, 0 to 60 dB
    or ATTENUATION_OFF; the model's own in all where there are none.
    """
    stream = _Stream(client, reference, samples, limits)
    differing: dict[str, list[int]] = {stage: [] for stage in stages}
    told: list[Difference] = []
    output = np.empty(len(samples), np.int16)
    length = reference.model.geometry.hop
    values = 0

    def check_digests(t: int, wanted: HopVectors, hop: Hop) -> None:
        nonlocal values
        reply = client.hop(hop.samples, digests=True, attenuation=hop.limit)
        output[t * length : (t + 1) * length] = reply.samples
        for index, (expected, actual) in enumerate(zip(wanted.digests(), reply.digests or (), strict=True)):
            if STAGES[index] in differing:
                values += wanted.stage(index).size
                if expected != actual:
                    differing[STAGES[index]].append(t)
        for name, stage in TOLD.items():
            expected, actual = getattr(wanted, name), getattr(reply, name)
            if stage in differing and expected != actual:
                told.append(Difference(name, t, 0, expected, actual))

    hops = stream.visit(check_digests, progress, "comparing")
    differing = {stage: found[:READ_BACK] for stage, found in differing.items() if found}
    mismatches, first = dict.fromkeys(STAGES, 0), told[0] if told else None
    if differing:
        mismatches, first = _count_values(stream, differing)
    return Comparison(hops, values, mismatches, told, first, output)


def _count_values(stream: "_Stream", differing: dict[str, list[int]]) -> tuple[dict[str, int], Difference | None]:
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
            vectors: HopVectors,
            hop: Hop,
            index: int = index,
            stage: str = stage,
            wanted: set[int] = wanted,
        ) -> None:
            dumped = index if t in wanted else None
            reply = stream.client.hop(hop.samples, dump_stage=dumped, attenuation=hop.limit)
            if t not in wanted:
                return
            expected = vectors.stage(index).astype(np.int64)
            actual = stage_values(index, reply.stage_bytes or b"").astype(np.int64)
            if len(actual) != len(expected):
                counts[stage] += len(expected)
                return
            places = np.flatnonzero(expected != actual)
            counts[stage] += max(len(places), 1)  # a digest differed: never report 0, even if the values do not
            if len(places):
                at = int(places[0])
                found.append(Difference(stage, t, at, int(expected[at]), int(actual[at])))

        stream.visit(read_back, None, "reading back", last + 1)
    first = min(found, key=lambda d: (d.hop, STAGES.index(d.stage)), default=None)
    return counts, first


@dataclass(frozen=True)
class Hop:
    """A hop to be done: int16 (H,), and its limit of attenuation as HOP has it."""

    samples: npt.NDArray[np.int16]
    limit: int


@dataclass(frozen=True)
class _Stream:
    """Hops that are done by a board and computed by the reference; limits as of `compare`."""

    client: HopSource
    reference: VectorisedDenoiser
    samples: npt.NDArray[np.int16]
    limits: Sequence[int] | None

    def visit(
        self,
        visit: Callable[[int, HopVectors, Hop], None],
        progress: Progress | None,
        what: str,
        most: int | None = None,
    ) -> int:
        """Start a stream; call visit(t, what the reference has for hop t, the hop) for each; return their number.

        most: of hops, None for all.
        """
        self.client.reset_stream()
        hops = self.samples.reshape(-1, self.reference.model.geometry.hop)[:most]
        limits = [ATTENUATION_OF_MODEL] * len(hops) if self.limits is None else self.limits
        for t, vectors in enumerate(self._vectors(len(hops))):
            visit(t, vectors, Hop(hops[t], limits[t]))
            if progress is not None:
                progress(what, t + 1, len(hops))
        return len(hops)

    def _vectors(self, hops: int) -> Iterator[HopVectors]:
        samples = self.samples[: hops * self.reference.model.geometry.hop]
        for part in self.reference.chunks(samples, None if self.limits is None else self.limits[:hops]):
            yield from (part.hop(row) for row in range(len(part.output)))


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
        case "activity" | "reduction_db":
            return "of the whole hop"
        case _:
            return f"sample {position}"
