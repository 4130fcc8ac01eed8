# SPDX-License-Identifier: Apache-2.0
"""Make signals that are hard on fixed-point code, for tests of any implementation of the pipeline."""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]
Generator = np.random.Generator


def _speech_like(n: Samples, rng: Generator) -> Samples:
    return np.sin(n * 0.05) * np.sin(n * 0.0007) * rng.normal(1, 0.3, len(n)) * 12000


_SIGNALS: Final[dict[str, Callable[[Samples, Generator], Samples]]] = {
    "silence": lambda n, _: 0 * n,
    "full_scale": lambda n, _: 0 * n + 32767,
    "negative_full_scale": lambda n, _: 0 * n - 32768,
    "alternating_full_scale": lambda n, _: np.where(n % 2, 32767.0, -32768.0),
    "one_step": lambda n, rng: rng.integers(-1, 2, len(n)).astype(np.float64),
    "single_one": lambda n, _: (n == len(n) // 2).astype(np.float64),
    "constant": lambda n, _: 0 * n + 1234,
    "square_wave": lambda n, _: np.where(n // 37 % 2, 32767.0, -32768.0),
    "white_noise": lambda n, rng: rng.integers(-32768, 32768, len(n)).astype(np.float64),
    "quiet_tone": lambda n, _: 3 * np.sin(n * 0.3),
    "loud_tone": lambda n, _: 32767 * np.sin(n * 0.3),
    "click": lambda n, _: np.where(n == min(700, len(n) // 2), -32768.0, 0.0),
    "speech_like": _speech_like,
    "starts_mid_word": lambda n, rng: np.where(n < len(n) // 2 + 17, 0.0, _speech_like(n, rng)),
}

EDGE_SIGNALS: Final = tuple(_SIGNALS)


def edge_signal(name: str, samples: int, rng: Generator) -> npt.NDArray[np.int16]:
    """Return the signal `name` of EDGE_SIGNALS, int16 (samples,). rng: of its random part, if it has one."""
    signal = _SIGNALS[name](np.arange(samples, dtype=np.float64), rng)
    return np.clip(np.floor(signal + 0.5), -32768, 32767).astype(np.int16)
