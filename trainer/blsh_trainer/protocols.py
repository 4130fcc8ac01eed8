"""Which mixtures an evaluation scores: recipes that make each mixture where it is needed, the same for one seed."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpus import Corpus, Entry
from blsh_trainer.errors import BlshError
from blsh_trainer.mixing import LEVEL_DBFS, MAX_SNR_DB, PEAK, Mixture, NamedMixture, draw_mixtures, mix_at_snr
from blsh_trainer.sources import NoiseSource, read_speech
from blsh_trainer.spectra import SAMPLE_RATE_HZ

DEFAULT_SNRS_DB = (-5.0, 0.0, 5.0, 10.0)
PEERS_SEED = 20210531
PEERS_UTTERANCES = 60
PEERS_LEAD = 2 * SAMPLE_RATE_HZ
_OFFSETS = 20  # tried before a noise counts as too sparse to sound in the lead, too


class Mixtures(Protocol):
    """A picklable recipe of mixtures. Any one can be made without the others, in any process, and is the same."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> NamedMixture: ...
    def __iter__(self) -> Iterator[NamedMixture]: ...
    def describe(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Draw:
    """What one mixture is made of; the offset, in samples of the noise, is where the mixture begins."""

    id: str
    speech: Entry
    noise: Entry
    noise_offset: int


class _DrawnOnce(ABC):
    """Mixtures that are drawn once and made when asked for, at each SNR: one id each, next to one another."""

    corpus: Corpus
    snrs_db: tuple[float, ...]
    lead = 0

    @property
    @abstractmethod
    def draws(self) -> tuple[Draw, ...]:
        """What the mixtures are made of."""

    def __getitem__(self, index: int) -> NamedMixture:
        draw, snr_db = self.draws[index // len(self.snrs_db)], self.snrs_db[index % len(self.snrs_db)]
        speech = read_speech(self.corpus, draw.speech)
        noise = NoiseSource(self.corpus, draw.noise).cut(draw.noise_offset, self.lead + speech.size)
        try:
            signals = mix_with_lead(speech, noise, snr_db)
        except BlshError as error:
            paths = f"{self.corpus.path(draw.speech)} with noise {self.corpus.path(draw.noise)}"
            raise BlshError(f"{paths}: {error}") from error
        return NamedMixture(
            draw.id,
            draw.speech.path,
            draw.noise.path,
            draw.noise.speaker_or_type,
            draw.noise_offset,
            snr_db,
            signals,
            lead=self.lead,
            speech_offset=draw.speech.start,
        )

    def __len__(self) -> int:
        return len(self.draws) * len(self.snrs_db)

    def __iter__(self) -> Iterator[NamedMixture]:
        return (self[index] for index in range(len(self)))

    def _described(self, **more: Any) -> dict[str, Any]:
        """The recipe as JSON values; the digest is over what was drawn, not over the audio."""
        rows = [[d.id, d.speech.path, d.speech.start, d.noise.path, d.noise_offset] for d in self.draws]
        return {
            "corpus": self.corpus.name,
            "snrs_db": list(self.snrs_db),
            "mixtures": len(self.draws),
            "draws_sha256": hashlib.sha256(json.dumps(rows).encode()).hexdigest(),
            **more,
        }


@dataclass(frozen=True)
class DrawnMixtures(_DrawnOnce):
    """`count` mixtures of a split (None: one for each utterance), as `draw_mixtures` draws them, at each SNR.

    The same speech, noise and offset come at every SNR. BlshError for a split without speech or noise, a
    count below 1, a seed below 0, no SNR, one twice, or one beyond 100 dB.
    """

    corpus: Corpus
    split: str = "test"
    snrs_db: tuple[float, ...] = (0.0,)
    count: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "snrs_db", check_snrs(self.snrs_db))
        check_seed(self.seed)
        self._drawing()  # refuses what is wrong with the rest

    @cached_property
    def draws(self) -> tuple[Draw, ...]:
        """What the mixtures are made of; reads the audio once."""
        speech = {(entry.path, entry.start): entry for entry in self.corpus.select("speech", self.split)}
        noise = {entry.path: entry for entry in self.corpus.select("noise", self.split)}
        return tuple(
            Draw(named.id, speech[named.speech_path, named.speech_offset], noise[named.noise_path], named.noise_offset)
            for named in self._drawing()
        )

    def describe(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return self._described(protocol="drawn", split=self.split, seed=self.seed)

    def _drawing(self) -> Iterator[NamedMixture]:
        rng = np.random.default_rng(np.random.SeedSequence(self.seed).spawn(2)[0])
        return draw_mixtures(self.corpus, self.split, self.count, self.snrs_db[0], rng)


@dataclass(frozen=True)
class PeersMixtures(_DrawnOnce):
    """The protocol by which the denoisers of `peers` were measured, on the test split.

    `utterances` of them, spread evenly over the speakers and each with a noise type in turn; 2.0 s of the
    same noise before each, which are heard but not scored; the speech at -26 dBFS RMS, the SNR that of the
    utterance's part. BlshError as DrawnMixtures, or for more utterances than there are.
    """

    corpus: Corpus
    snrs_db: tuple[float, ...] = DEFAULT_SNRS_DB
    seed: int = PEERS_SEED
    utterances: int = PEERS_UTTERANCES
    lead = PEERS_LEAD

    def __post_init__(self) -> None:
        object.__setattr__(self, "snrs_db", check_snrs(self.snrs_db))
        check_seed(self.seed)
        known = len(self.corpus.select("speech", "test"))
        self.corpus.select("noise", "test")
        if not 1 <= self.utterances <= known:
            raise BlshError(f"{self.utterances} utterances asked for; the test split has {known}, choose 1 to {known}")

    @cached_property
    def draws(self) -> tuple[Draw, ...]:
        """What the mixtures are made of; reads the audio once."""
        rng = np.random.default_rng(self.seed)
        speech = _in_turns(self.corpus.select("speech", "test"), self.utterances, rng)
        noise = _in_turns(self.corpus.select("noise", "test"), self.utterances, rng)
        pairs = enumerate(zip(speech, noise, strict=True))
        return tuple(self._draw(f"peers-{number:04d}", *pair, rng) for number, pair in pairs)

    def describe(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        how = {"lead_samples": PEERS_LEAD, "speech_dbfs": LEVEL_DBFS}
        return self._described(protocol="peers", split="test", seed=self.seed, **how)

    def _draw(self, name: str, utterance: Entry, source: Entry, rng: np.random.Generator) -> Draw:
        length = read_speech(self.corpus, utterance).size
        noise = NoiseSource(self.corpus, source)
        for _ in range(_OFFSETS):
            offset = int(rng.integers(noise.size))
            cut = noise.cut(offset, PEERS_LEAD + length)
            if cut[:PEERS_LEAD].any() and cut[PEERS_LEAD:].any():
                return Draw(name, utterance, source, offset)
        start, _ = noise.sounding_cut(length, rng)
        return Draw(name, utterance, source, (start - PEERS_LEAD) % noise.size)


def mix_with_lead(speech: FloatArray, noise: FloatArray, snr_db: float) -> Mixture:
    """Mix `speech` (n,) with the last n samples of `noise` (lead + n,) as `mix_at_snr` does, the rest before it.

    The noise goes on without a break; level and SNR are those of the speech's part. All is scaled down
    together when the lead passes 0.99.
    """
    lead = noise.size - speech.size
    part = mix_at_snr(speech, noise[lead:], snr_db)
    if lead == 0:
        return part
    loudest = lead + int(np.argmax(np.abs(noise[lead:])))
    wanted = np.concatenate([np.zeros(lead), part.speech])
    unwanted = np.concatenate([noise[:lead] * (part.noise[loudest - lead] / noise[loudest]), part.noise])
    peak = float(np.abs(unwanted[:lead]).max())
    if peak > PEAK:
        wanted, unwanted = wanted * (PEAK / peak), unwanted * (PEAK / peak)
    return Mixture(wanted, unwanted, wanted + unwanted)


def check_seed(seed: int) -> None:
    """BlshError for a seed below 0."""
    if seed < 0:
        raise BlshError(f"seed {seed}; choose 0 or more")


def check_snrs(snrs_db: tuple[float, ...]) -> tuple[float, ...]:
    """Return them as floats; BlshError unless there is one at least, none twice, each of -100 to 100 dB."""
    snrs = tuple(float(snr_db) for snr_db in snrs_db)
    for snr_db in snrs:
        if not abs(snr_db) <= MAX_SNR_DB:
            raise BlshError(f"SNR {snr_db} dB; give a finite number of -{MAX_SNR_DB:g} to {MAX_SNR_DB:g}")
    if not snrs or len(set(snrs)) < len(snrs):
        raise BlshError(f"SNRs {list(snrs)} dB; give one at least, and none twice")
    return snrs


def _in_turns(entries: tuple[Entry, ...], count: int, rng: np.random.Generator) -> list[Entry]:
    """Draw `count` entries; speakers or noise types take turns, in an order that is shuffled for each round.

    Within one of them every file comes once before any comes again. One who runs out of files while others
    still have some starts over only if all have.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.speaker_or_type, []).append(entry)
    left: dict[str, list[Entry]] = {}
    drawn: list[Entry] = []
    once = count <= len(entries)  # as for speech: no utterance twice
    for name in sorted(groups):
        left[name] = [groups[name][at] for at in rng.permutation(len(groups[name]))]
    while len(drawn) < count:
        names = [name for name in sorted(groups) if left[name]]
        for at in rng.permutation(len(names))[: count - len(drawn)]:
            name = names[at]
            drawn.append(left[name].pop(0))
            if not left[name] and not once:
                left[name] = [groups[name][file] for file in rng.permutation(len(groups[name]))]
    return drawn
