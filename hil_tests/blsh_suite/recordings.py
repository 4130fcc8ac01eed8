# SPDX-License-Identifier: Apache-2.0
"""Make noisy recordings at every SNR, a piece at a time: an overnight run sends hours of them."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.evaluation.listening_passage import make_listening
from blsh_trainer.signals.audio import to_int16

CLEAN = "clean"
SNRS: tuple[float | str, ...] = (-5.0, 0.0, 5.0, 10.0, CLEAN)
_PIECE_SECONDS = 60.0


def noisy_recording(
    corpus: Corpus, seconds: float, snr_db: float | str, seed: int, rate_hz: int
) -> npt.NDArray[np.int16]:
    """Return `seconds` of test mixtures at an SNR in dB, or of the speech alone for CLEAN: int16 (n,), at `rate_hz`."""
    listening = make_listening(corpus, seconds, 0.0 if isinstance(snr_db, str) else snr_db, seed, rate_hz)
    chosen = listening.clean if isinstance(snr_db, str) else listening.noisy
    return to_int16(chosen)[: int(seconds * rate_hz)]


def recordings(corpus: Corpus, seconds: float, snr_db: float | str, rate_hz: int) -> Iterator[npt.NDArray[np.int16]]:
    """Yield recordings of `seconds` in all: each lasts a minute at most and has mixtures of its own."""
    left, seed = seconds, 100
    while left > 0:
        yield noisy_recording(corpus, min(left, _PIECE_SECONDS), snr_db, seed, rate_hz)
        left, seed = left - _PIECE_SECONDS, seed + 1
