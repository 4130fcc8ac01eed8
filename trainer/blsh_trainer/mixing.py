"""Mixtures of speech and noise at a set signal-to-noise ratio, drawn lazily from a corpus."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import FloatArray, check_signal
from blsh_trainer.audio import read_audio, require_sound
from blsh_trainer.corpus import Corpus, Entry
from blsh_trainer.errors import BlshError
from blsh_trainer.spectra import WINDOW

PEAK = 0.99
LEVEL_DBFS = -26.0
MAX_SNR_DB = 100.0  # either way; 16-bit recordings have less, and thousands would overflow
_DRAWS = 20  # offsets tried before a noise whose cut is silent counts as too sparse


@dataclass(frozen=True)
class Mixture:
    """speech + noise = mixture, float64 (samples,) each, in [-0.99, 0.99]."""

    speech: FloatArray
    noise: FloatArray
    mixture: FloatArray


@dataclass(frozen=True)
class NamedMixture:
    """A mixture and where it came from; paths are relative to the corpus root, the offset is in samples."""

    id: str
    speech_path: str
    noise_path: str
    noise_type: str
    noise_offset: int
    snr_db: float
    signals: Mixture


def mix_at_snr(
    speech: ArrayLike, noise: ArrayLike, snr_db: float, level_dbfs: float = LEVEL_DBFS, offset: int = 0
) -> Mixture:
    """Mix `speech` (n,) with `noise` (m,), read from `offset` on and looped when it is the shorter.

    The speech is scaled to an RMS of `level_dbfs`, the noise so that the ratio of their energies is `snr_db`;
    all three are scaled down together when the mixture or a part passes 0.99. BlshError for silent or
    non-finite signals, speech shorter than one window, an SNR beyond 100 dB or a level that is not finite.
    """
    if not abs(snr_db) <= MAX_SNR_DB or not np.isfinite(level_dbfs):
        raise BlshError(
            f"SNR {snr_db} dB, level {level_dbfs} dBFS; both must be finite numbers, "
            f"the SNR one of -{MAX_SNR_DB:g} to {MAX_SNR_DB:g}"
        )
    wanted = check_signal(speech, "the speech")
    source = check_signal(noise, "the noise")
    if wanted.size < WINDOW:
        raise BlshError(f"the speech has {wanted.size} samples; at least one window of {WINDOW} is needed")
    if source.size == 0:
        raise BlshError("the noise has no samples; give a recording that is not empty")
    unwanted = loop_from(source, offset, wanted.size)
    speech_rms = _rms(wanted)
    noise_rms = _rms(unwanted)
    for rms, what in ((speech_rms, "speech"), (noise_rms, "noise")):
        if rms == 0.0:
            raise BlshError(f"the {what} is silent, so no SNR can be set; give a recording with sound")
    wanted = wanted * (10.0 ** (level_dbfs / 20.0) / speech_rms)
    unwanted = unwanted * (10.0 ** ((level_dbfs - snr_db) / 20.0) / noise_rms)
    peak = max(float(np.abs(part).max()) for part in (wanted, unwanted, wanted + unwanted))
    if peak > PEAK:
        wanted, unwanted = wanted * (PEAK / peak), unwanted * (PEAK / peak)
    return Mixture(wanted, unwanted, wanted + unwanted)


def loop_from(signal: FloatArray, offset: int, length: int) -> FloatArray:
    """Return `length` samples of `signal` from `offset` on, starting over at its end."""
    return signal[(offset + np.arange(length)) % signal.size]


def draw_mixtures(
    corpus: Corpus, split: str, count: int | None, snr_db: float, rng: np.random.Generator
) -> Iterator[NamedMixture]:
    """Yield `count` mixtures of a split (None: one for each utterance), reading the audio as it goes.

    Every utterance comes once, in shuffled order, before any comes again. Noise types take turns, so that a
    type of many files weighs as much as a type of one. The same rng state gives the same mixtures.
    BlshError for a split without speech or noise, a count below 1, or audio that cannot be used.
    """
    speech = corpus.select("speech", split)
    noise = corpus.select("noise", split)
    total = len(speech) if count is None else count
    if total < 1:
        raise BlshError(f"{total} mixtures asked for; choose 1 or more")
    return _draw(corpus, split, speech, noise, total, snr_db, rng)


def _draw(
    corpus: Corpus,
    split: str,
    speech: tuple[Entry, ...],
    noise: tuple[Entry, ...],
    total: int,
    snr_db: float,
    rng: np.random.Generator,
) -> Iterator[NamedMixture]:
    by_type: dict[str, list[Entry]] = {}
    for entry in noise:
        by_type.setdefault(entry.speaker_or_type, []).append(entry)
    types = sorted(by_type)
    speech_order: list[int] = []
    type_order: list[int] = []
    for number in range(total):
        speech_order = speech_order or rng.permutation(len(speech)).tolist()
        type_order = type_order or rng.permutation(len(types)).tolist()
        utterance = speech[speech_order.pop(0)]
        files = by_type[types[type_order.pop(0)]]
        source = files[int(rng.integers(len(files)))]
        wanted = _sound(corpus.path(utterance))
        unwanted = _sound(corpus.path(source))
        offset = _sounding_offset(unwanted, wanted.size, rng)
        try:
            signals = mix_at_snr(wanted, unwanted, snr_db, offset=offset)
        except BlshError as error:
            raise BlshError(f"{corpus.path(utterance)} with noise {corpus.path(source)}: {error}") from error
        yield NamedMixture(
            f"{split}-{number:04d}",
            utterance.path,
            source.path,
            source.speaker_or_type,
            offset,
            snr_db,
            signals,
        )


def _sounding_offset(noise: FloatArray, length: int, rng: np.random.Generator) -> int:
    """Draw an offset whose cut is not silent: sequences of events have digital silence between them."""
    for _ in range(_DRAWS):
        offset = int(rng.integers(noise.size))
        if loop_from(noise, offset, length).any():
            return offset
    return int(np.argmax(np.abs(noise)))


def _sound(path: Path) -> FloatArray:
    audio = read_audio(path)
    require_sound(audio, path)
    return audio.samples


def _rms(signal: FloatArray) -> float:
    return float(np.sqrt(np.mean(signal**2)))
