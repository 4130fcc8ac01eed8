# SPDX-License-Identifier: Apache-2.0
"""Mix speech and noise at a set signal-to-noise ratio, and draw mixtures from a corpus one by one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from blsh_trainer.arrays import FloatArray, check_signal
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.corpora.mixture_sources import NoiseSource, loop_from, read_speech
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.audio import at_rate
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ, WINDOW

PEAK = 0.99
LEVEL_DBFS = -26.0
MAX_SNR_DB = 100.0  # the largest magnitude of an SNR: 16-bit recordings reach less, and thousands would overflow


@dataclass(frozen=True)
class Mixture:
    """speech + noise = mixture, float64 (samples,) each, within [-0.99, 0.99] unless it is a recorded mixture."""

    speech: FloatArray
    noise: FloatArray
    mixture: FloatArray

    def at_rate(self, rate_hz: int) -> "Mixture":
        """Return the mixture, which is at 16 kHz, at another rate."""
        return Mixture(*(at_rate(signal, rate_hz) for signal in (self.speech, self.noise, self.mixture)))


@dataclass(frozen=True)
class NamedMixture:
    """A mixture and where it came from; paths are as Corpus.listed shows them, offsets are in samples.

    The first `lead` samples are noise before the speech, in which a suppressor may settle; they are not scored.
    """

    id: str
    speech_path: str
    noise_path: str
    noise_type: str
    noise_offset: int
    snr_db: float
    signals: Mixture
    lead: int = 0
    speech_offset: int = 0
    rate_hz: int = SAMPLE_RATE_HZ

    def at_rate(self, rate_hz: int) -> "NamedMixture":
        """Return the mixture, which is at 16 kHz, at another rate; the offsets into recordings stay those at 16 kHz."""
        lead = self.lead * rate_hz // SAMPLE_RATE_HZ
        return replace(self, signals=self.signals.at_rate(rate_hz), lead=lead, rate_hz=rate_hz)


def mix_at_snr(
    speech: ArrayLike, noise: ArrayLike, snr_db: float, level_dbfs: float = LEVEL_DBFS, offset: int = 0
) -> Mixture:
    """Mix `speech` (n,) with `noise` (m,), which is read from `offset` on and starts over at its end.

    The speech is scaled to an RMS of `level_dbfs`, the noise so that the ratio of their energies is `snr_db`. Speech,
    noise and mixture are scaled down together when one of them passes 0.99. BlshError for silent or non-finite signals,
    speech shorter than one window, an SNR beyond 100 dB or a level that is not finite.
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
    speech_rms = rms(wanted)
    noise_rms = rms(unwanted)
    for level, what in ((speech_rms, "speech"), (noise_rms, "noise")):
        if level == 0.0:
            raise BlshError(f"the {what} is silent, so no SNR can be set; give a recording with sound")
    wanted = wanted * (10.0 ** (level_dbfs / 20.0) / speech_rms)
    unwanted = unwanted * (10.0 ** ((level_dbfs - snr_db) / 20.0) / noise_rms)
    peak = max(float(np.abs(part).max()) for part in (wanted, unwanted, wanted + unwanted))
    if peak > PEAK:
        wanted, unwanted = wanted * (PEAK / peak), unwanted * (PEAK / peak)
    return Mixture(wanted, unwanted, wanted + unwanted)


def draw_mixtures(
    corpus: Corpus, split: str, count: int | None, snr_db: float | None, rng: np.random.Generator
) -> Iterator[NamedMixture]:
    """Yield `count` mixtures of a split (None: one for each utterance), reading the audio as it goes.

    Every utterance comes once, in shuffled order, before any comes again. Noise types take turns, so that a type with
    many files weighs as much as a type with one. The same state of `rng` gives the same mixtures. Only the part of a
    noise that goes into the mixture is read. With an `snr_db` of None the mixtures of a paired corpus come as they were
    recorded, each at its own level and SNR.

    BlshError for a split without speech or noise, a count below 1, recorded mixtures of a corpus that has none, or
    audio that cannot be used.
    """
    speech = corpus.select("speech", split)
    noise = corpus.select("noise", split)
    total = len(speech) if count is None else count
    if total < 1:
        raise BlshError(f"{total} mixtures asked for; choose 1 or more")
    if snr_db is None:
        if not corpus.paired:
            raise BlshError(f"corpus {corpus.place} has no recorded mixtures (layout {corpus.layout}); set an SNR")
        return _recorded(corpus, split, speech, noise, total, rng)
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
        wanted = read_speech(corpus, utterance)
        offset, unwanted = NoiseSource(corpus, source).sounding_cut(wanted.size, rng)
        try:
            signals = mix_at_snr(wanted, unwanted, snr_db)
        except BlshError as error:
            raise BlshError(f"{corpus.path(utterance)} with noise {corpus.path(source)}: {error}") from error
        yield _named(corpus, f"{split}-{number:04d}", utterance, source, offset, snr_db, signals)


def _recorded(
    corpus: Corpus,
    split: str,
    speech: tuple[Entry, ...],
    noise: tuple[Entry, ...],
    total: int,
    rng: np.random.Generator,
) -> Iterator[NamedMixture]:
    source_of = {(entry.part, entry.minus): entry for entry in noise}
    order: list[int] = []
    for number in range(total):
        order = order or rng.permutation(len(speech)).tolist()
        utterance = speech[order.pop(0)]
        source = source_of[utterance.part, utterance.path]
        yield recorded_mixture(corpus, f"{split}-{number:04d}", utterance, source)


def recorded_mixture(corpus: Corpus, name: str, utterance: Entry, source: Entry) -> NamedMixture:
    """Return the recorded mixture of a paired corpus's `utterance`, whose noise is `source`.

    BlshError for an utterance shorter than a window, one without noise, or audio that cannot be used.
    """
    wanted = read_speech(corpus, utterance)
    if wanted.size < WINDOW:
        raise BlshError(
            f"{corpus.path(utterance)} has {wanted.size} samples; at least one window of {WINDOW} is needed"
        )
    unwanted = NoiseSource(corpus, source).recorded(utterance.start, wanted.size)
    if not unwanted.any():
        raise BlshError(f"{corpus.path(source)} is its clean recording, without noise; restore or remove the pair")
    snr_db = 20.0 * float(np.log10(rms(wanted) / rms(unwanted)))
    signals = Mixture(wanted, unwanted, wanted + unwanted)
    return _named(corpus, name, utterance, source, utterance.start, snr_db, signals)


def _named(
    corpus: Corpus, name: str, speech: Entry, noise: Entry, offset: int, snr_db: float, signals: Mixture
) -> NamedMixture:
    return NamedMixture(
        name,
        corpus.listed(speech),
        corpus.listed(noise),
        noise.speaker_or_type,
        offset,
        snr_db,
        signals,
        speech_offset=speech.start,
    )


def rms(signal: FloatArray) -> float:
    """Return the root of the mean square of `signal` (n,)."""
    return float(np.sqrt(np.mean(signal**2)))
