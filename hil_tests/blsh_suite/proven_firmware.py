# SPDX-License-Identifier: Apache-2.0
"""The firmware that a board is compared by: its integers, and what follows from them."""

from dataclasses import dataclass
from functools import cached_property

from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_hil.boards.session import Expected
from blsh_trainer.signals.geometry import Geometry


@dataclass(frozen=True)
class ProvenFirmware:
    """The firmware on a board. model: its integers. expected: what HELLO must say."""

    model: IntegerModel
    expected: Expected

    @property
    def geometry(self) -> Geometry:
        """The geometry of the model."""
        return self.model.geometry

    @cached_property
    def reference(self) -> VectorisedDenoiser:
        """The integer reference of the model."""
        return VectorisedDenoiser(self.model)
