# SPDX-License-Identifier: Apache-2.0
"""Estimate the needs of a model on a board before anything is built: flash, RAM, stack and instructions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.measured_costs import BoardSizes, CoreCosts
from blsh_codegen.cost.stage_work import signal_codes, stage_work
from blsh_codegen.emit.generate import flash_table_bytes, own_limits
from blsh_codegen.model.entry_order import planes_of
from blsh_codegen.model.quantise import IntegerModel, MaskIntegers
from blsh_codegen.spec.c_structs import board_bytes, model_struct, state_struct
from blsh_codegen.spec.constants import BLOCK
from blsh_codegen.spec.stages import STAGES


@dataclass(frozen=True)
class Estimate:
    """The needs of a model on a board.

    flash_bytes, ram_bytes: the image's, as its sections will say, without the stack. tables: bytes of flash of each
    table, by name. state_bytes: the part of the RAM that holds the stream's state. stack_bytes: the most that will be
    in use. instructions: mean of a hop over a signal; worst: the most of any hop in it; stages: mean of each stage.
    """

    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    tables: dict[str, int]
    state_bytes: int
    instructions: float
    worst: float
    stages: dict[str, float]
    hops_per_second: float

    @property
    def millions_per_second(self) -> float:
        """Millions of instructions for a second of audio."""
        return self.instructions * self.hops_per_second / 1e6

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            "flash_bytes": self.flash_bytes,
            "ram_bytes": self.ram_bytes,
            "stack_bytes": self.stack_bytes,
            "table_bytes": self.tables,
            "state_bytes": self.state_bytes,
            "instructions": {
                "mean": round(self.instructions),
                "maximum": round(self.worst),
                "millions_per_second": round(self.millions_per_second, 3),
                "stages": {stage: round(count) for stage, count in self.stages.items()},
            },
        }


def estimate(model: IntegerModel, core: CoreCosts, board: BoardSizes, samples: npt.NDArray[np.int16]) -> Estimate:
    """Estimate the needs of `model` on this core and board.

    samples: int16, whole hops; the instructions are those of denoising them.
    Raises BlshError where costs.json lacks a cost.
    """
    codes = signal_codes(model, samples)
    by_stage = {stage: core.of(stage, work) for stage, work in stage_work(model, codes, core.lanes).items()}
    hops = np.sum(list(by_stage.values()), axis=0)
    return Estimate(
        flash_bytes=board.code_bytes(model.kind, model.neighbours, model.geometry) + table_bytes(model),
        ram_bytes=board.variable_bytes(model.geometry) + state_bytes(model),
        stack_bytes=board.stack_bytes,
        tables=flash_table_bytes(model),
        state_bytes=state_bytes(model),
        instructions=float(hops.mean()),
        worst=float(hops.max()),
        stages={stage: float(by_stage[stage].mean()) for stage in STAGES},
        hops_per_second=model.geometry.hops_per_second,
    )


def table_bytes(model: IntegerModel) -> int:
    """Return the bytes of flash that is generated for `model`: its tables, the struct that points to them, its name."""
    name = -(-(len(model.name.encode()) + 1) // 4) * 4
    return sum(-(-size // 4) * 4 for size in flash_table_bytes(model).values()) + board_bytes(model_struct) + name


def state_bytes(model: IntegerModel) -> int:
    """Return sizeof(blsh_state_t) on a board, compiled with the limits of `model` (blsh_limits.h)."""
    return board_bytes(state_struct, own_limits(model))


def shape_bytes(shape: MaskIntegers, entries: int) -> int:
    """Return `table_bytes` of a model like `shape` with `entries` entries, at most a few words too high.

    The size of the bounds depends on how tight the blocks are, which is known once the dictionary is made; here they
    have the most bits.
    """
    blocks = -(-entries // BLOCK)
    own = flash_table_bytes(shape)
    mask_words = int(shape.masks.shape[1])
    planes = planes_of(shape.bits)
    rows = shape.bits.bit_length() + planes  # a radius has at most the bits of a code's length
    words = blocks * planes + -(-blocks // BLOCK) * rows + entries * mask_words
    return table_bytes(shape) - own["planes"] - own["bounds"] - own["masks"] + 4 * words
