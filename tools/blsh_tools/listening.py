"""A recording to listen to: mixtures of a corpus's test split, one after the other."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from blsh_trainer.arrays import FloatArray, Progress
from blsh_trainer.audio import from_int16, to_int16
from blsh_trainer.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.mixing import draw_mixtures
from blsh_trainer.spectra import SAMPLE_RATE_HZ

_MOST_MIXTURES = 200


@dataclass(frozen=True)
class Listening:
    """Speech alone and in noise, float64 (n,) on the int16 grid, and what they were made of."""

    clean: FloatArray
    noisy: FloatArray
    sources: list[dict[str, Any]]

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.noisy) / SAMPLE_RATE_HZ


def make_listening(
    corpus: Corpus, seconds: float, snr_db: float, seed: int, progress: Progress | None = None
) -> Listening:
    """Test mixtures until `seconds` are full, rounded to int16 so that every engine hears the same samples."""
    clean: list[FloatArray] = []
    noisy: list[FloatArray] = []
    sources: list[dict[str, Any]] = []
    filled = 0.0
    for named in draw_mixtures(corpus, "test", _MOST_MIXTURES, snr_db, np.random.default_rng(seed)):
        clean.append(from_int16(to_int16(named.signals.speech)))
        noisy.append(from_int16(to_int16(named.signals.mixture)))
        sources.append({"speech": named.speech_path, "noise": named.noise_path, "snr_db": named.snr_db})
        filled += len(noisy[-1]) / SAMPLE_RATE_HZ
        if filled >= seconds:
            return Listening(np.concatenate(clean), np.concatenate(noisy), sources)
    raise BlshError(
        f"{_MOST_MIXTURES} test mixtures of {corpus.root} are {filled:.1f} s, {seconds:g} s are needed; "
        "add test speech to the corpus"
    )
