# SPDX-License-Identifier: Apache-2.0
"""Model examples/audio/pdm.c in whole numbers, and the microphone in front of it."""

import importlib.util
from types import ModuleType

import numpy as np

from blsh_codegen.project import project_root

SOURCES = project_root() / "examples" / "audio"
RATE, ORDER, FULL_SCALE = 16_000, 5, 2**20


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SOURCES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TAPS_TOOL = tool("pdm_taps")
TAPS = TAPS_TOOL.design()


def shifted(values: np.ndarray, bits: int) -> np.ndarray:
    """Return values / 2^bits, rounded half up."""
    return values + (1 << bits >> 1) >> bits


def cic_taps(ratio: int) -> np.ndarray:
    """Return the impulse response of the CIC at the rate of the bits: five boxes convolved."""
    taps = np.ones(1, np.int64)
    for _ in range(ORDER):
        taps = np.convolve(taps, np.ones(ratio // 4, np.int64))
    return taps


def model(bits: np.ndarray, ratio: int, gain: int) -> np.ndarray:
    """Compute the same in whole numbers, by convolutions instead of sums and differences."""
    step, full = ratio // 4, (ratio // 4) ** ORDER
    padded = np.concatenate([np.tile([0, 1], ORDER * step // 2), bits]).astype(np.int64)
    sums = np.convolve(padded, cic_taps(ratio))[step - 1 : len(padded) : step][ORDER:]
    fast = shifted((sums - full // 2) * 2, (full // FULL_SCALE).bit_length() - 1)
    values = shifted(np.convolve(fast, TAPS)[3 : len(fast) : 4], 16)
    left, offset = np.zeros_like(values), 0
    for i, value in enumerate(values):
        left[i] = value - (offset + 128 >> 8)
        offset += left[i]
    return np.clip(shifted(left, 5 - gain), -32768, 32767).astype(np.int16)


def modulated(signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the bits of a second-order sigma-delta modulator: its error is shaped by (1 - z^-1)^2."""
    bits = np.zeros(len(signal), np.uint8)
    last = before = 0.0
    for i, (value, dither) in enumerate(
        zip(signal.tolist(), rng.uniform(-0.2, 0.2, len(signal)).tolist(), strict=True)
    ):
        wanted = value + 2 * last - before
        bits[i] = wanted + dither >= 0
        last, before = wanted - (1.0 if bits[i] else -1.0), last
    return bits


def tone(hertz: float, samples: int, ratio: int, amplitude: float = 0.5) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(samples * ratio) / (RATE * ratio))


def as_words(bits: np.ndarray) -> np.ndarray:
    """Return the bits as a receiver puts them: 16 to a word, the first in the highest place."""
    return np.packbits(bits).view(">u2").astype(np.uint16)
