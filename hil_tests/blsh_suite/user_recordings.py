# SPDX-License-Identifier: Apache-2.0
"""The recordings of a user's own tests: their files, mixtures of their corpus, or synthetic signals."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.spec.hard_signals import EDGE_SIGNALS, edge_signal
from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.corpora.folders import audio_here
from blsh_trainer.files import require_folder
from blsh_trainer.signals.audio import at_rate, probe_audio, read_cut, to_int16
from blsh_trainer.signals.geometry import Geometry
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ

from .recordings import SNRS, noisy_recording

_SEED: Final = 7  # of mixtures and of noise: every run sends the same samples


@dataclass(frozen=True)
class Recording:
    """Samples to send to a board: int16 (n,), at the rate of its model."""

    name: str
    samples: npt.NDArray[np.int16]


def recording_names(folder: Path | None) -> list[str]:
    """Return the names of the recordings that `recordings_of` gives for `folder`.

    They are the names of the audio files that lie in the folder. A folder without, or with a manifest.csv, is a corpus,
    and gives a mixture for each SNR. None gives the signals that are hard on fixed-point code.
    """
    if folder is None:
        return list(EDGE_SIGNALS)
    files = _files(folder)
    return [file.name for file in files] if files else [_name(snr_db) for snr_db in SNRS]


def recordings_of(folder: Path | None, geometry: Geometry, seconds: float) -> list[Recording]:
    """Return the recordings of `folder`, of `seconds` at most each, at the rate of `geometry`.

    Raises BlshError for a folder that is missing, for a file that cannot be read, and for a folder without audio files
    that is no corpus.
    """
    rate_hz = geometry.rate_hz
    if folder is None:
        rng = np.random.default_rng(_SEED)
        length = max(1, int(seconds * rate_hz))
        return [Recording(name, edge_signal(name, length, rng)) for name in EDGE_SIGNALS]
    files = _files(folder)
    if files:
        return [Recording(file.name, _cut(file, seconds, rate_hz)) for file in files]
    corpus = load_corpus(folder)
    return [Recording(_name(snr), noisy_recording(corpus, seconds, snr, _SEED, rate_hz)) for snr in SNRS]


def _files(folder: Path) -> list[Path]:
    """Return the audio files that are recordings themselves; none for a corpus."""
    require_folder(folder, f"there is no folder {folder}")
    return [] if (folder / "manifest.csv").is_file() else audio_here(folder)


def _cut(file: Path, seconds: float, rate_hz: int) -> npt.NDArray[np.int16]:
    length = min(probe_audio(file).samples, max(1, int(seconds * SAMPLE_RATE_HZ)))
    return to_int16(at_rate(read_cut(file, 0, length), rate_hz))


def _name(snr_db: float | str) -> str:
    return snr_db if isinstance(snr_db, str) else f"{snr_db:g} dB"
