# SPDX-License-Identifier: Apache-2.0
"""Make noisy recordings at every SNR, a piece at a time: an overnight run sends hours of them."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from blsh_codegen.spec.hard_signals import EDGE_SIGNALS, edge_signal
from blsh_hil.prove.recipes import SEGMENTS, Segment
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.evaluation.listening_passage import make_listening
from blsh_trainer.signals.audio import to_int16
from blsh_trainer.signals.geometry import Geometry

CLEAN = "clean"
SNRS: tuple[float | str, ...] = (-5.0, 0.0, 5.0, 10.0, CLEAN)
_PIECE_SECONDS = 60.0
_USUAL_TICKS = 16  # ticks of 16 ms of each SNR


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


def usual_clips(corpus: Corpus, geometry: Geometry) -> list[npt.NDArray[np.int16]]:
    """Return a few whole hops of each SNR, int16 (n,) each: what a hop usually costs is counted on them."""
    rate_hz, tick = geometry.rate_hz, geometry.tick
    clips = [noisy_recording(corpus, 3.0, snr_db, 11, rate_hz) for snr_db in SNRS]
    return [clip[(len(clip) // tick - _USUAL_TICKS) // 2 * tick :][: _USUAL_TICKS * tick] for clip in clips]


def hard_signals(rng: np.random.Generator, length: int) -> list[npt.NDArray[np.int16]]:
    """Return the signals that are known to be hard: loudest, softest, alternating, ringing on in the last bits.

    length: of each, in samples.
    """
    edges = [edge_signal(name, length, rng) for name in EDGE_SIGNALS]
    others = [Segment(kind, length, seed=1).samples() for kind in SEGMENTS if kind not in EDGE_SIGNALS]
    return [*edges, *others, Segment("white_noise", length, shift=13).samples()]
