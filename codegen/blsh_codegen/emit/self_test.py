# SPDX-License-Identifier: Apache-2.0
"""Make the self-test of a model image: noise to try a new model with, and what has to come out (SPEC.md, 11)."""

import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser
from blsh_codegen.spec.stages import STAGES

SELF_TEST_HOPS: Final = 6
_LCG = (1664525, 1013904223)


def self_test_signal(hop: int) -> npt.NDArray[np.int16]:
    """Return the noise that a board tries a new model of this hop with, int16 (SELF_TEST_HOPS * hop,)."""
    samples, noise = [], 0
    for _ in range(SELF_TEST_HOPS * hop):
        noise = (noise * _LCG[0] + _LCG[1]) & 0xFFFFFFFF
        samples.append(noise >> 16)
    return np.array(samples, np.uint16).view(np.int16)


def self_test_crc32(model: IntegerModel) -> int:
    """Return the CRC-32 of all stages of all hops of the self-test, in order, as the reference computes them."""
    crc = 0
    for vectors in VectorisedDenoiser(model).chunks(self_test_signal(model.geometry.hop)):
        for row in range(len(vectors.output)):
            hop = vectors.hop(row)
            for stage in range(len(STAGES)):
                crc = zlib.crc32(hop.stage_bytes(stage), crc)
    return crc
