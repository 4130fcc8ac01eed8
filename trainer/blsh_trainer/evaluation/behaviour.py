# SPDX-License-Identifier: Apache-2.0
"""Define a behaviour: what a denoiser does to signals that are made for the measure, instead of to mixtures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.evaluation.evaluate import Denoiser
from blsh_trainer.evaluation.metrics import Notation
from blsh_trainer.signals.audio import from_int16, to_int16

DECIBEL_FLOOR: Final = 1e-12


class Trial(Protocol):
    """One signal and the measure of what a denoiser makes of it. It can be pickled.

    `group` names the trials whose figures are taken together to a mean, `id` names the trial among all.
    """

    @property
    def group(self) -> str: ...
    @property
    def id(self) -> str: ...
    def figures(self, denoiser: Denoiser) -> dict[str, float]:
        """Return the figures by name. BlshError as of the denoiser, and for a signal that cannot be made."""
        ...


@dataclass(frozen=True)
class Behaviour:
    """A measure of a denoiser by signals of its own.

    name: in options and JSON files. trials: called with a corpus, returns what to measure. shown: how commands write
    each figure, by the figure's name, in the order of all tables.
    """

    name: str
    trials: Callable[[Corpus], Sequence[Trial]]
    shown: Mapping[str, Notation]


def pass_through(denoiser: Denoiser, signal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return `signal` (n,) and the denoised signal (n,), both rounded to 16 bits as in a WAV file.

    Both engines hear the same samples, and what is below the last bit is not measured.
    """
    heard = from_int16(to_int16(signal))
    return heard, from_int16(to_int16(denoiser.denoise(heard)))


def power_db(signal: FloatArray) -> float:
    """Return 10 log10 of the mean square of `signal` (n,), at least -120 dB."""
    return float(10.0 * np.log10(np.mean(signal**2) + DECIBEL_FLOOR))


def at_level(signal: FloatArray, dbfs: float) -> FloatArray:
    """Return `signal` (n,) scaled to an RMS of `dbfs`. The signal must not be silent."""
    return signal * float(10.0 ** (dbfs / 20.0) / np.sqrt(np.mean(signal**2)))
