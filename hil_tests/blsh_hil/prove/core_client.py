# SPDX-License-Identifier: Apache-2.0
"""Call the C core of this machine in place of a board: no protocol, no process, and a new model in milliseconds."""

import zlib
from dataclasses import fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from blsh_codegen.host_core import HostCore
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.spec.stages import HopVectors
from blsh_hil.link.hops import HopReply
from blsh_hil.wire.codes import Integrity


class CoreClient:
    """A stand-in for a board that answers `compare` by `HostCore`. library: the core, compiled with other flags."""

    def __init__(self, model: IntegerModel, library: Path | None = None) -> None:
        self.core = HostCore(model, library)
        self._hops = 0

    def reset_stream(self) -> None:
        """Start a stream."""
        self.core.reset()
        self._hops = 0

    def hop(self, samples: npt.NDArray[np.int16], *, digests: bool = False, dump_stage: int | None = None) -> HopReply:
        """Denoise a hop, int16 (H,)."""
        vectors = self.core.hop(samples)
        stages = [vectors.stage_bytes(index) for index in range(len(fields(HopVectors)))]
        self._hops += 1
        return HopReply(
            hop=self._hops - 1,
            ticks=0,
            samples=vectors.output,
            digests=tuple(map(zlib.crc32, stages)) if digests else None,
            stage_ticks=None,
            stage_bytes=None if dump_stage is None else stages[dump_stage],
            integrity=Integrity(0),
        )
