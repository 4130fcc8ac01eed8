"""A recording to listen to: mixtures of a corpus's test split, one after the other."""

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
    """One mixture of the recording: where it lies, in samples, and what it was made of."""

    start: int
    stop: int
    speech: str
    noise: str
    snr_db: float


@dataclass(frozen=True)
class Listening:
    """Speech alone and in noise, float64 (n,) on the int16 grid."""

    clean: FloatArray
    noisy: FloatArray
    pieces: tuple[Piece, ...]

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.noisy) / SAMPLE_RATE_HZ

    def mean_si_sdr(self, estimate: FloatArray) -> float:
        """SI-SDR of `estimate`, as long as the recording, in dB: each mixture by itself, then the mean.

        Scored as one signal, the loudest noise of all would decide, as in no corpus of the field.
        """
        scores = [si_sdr(self.clean[p.start : p.stop], estimate[p.start : p.stop]) for p in self.pieces]
        return float(np.mean(scores))

    def describe(self) -> list[dict[str, Any]]:
        """The pieces as JSON values."""
        return [asdict(piece) for piece in self.pieces]


def make_listening(corpus: Corpus, seconds: float, snr_db: float, seed: int) -> Listening:
    """Test mixtures until `seconds` are full, rounded to int16 so that every engine hears the same samples."""
    clean: list[FloatArray] = []
    noisy: list[FloatArray] = []
    pieces: list[Piece] = []
    filled = 0
    for named in draw_mixtures(corpus, "test", _MOST_MIXTURES, snr_db, np.random.default_rng(seed)):
        clean.append(from_int16(to_int16(named.signals.speech)))
        noisy.append(from_int16(to_int16(named.signals.mixture)))
        stop = filled + len(noisy[-1])
        pieces.append(Piece(filled, stop, named.speech_path, named.noise_path, snr_db))
        filled = stop
        if filled >= seconds * SAMPLE_RATE_HZ:
            return Listening(np.concatenate(clean), np.concatenate(noisy), tuple(pieces))
    raise BlshError(
        f"{_MOST_MIXTURES} test mixtures of {corpus.root} are {filled / SAMPLE_RATE_HZ:.1f} s long, "
        f"{seconds:g} s are needed; add test speech to the corpus"
    )
