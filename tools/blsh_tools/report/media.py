# SPDX-License-Identifier: Apache-2.0
"""Sound and pictures as data URLs, which the page holds in itself."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_tools.audio.engines import Samples
from blsh_tools.audio.wav_output import wav_bytes
from blsh_trainer.plotting import image_png
from blsh_trainer.signals.audio import from_int16
from blsh_trainer.signals.geometry import Geometry
from blsh_trainer.signals.spectra import stft

RANGE_DB: Final = 70.0
_COLOURS: Final = 32
_MOST_ROWS: Final = 128
_MOST_COLUMNS: Final = 256


def wav_url(samples: Samples, rate_hz: int) -> str:
    """Return samples as a WAV file, mono, 16 bits."""
    return _url("audio/wav", wav_bytes(samples, rate_hz))


def spectrogram_urls(sounds: Mapping[str, Samples], geometry: Geometry) -> dict[str, str]:
    """Return a PNG of the spectrogram of each sound, time to the right, frequency up.

    All have one scale, whose darkest colour is RANGE_DB below the loudest cell of all.
    """
    levels = {name: _levels(samples, geometry) for name, samples in sounds.items()}
    loudest = max(float(level.max()) for level in levels.values())
    return {name: _png(level, loudest) for name, level in levels.items()}


def _levels(samples: Samples, geometry: Geometry) -> npt.NDArray[np.float64]:
    """Return levels in dB, (frequencies, times): of cells of some bins and some hops."""
    power = np.abs(stft(from_int16(samples), geometry)) ** 2
    bins, hops = -(-(geometry.bins - 1) // _MOST_ROWS), -(-len(power) // _MOST_COLUMNS)
    power = power[: len(power) // hops * hops, : (geometry.bins - 1) // bins * bins]
    cells = power.reshape(len(power) // hops, hops, -1, bins).mean(axis=(1, 3))
    found: npt.NDArray[np.float64] = 10 * np.log10(cells.T + 1e-18)
    return found


def _png(levels: npt.NDArray[np.float64], loudest: float) -> str:
    return _url("image/png", image_png(np.clip((levels - loudest) / RANGE_DB + 1, 0, 1), _COLOURS))


def _url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"
