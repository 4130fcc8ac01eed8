# SPDX-License-Identifier: Apache-2.0
"""Call the C core of this machine in place of a board: no protocol, no process, and a new model in milliseconds."""

import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from blsh_codegen.host_core import HostCore
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.spec.stages import STAGES
from blsh_hil.link.hops import HopReply
from blsh_hil.wire.codes import Integrity
from blsh_hil.wire.protocol import ATTENUATION_OF_MODEL


class CoreClient:
    """A stand-in for a board that answers `compare` by `HostCore`. library: the core, compiled with other flags."""

    def __init__(self, model: IntegerModel, library: Path | None = None) -> None:
        self.core = HostCore(model, library)
        self._hops = 0

    def reset_stream(self) -> None:
        """Start a stream."""
        self.core.reset()
        self._hops = 0

    def hop(
        self,
        samples: npt.NDArray[np.int16],
        *,
        digests: bool = False,
        dump_stage: int | None = None,
        attenuation: int = ATTENUATION_OF_MODEL,
    ) -> HopReply:
        """Denoise a hop, int16 (H,). attenuation: the limit in this hop, see HopRequest."""
        self.core.set_attenuation(self.core.model.attenuation if attenuation == ATTENUATION_OF_MODEL else attenuation)
        vectors = self.core.hop(samples)
        stages = [vectors.stage_bytes(index) for index in range(len(STAGES))]
        self._hops += 1
        return HopReply(
            hop=self._hops - 1,
            ticks=0,
            samples=vectors.output,
            digests=tuple(map(zlib.crc32, stages)) if digests else None,
            stage_ticks=None,
            stage_bytes=None if dump_stage is None else stages[dump_stage],
            integrity=Integrity(0),
            activity=vectors.activity,
            reduction_db=vectors.reduction_db,
        )
