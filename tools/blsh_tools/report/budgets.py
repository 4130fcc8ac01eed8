# SPDX-License-Identifier: Apache-2.0
"""What a model takes of a board: flash, RAM and instructions, estimated and, where it was built and run, measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blsh_codegen.project import project_data
from blsh_firmware.build.images import Image, built_image, elf_path
from blsh_hil.report.board_report import load_reports
from blsh_tools.bench.estimate_model import BoardEstimate
from blsh_trainer.errors import BlshError

BYTES, MILLIONS = "bytes", "million instructions a second"
_INSTRUCTIONS = "instructions"


@dataclass(frozen=True)
class Budget:
    """A need of the model, and the whole that the board has. unit: BYTES or MILLIONS.

    measured: the need as a build or a run found it; None where there is none of this model.
    """

    name: str
    unit: str
    used: float
    whole: float
    measured: float | None = None

    @property
    def share(self) -> float:
        """The share of the whole that is used."""
        return self.used / self.whole

    @property
    def words(self) -> str:
        """The need and the whole."""
        return f"{self.told(self.used)} of {self.told(self.whole)}"

    def told(self, value: float) -> str:
        """Return a value of this budget with its unit."""
        return f"{value / 1024:,.1f} KiB" if self.unit == BYTES else f"{value:,.1f} M/s"

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        measured = None if self.measured is None else round(self.measured, 3)
        figures = {"used": round(self.used, 3), "whole": round(self.whole, 3), "share": round(self.share, 4)}
        return {"name": self.name, "unit": self.unit, **figures, "measured": measured}


def budgets(found: BoardEstimate, reports: Path) -> list[Budget]:
    """Return flash, RAM and instructions of an estimate. reports: the folder where `blsh hil` leaves its reports."""
    needs, board = found.plan.estimate, found.board
    rate, clock = found.model.geometry.hops_per_second / 1e6, board.clock_hz / 1e6
    stack = needs.stack_bytes
    image, hop = _image_of(found), next(_measured_hops(found, reports), None)
    return [
        Budget("Flash", BYTES, needs.flash_bytes, board.flash.size, None if image is None else image.size.flash_bytes),
        Budget(
            "RAM with stack",
            BYTES,
            needs.ram_bytes + stack,
            board.ram.size,
            None if image is None else image.size.ram_bytes + stack,
        ),
        Budget(
            "Instructions, mean", MILLIONS, needs.millions_per_second, clock, None if hop is None else hop[0] * rate
        ),
        Budget(
            "Instructions, dearest hop", MILLIONS, needs.worst * rate, clock, None if hop is None else hop[1] * rate
        ),
    ]


def _image_of(found: BoardEstimate) -> Image | None:
    """Return the firmware of this model, in this size, that was built for the board; None where there is none."""
    project = project_data()
    if not elf_path(found.board, project).is_file():
        return None
    try:
        image = built_image(found.board, project)
    except (BlshError, OSError):
        return None  # nothing was built, or something else
    size = (image.record.model_sha256, image.record.dictionary_entries, image.record.bits)
    options = found.options
    wanted = (found.model.sha256, options.entries or found.model.entries, options.bits or found.model.bits)
    return image if size == wanted else None


def _measured_hops(found: BoardEstimate, reports: Path) -> Iterator[tuple[float, float]]:
    """Yield mean and most instructions of a hop from runs of the suite with this model on the board."""
    try:
        runs = load_reports(reports)
    except (BlshError, OSError):
        return  # the suite has not run
    entries = found.options.entries or found.model.entries
    for run in runs:
        told = [(each.get("model_sha256"), each.get("entries")) for each in run.hello.values()]
        if run.board == found.board.name and (found.model.sha256, entries) in told:
            yield from (load.hop for load in run.loads if load.hop is not None and load.unit == _INSTRUCTIONS)
