# SPDX-License-Identifier: Apache-2.0
"""The signal that instructions are counted and estimated on."""

from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_trainer.signals.geometry import RECORDER, Geometry

MEASURED_HOPS: Final = 125
"""Hops of the signal that costs are measured on, and that a plan counts instructions on: two seconds of hops of 16 ms,
half a second of the shortest ones."""


def cost_signal(hops: int, geometry: Geometry = RECORDER) -> npt.NDArray[np.int16]:
    """Return `hops` hops of harmonics that glide and pause over noise, int16 (hops * H,); always the same."""
    n = np.arange(hops * geometry.hop) / geometry.rate_hz
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(5 * n)) / geometry.rate_hz
    voice = sum(np.sin(h * phase) / h for h in range(1, 20)) * np.maximum(0, np.sin(12 * n))
    noisy = 2000 * voice + 800 * np.random.default_rng(0).standard_normal(len(n))
    return np.clip(np.round(noisy), -32768, 32767).astype(np.int16)
