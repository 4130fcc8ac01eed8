# SPDX-License-Identifier: Apache-2.0
"""The networks that the paper compares with, by name and size; this module does not need PyTorch."""

import re
from dataclasses import dataclass
from typing import Any

from blsh_trainer.errors import BlshError
from blsh_trainer.extras import require
from blsh_trainer.signals.spectra import BINS
from blsh_trainer.suggestions import unknown

FC, BILSTM, CONV_TASNET = "fc", "bilstm", "conv-tasnet"
_NAME = re.compile(rf"({FC}|{BILSTM}|{CONV_TASNET})-([1-9]\d{{0,3}})x([1-9]\d{{0,4}})")


@dataclass(frozen=True)
class Architecture:
    """A kind of network and its two sizes.

    `layers` and `units` are the hidden layers and the units of each layer, for "bilstm" in each direction; for
    "conv-tasnet" they are the repeats and the blocks of each repeat.
    """

    kind: str
    layers: int
    units: int

    @property
    def name(self) -> str:
        """The name, such as "fc-3x1024", "bilstm-2x32" or "conv-tasnet-3x8"."""
        return f"{self.kind}-{self.layers}x{self.units}"

    @property
    def is_mask(self) -> bool:
        """Whether the network maps magnitudes to masks, not samples to samples."""
        return self.kind != CONV_TASNET


PAPER_SIZES_MB = {
    "fc-3x1024": 12.61,
    "fc-3x256": 1.58,
    "fc-3x64": 0.30,
    "fc-3x32": 0.14,
    "fc-2x1024": 8.41,
    "fc-2x256": 1.32,
    "fc-2x64": 0.28,
    "fc-2x32": 0.14,
    "bilstm-2x1024": 155.36,
    "bilstm-2x256": 13.68,
    "bilstm-2x64": 1.85,
    "bilstm-2x32": 0.79,
    "conv-tasnet-3x8": 19.94,
}
"""The networks of Table I and their sizes there, in MB at 4 bytes a parameter."""


def architecture(name: str) -> Architecture:
    """Return the architecture called `name`, one of the paper's or of other sizes. BlshError for another name."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise BlshError(f"architecture {name!r} {unknown(name, PAPER_SIZES_MB)}, or other sizes")
    return Architecture(found[1], int(found[2]), int(found[3]))


def require_torch() -> Any:
    """Return the module torch. BlshError where it is not installed."""
    require("torch")
    import torch

    return torch


def dense_parameters(chosen: Architecture) -> int:
    """Return the number of a mask network's weights and biases, with batch norms folded, without building it."""
    wide, bins = chosen.units, BINS
    if chosen.kind == FC:
        inner = (chosen.layers - 1) * (wide * wide + wide)
        return bins * wide + wide + inner + wide * bins + bins
    widths = [bins] + [2 * wide] * (chosen.layers - 1)
    cells = sum(2 * (4 * wide * (width + wide) + 8 * wide) for width in widths)
    return cells + 2 * wide * bins + bins
