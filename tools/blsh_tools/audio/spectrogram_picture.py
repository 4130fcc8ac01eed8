# SPDX-License-Identifier: Apache-2.0
"""Draw spectrograms of recordings, one above the other, into one PNG."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from blsh_trainer.files import replacing
from blsh_trainer.plotting import new_figure
from blsh_trainer.signals.geometry import Geometry
from blsh_trainer.signals.spectra import stft

_RANGE_DB = 70.0


def draw_spectrograms(
    recordings: Mapping[str, npt.NDArray[np.float64]], geometry: Geometry, path: Path, seconds: float = 10.0
) -> None:
    """Write a PNG with a spectrogram of the first `seconds` of each recording (samples in [-1, 1)), by title.

    geometry: of the frames, at the rate of the recordings. All share one colour scale, which ends 70 dB below the
    loudest bin of all.
    """
    levels = {
        title: 20 * np.log10(np.abs(stft(samples[: int(seconds * geometry.rate_hz)], geometry)) + 1e-9)
        for title, samples in recordings.items()
    }
    loudest = max(float(level.max()) for level in levels.values())
    figure, axes = new_figure((11, 2.4 * len(levels)), len(levels), 1, sharex=True)
    for axis, (title, level) in zip(axes, levels.items(), strict=True):
        image = axis.imshow(
            level.T,
            origin="lower",
            aspect="auto",
            extent=(0, len(level) * geometry.hop_s, 0, geometry.rate_hz / 2000),
            vmin=loudest - _RANGE_DB,
            vmax=loudest,
            cmap="magma",
        )
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_ylabel("kHz")
    axes[-1].set_xlabel("s")
    figure.colorbar(image, ax=axes, label="dB", shrink=0.6)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
