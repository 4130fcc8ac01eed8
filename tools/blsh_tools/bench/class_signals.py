# SPDX-License-Identifier: Apache-2.0
"""Judge the exactness of each class's signal path: of what all-ones masks return, and of the transforms."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from blsh_firmware.measure.bench_inputs import noisy_speech
from blsh_tools.bench.demand import Demand, absent
from blsh_tools.bench.reconstruction import PEAK_DBFS
from blsh_tools.bench.transform_snr import LEVELS_DBFS, transform_snrs
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.signals.geometry import CLASSES, WINDOWS, Geometry

TransformSnrs = Mapping[int, tuple[float, float]]
"""The SNR in dB of the worst frame, forward and inverse, by the level of the speech in dBFS."""

_LEAST_DB: Final = 60.0
_LEAST_TRANSFORM_DB: Final = 65.0
_FRAMES = 64


def reconstruction_bars(measured: Mapping[str, float]) -> list[Demand]:
    """Return the bar of each class. measured: its SNR in dB, as of reconstruction_db."""
    asked = f"at least {_LEAST_DB:g} dB SNR"
    bars = []
    for name in CLASSES:
        what = f"{name}: all-ones mask returns the delayed input, speech at {PEAK_DBFS:g} dBFS"
        found = measured.get(name)
        if found is None:
            bars.append(Demand(what, asked, "", absent(name), None))
        else:
            bars.append(Demand(what, asked, "", f"{found:.1f} dB", found >= _LEAST_DB, None, {"snr_db": found}))
    return bars


def worst_transform_snrs(geometries: Sequence[Geometry], corpus: Corpus) -> dict[int, TransformSnrs]:
    """Return the SNRs by the size N of the window: the worst of `geometries`, and of symmetric windows of each size."""
    sizes = {size: [Geometry(16_000, size, size // 4, size)] for size in WINDOWS}
    for geometry in geometries:
        if geometry not in sizes[geometry.window]:
            sizes[geometry.window].append(geometry)
    return {size: _worst([_snrs(geometry, corpus) for geometry in of]) for size, of in sizes.items()}


def transform_bars(measured: Mapping[int, TransformSnrs]) -> list[Demand]:
    """Return the bar of each size of the window. measured: as of worst_transform_snrs."""
    span = f"{LEVELS_DBFS[0]} to {LEVELS_DBFS[-1]} dBFS"
    bars = []
    for size, found in sorted(measured.items(), reverse=True):
        told = "; ".join(f"{level} dBFS {forward:.1f} and {back:.1f}" for level, (forward, back) in found.items())
        bars.append(
            Demand(
                f"N = {size}: transforms against doubles, worst frame of speech from {span}",
                f"at least {_LEAST_TRANSFORM_DB:g} dB SNR",
                "",
                f"forward and inverse: {told} dB",
                min(min(pair) for pair in found.values()) >= _LEAST_TRANSFORM_DB,
                None,
                {str(level): {"forward": pair[0], "inverse": pair[1]} for level, pair in found.items()},
            )
        )
    return bars


def _snrs(geometry: Geometry, corpus: Corpus) -> TransformSnrs:
    samples = noisy_speech(corpus, _FRAMES * geometry.window // geometry.hop, geometry).astype(np.float64)
    return transform_snrs(samples / np.abs(samples).max(), geometry)


def _worst(each: Sequence[TransformSnrs]) -> TransformSnrs:
    return {level: tuple(np.min([of[level] for of in each], axis=0).tolist()) for level in each[0]}
