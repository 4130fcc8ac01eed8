# SPDX-License-Identifier: Apache-2.0
"""The report of the frontier: a table of the best point of each budget, pictures, and the bars."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.evaluation.bootstrap import MeanInterval, mean_interval
from blsh_trainer.experiments.drawing import Axes, Curve, draw_curves
from blsh_trainer.experiments.report_files import Report
from blsh_trainer.experiments.settings import FirmwareCost, Settings
from blsh_trainer.experiments.verdict import Bar, state

KIB = 1024
CHOSEN, PLAIN, EQUAL = "chosen layout", "plain layout", "plain layout, equal training"
METRIC = "si_sdr_db"
_MARGIN_DB = 0.3
_AT, _LARGER = 256 * KIB, 1024 * KIB


@dataclass(frozen=True)
class Point:
    """One way to spend a budget: a layout's code length, entries and masks, and the bytes of flash that they take."""

    system: str
    feature_kind: str
    bits: int
    entries: int
    mask_kind: str
    bytes: int

    @property
    def description(self) -> str:
        """The point in words."""
        return f"{self.feature_kind}, L = {self.bits}, {self.entries:,} entries, {self.mask_kind}"


@dataclass(frozen=True)
class Winner:
    """The point that won on `valid` at a budget, and its cost.

    `valid_gains` and `test_gains` are its improvements (seeds, mixtures) on the two splits.
    """

    budget: int
    point: Point
    valid_gains: FloatArray = field(repr=False)
    test_gains: FloatArray = field(repr=False)
    cost: FirmwareCost

    @cached_property
    def valid(self) -> MeanInterval:
        """The mean improvement on `valid`."""
        return mean_interval(self.valid_gains)

    @cached_property
    def test(self) -> MeanInterval:
        """The mean improvement on `test`."""
        return mean_interval(self.test_gains)

    def cells(self) -> list[str]:
        """Return the winner's line of the table for people."""
        point, valid, test = self.point, self.valid, self.test
        line = [
            str(self.budget // KIB),
            point.system,
            point.description,
            f"{point.bytes / KIB:.1f}",
            f"{valid.mean:+.2f}",
        ]
        line.append(f"{test.mean:+.2f} ({test.low:+.2f} to {test.high:+.2f})")
        line += [f"{millions:.1f}" for millions in self.cost.millions_per_second.values()]
        return [*line, f"{self.cost.ram_bytes:,}"]

    def row(self) -> list[Any]:
        """Return the winner's line of the table for programs."""
        point = self.point
        parts = (point.feature_kind, point.bits, point.entries, point.mask_kind, point.bytes)
        figures = map(repr, (self.valid.mean, self.test.mean, self.test.low, self.test.high))
        costs = (*self.cost.millions_per_second.values(), self.cost.ram_bytes)
        return [self.budget, point.system, *parts, *figures, *costs]

    def to_dict(self) -> dict[str, Any]:
        """Return the winner as JSON values."""
        gains = {"valid": self.valid.to_dict(), "test": self.test.to_dict()}
        return {"budget": self.budget, **asdict(self.point), **gains, "cost": asdict(self.cost)}


def frontier_report(winners: Mapping[str, Sequence[Winner]], settings: Settings, seeds: int, board: str) -> Report:
    """Return the report of the `winners` of each layout; flash and RAM are those of `board`."""
    bars = list(_bars(winners))
    every = [winner for of in winners.values() for winner in of]
    cores = list(every[0].cost.millions_per_second)
    header = ["flash, KiB", "layout", "what won on valid", "KiB taken", "valid, dB", "test, dB"]
    header += [*(f"M/s on {core}" for core in cores), "RAM, bytes"]
    columns = ["budget_bytes", "layout", "features", "bits", "entries", "masks", "bytes"]
    columns += ["valid_db", "test_db", "low", "high", *(f"{core}_mips" for core in cores), "ram_bytes"]
    verdicts = [f"{bar.what}: {bar.told}, {state(bar)}" for bar in bars]
    notes = [*_notes(settings, seeds, board), *verdicts]
    return Report(
        name="frontier",
        title="Quality per byte of flash",
        command=settings.command,
        finding=f"{sum(bar.met is True for bar in bars)} of {len(bars)} bars met; {'; '.join(verdicts)}",
        notes=notes,
        header=header,
        rows=[winner.cells() for winner in every],
        table=[columns, *(winner.row() for winner in every)],
        data={
            "bars": [{**asdict(bar), "state": state(bar)} for bar in bars],
            "board": board,
            "corpus_sha256": settings.corpus.sha256,
            "points": [winner.to_dict() for winner in every],
            "seeds": seeds,
        },
        draw=partial(_draw, _panels(winners, cores), f"{settings.command}\n{notes[0]}"),
        brief=(0, 1, 2, 5),
        tabled=True,
    )


def _bars(winners: Mapping[str, Sequence[Winner]]) -> Iterator[Bar]:
    at = {name: {winner.budget: winner.test_gains for winner in of} for name, of in winners.items()}
    for rival in (PLAIN, EQUAL):
        for budget, margin in ((_AT, _MARGIN_DB), (_LARGER, 0.0)):
            what = f"at {_AT // KIB} KiB at least {margin:g} dB above the {rival} at {budget // KIB} KiB"
            over = mean_interval(at[CHOSEN][_AT] - at[rival][budget])
            told = f"{over.mean:+.2f} dB ({over.low:+.2f} to {over.high:+.2f})"
            yield Bar(what, told, over.mean >= margin, over.to_dict())


def _notes(settings: Settings, seeds: int, board: str) -> list[str]:
    return [
        f"SI-SDR improvement on at most {settings.count} mixtures of each split at 0 dB; {seeds} seeds of training and "
        "dictionary; 95 % intervals bootstrapped over seeds and mixtures. Each is the best of its layout on valid.",
        f"Flash, RAM with the stack, and instructions (not cycles) in millions for a second of audio are "
        f"`blsh estimate`'s for the first seed's model, server included; flash and RAM are those on {board}. The plain "
        "layouts keep their entries as drawn. Scores are those of the floating-point engine.",
        f"{CHOSEN}: prefixes of one artifact of `blsh train` per seed: learned codes and masks of 80 bands. "
        f"{PLAIN}: the paper's system with the default learner, IBMs of drawn frames, mel or stft, L of "
        f"{', '.join(map(str, settings.sizes.frontier_lengths))}. {EQUAL}: the extended system's mixtures, features, "
        "learner, K and smoothing with IBMs of drawn frames.",
    ]


def _panels(winners: Mapping[str, Sequence[Winner]], cores: Sequence[str]) -> dict[str, list[Curve]]:
    """Return the curves over the flash: the improvement, the instructions on each core, the RAM."""
    panels: dict[str, list[Curve]] = {"test, 0 dB": []}
    panels |= {f"instructions on {core}": [] for core in cores}
    panels["RAM and stack, server included"] = []
    for name, of in winners.items():
        places = np.array([winner.budget / KIB for winner in of])
        values = [np.array([winner.test.mean for winner in of])]
        values += [np.array([winner.cost.millions_per_second[core] for winner in of]) for core in cores]
        values.append(np.array([winner.cost.ram_bytes / KIB for winner in of]))
        spreads = [np.array([winner.test.deviation for winner in of]), *[None] * (len(cores) + 1)]
        for curves, heights, spread in zip(panels.values(), values, spreads, strict=True):
            curves.append(Curve(name, places, heights, spread))
    return panels


def _draw(panels: Mapping[str, Sequence[Curve]], footer: str, path: Path) -> None:
    units = ["improvement of the SI-SDR, dB", *["million a second"] * (len(panels) - 2), "KiB"]
    draw_curves(panels, path, footer, Axes("flash in all, KiB", units, one_scale=False))
