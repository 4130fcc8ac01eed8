# SPDX-License-Identifier: Apache-2.0
"""Make a recording to listen to: mixtures of the test split of a corpus, one after the other."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.mixing import draw_mixtures
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.metrics import si_sdr
from blsh_trainer.signals.audio import from_int16, to_int16
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ

_MOST_MIXTURES = 200


@dataclass(frozen=True)
class Piece:
    """One mixture of the recording: samples `start` to `stop` - 1, made of the files `speech` and `noise`."""

    start: int
    stop: int
    speech: str
    noise: str
    snr_db: float


@dataclass(frozen=True)
class Listening:
    """Speech alone and in noise, float64 (n,) on the int16 grid, at `rate_hz`."""

    clean: FloatArray
    noisy: FloatArray
    pieces: tuple[Piece, ...]
    rate_hz: int = SAMPLE_RATE_HZ

    @property
    def seconds(self) -> float:
        """The length of the recording in seconds."""
        return len(self.noisy) / self.rate_hz

    def mean_si_sdr(self, estimate: FloatArray) -> float:
        """Return the mean SI-SDR in dB of `estimate` (n,) over the mixtures, each scored by itself.

        If all were scored as one signal, the mixture with the loudest noise would decide.
        """
        scores = [si_sdr(self.clean[p.start : p.stop], estimate[p.start : p.stop]) for p in self.pieces]
        return float(np.mean(scores))

    def describe(self) -> list[dict[str, Any]]:
        """Return the pieces as JSON values."""
        return [asdict(piece) for piece in self.pieces]


def make_listening(
    corpus: Corpus, seconds: float, snr_db: float, seed: int, rate_hz: int = SAMPLE_RATE_HZ
) -> Listening:
    """Return mixtures of the test split, `seconds` or more together, rounded to int16 for all engines to hear the same.

    BlshError where 200 mixtures are shorter.
    """
    clean: list[FloatArray] = []
    noisy: list[FloatArray] = []
    pieces: list[Piece] = []
    filled = 0
    for named in draw_mixtures(corpus, "test", _MOST_MIXTURES, snr_db, np.random.default_rng(seed)):
        signals = named.signals.at_rate(rate_hz)
        clean.append(from_int16(to_int16(signals.speech)))
        noisy.append(from_int16(to_int16(signals.mixture)))
        stop = filled + len(noisy[-1])
        pieces.append(Piece(filled, stop, named.speech_path, named.noise_path, snr_db))
        filled = stop
        if filled >= seconds * rate_hz:
            return Listening(np.concatenate(clean), np.concatenate(noisy), tuple(pieces), rate_hz)
    raise BlshError(
        f"{_MOST_MIXTURES} test mixtures of {corpus.place} are {filled / rate_hz:.1f} s long, "
        f"{seconds:g} s are needed; add test speech to the corpus"
    )
