# SPDX-License-Identifier: Apache-2.0
"""The options of the page about a model."""

from dataclasses import dataclass
from pathlib import Path

from blsh_tools.options.model import PlanOptions


@dataclass(frozen=True)
class ReportOptions:
    """The options of the page.

    model: the artifact. wanted: its size and the board, which is named. corpus: recordings to hear and to score on;
    None: a synthetic one. scores: a file of `blsh evaluate -o`. device: one of DEVICES, None to choose. port: of a
    running board. mixtures: to score a model on that has no scores. reports: where `blsh hil` leaves its reports.
    seed: of every draw. jobs: processes that score (None: one for each core).
    """

    model: Path
    wanted: PlanOptions
    corpus: Path | None
    scores: Path | None
    device: str | None
    port: str | None
    mixtures: int
    reports: Path
    seed: int = 0
    jobs: int | None = None
