# SPDX-License-Identifier: Apache-2.0
"""Estimate the needs of a model on a board."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blsh_codegen.cost.planning import Plan
from blsh_codegen.emit.generate import GenerateOptions
from blsh_hil.boards.board import Board
from blsh_hil.boards.table import find_board
from blsh_tools.options.board_budgets import planned, say_plan
from blsh_tools.options.model import PlanOptions
from blsh_trainer.model.artifact import AnyModel, load_model


@dataclass(frozen=True)
class BoardEstimate:
    """The needs of `model` on `board` under `options`; plan holds the figures, and why the size was chosen."""

    board: Board
    model: AnyModel
    options: GenerateOptions
    plan: Plan

    @property
    def cpu_share(self) -> float:
        """The share of the core's clock that the mean hop takes, were each instruction one cycle."""
        return self.plan.estimate.instructions * self.model.geometry.hops_per_second / self.board.clock_hz

    @property
    def cpu_share_most(self) -> float:
        """The share of the core's clock that the dearest hop takes, were each instruction one cycle."""
        return self.plan.estimate.worst * self.model.geometry.hops_per_second / self.board.clock_hz

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            "board": self.board.name,
            "core": self.board.core,
            "clock_hz": self.board.clock_hz,
            "model": self.model.name,
            "model_sha256": self.model.sha256,
            "options": asdict(self.options),
            "plan": self.plan.to_dict(),
            "cpu_share": round(self.cpu_share, 4),
            "cpu_share_most": round(self.cpu_share_most, 4),
            **self.plan.estimate.to_dict(),
        }


def estimate_model(path: Path, wanted: PlanOptions) -> BoardEstimate:
    """Estimate the artifact at `path` on the board that `wanted` names. Raises BlshError as `planned` does."""
    assert wanted.board is not None
    board, model = find_board(wanted.board), load_model(path)
    options, plan = planned(model, wanted)
    assert plan is not None  # the options name a board
    if len(plan.candidates) > 1:
        say_plan(plan)
    return BoardEstimate(board, model, options, plan)
