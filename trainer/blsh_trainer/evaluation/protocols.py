# SPDX-License-Identifier: Apache-2.0
"""Protocols of evaluations: recipes that make each mixture where it is needed, always the same for one seed."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.corpora.mixing import LEVEL_DBFS, MAX_SNR_DB, Mixture, NamedMixture, draw_mixtures, mix_at_snr, rms
from blsh_trainer.corpora.mixture_sources import NoiseSource, read_speech
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation import peer_scores
from blsh_trainer.evaluation.peer_scores import PeersRecipe, load_recipes
from blsh_trainer.signals.audio import FULL_SCALE, read_cut, to_int16
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ
from blsh_trainer.suggestions import unknown

DRAWN, PEERS = "drawn", "peers"
PROTOCOLS = (DRAWN, PEERS)
DEFAULT_SNRS_DB = (-5.0, 0.0, 5.0, 10.0)
PEERS_RATE_HZ = SAMPLE_RATE_HZ
"""The rate at which the peers were scored: a model of another rate is scored on their mixtures, not against them."""
PEERS_LEAD = 2 * SAMPLE_RATE_HZ
PEERS_PEAK = 0.98


class Mixtures(Protocol):
    """A recipe of mixtures that can be pickled. Each mixture can be made without the others, in any process."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> NamedMixture: ...
    def __iter__(self) -> Iterator[NamedMixture]: ...
    def describe(self) -> dict[str, Any]:
        """Return the recipe as JSON values."""
        ...


@dataclass(frozen=True)
class Draw:
    """The parts of one mixture: it begins at sample `noise_offset` of the noise."""

    id: str
    speech: Entry
    noise: Entry
    noise_offset: int


@dataclass(frozen=True)
class DrawnMixtures:
    """`count` mixtures of a split (None: one for each utterance), as draw_mixtures draws them, at each SNR.

    A mixture has the same speech, noise and offset at every SNR. BlshError for a split without speech or noise, a count
    below 1, a seed below 0, no SNR, an SNR twice, or one beyond 100 dB.
    """

    corpus: Corpus
    split: str = "test"
    snrs_db: tuple[float, ...] = (0.0,)
    count: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "snrs_db", check_snrs(self.snrs_db))
        check_seed(self.seed)
        self._drawing()  # checks the split and the count

    @cached_property
    def draws(self) -> tuple[Draw, ...]:
        """The parts of each mixture; to draw them, the audio is read once."""
        speech = {(self.corpus.listed(entry), entry.start): entry for entry in self.corpus.select("speech", self.split)}
        noise = {self.corpus.listed(entry): entry for entry in self.corpus.select("noise", self.split)}
        return tuple(
            Draw(named.id, speech[named.speech_path, named.speech_offset], noise[named.noise_path], named.noise_offset)
            for named in self._drawing()
        )

    def __getitem__(self, index: int) -> NamedMixture:
        draw, snr_db = self.draws[index // len(self.snrs_db)], self.snrs_db[index % len(self.snrs_db)]
        speech = read_speech(self.corpus, draw.speech)
        noise = NoiseSource(self.corpus, draw.noise).cut(draw.noise_offset, speech.size)
        try:
            signals = mix_at_snr(speech, noise, snr_db)
        except BlshError as error:
            paths = f"{self.corpus.path(draw.speech)} with noise {self.corpus.path(draw.noise)}"
            raise BlshError(f"{paths}: {error}") from error
        return NamedMixture(
            draw.id,
            self.corpus.listed(draw.speech),
            self.corpus.listed(draw.noise),
            draw.noise.speaker_or_type,
            draw.noise_offset,
            snr_db,
            signals,
            speech_offset=draw.speech.start,
        )

    def __len__(self) -> int:
        return len(self.draws) * len(self.snrs_db)

    def __iter__(self) -> Iterator[NamedMixture]:
        return (self[index] for index in range(len(self)))

    def describe(self) -> dict[str, Any]:
        """Return the recipe as JSON values; its digest is that of the draws, not of the audio."""
        listed = self.corpus.listed
        rows = [[d.id, listed(d.speech), d.speech.start, listed(d.noise), d.noise_offset] for d in self.draws]
        return {
            "corpus": self.corpus.name,
            "snrs_db": list(self.snrs_db),
            "mixtures": len(self.draws),
            "draws_sha256": _digest(rows),
            "protocol": DRAWN,
            "split": self.split,
            "seed": self.seed,
        }

    def _drawing(self) -> Iterator[NamedMixture]:
        rng = np.random.default_rng(np.random.SeedSequence(self.seed).spawn(2)[0])
        return draw_mixtures(self.corpus, self.split, self.count, self.snrs_db[0], rng)


@dataclass(frozen=True)
class PeersMixtures:
    """The mixtures on which the peers were scored (peer_scores.py): the first `count` of them, None for all.

    Before each utterance, 2.0 s of the same noise are heard but not scored. The speech is at -26 dBFS RMS, the SNR is
    that under the utterance, the peak of speech and noise is at most 0.98, and the mixture is rounded to 16 bits.

    BlshError for an SNR at which no peer was scored, for more mixtures than there are recipes, and for a corpus whose
    test split lacks a recording that the recipes name. To make a mixture whose SHA-256 is not that of its recipe is a
    BlshError, too.
    """

    corpus: Corpus
    snrs_db: tuple[float, ...] = peer_scores.SNRS_DB
    count: int | None = None
    recipes: tuple[PeersRecipe, ...] = field(default_factory=load_recipes, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "snrs_db", check_snrs(self.snrs_db))
        for snr_db in self.snrs_db:
            if snr_db not in peer_scores.SNRS_DB:
                known = ", ".join(f"{each:g}" for each in peer_scores.SNRS_DB)
                raise BlshError(f"SNR {snr_db:g} dB with the protocol peers; the peers were scored at {known} dB")
        most = len(self.recipes)
        count = most if self.count is None else self.count
        if not 1 <= count <= most:
            raise BlshError(f"{count} mixtures asked for; the protocol peers has {most}, choose 1 to {most}")
        object.__setattr__(self, "count", count)
        lacking = [
            path for recipe in self.chosen for path in (recipe.speech, recipe.noise) if path not in self._entries
        ]
        if lacking:
            raise BlshError(
                f"the test split of {self.corpus.place} has no {lacking[0]}; the protocol peers needs the recordings "
                "that `blsh docs results/peers` names; on another corpus leave out --peers"
            )

    @property
    def chosen(self) -> tuple[PeersRecipe, ...]:
        """The recipes of the mixtures, in their order."""
        return self.recipes[: self.count]

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return {entry.path: entry for entry in self.corpus.entries if entry.split == "test"}

    def __getitem__(self, index: int) -> NamedMixture:
        recipe, snr_db = self.chosen[index // len(self.snrs_db)], self.snrs_db[index % len(self.snrs_db)]
        source = self._entries[recipe.noise]
        speech = read_cut(self.corpus.path(self._entries[recipe.speech]), recipe.first, recipe.last - recipe.first)
        noise = NoiseSource(self.corpus, source).cut(recipe.noise_start, PEERS_LEAD + speech.size)
        signals = mix_as_peers(speech, noise, snr_db)
        made = hashlib.sha256(to_int16(signals.mixture).astype("<i2").tobytes()).hexdigest()[
            : peer_scores.SHA256_DIGITS
        ]
        wanted = recipe.sha256[peer_scores.SNRS_DB.index(snr_db)]
        if made != wanted:
            raise BlshError(
                f"mixture {recipe.id} of {recipe.speech} and {recipe.noise} at {snr_db:g} dB has SHA-256 {made}, the "
                f"peers' has {wanted}: a recording of {self.corpus.place} differs from theirs; restore it"
            )
        return NamedMixture(
            recipe.id,
            recipe.speech,
            recipe.noise,
            source.speaker_or_type,
            recipe.noise_start,
            snr_db,
            signals,
            lead=PEERS_LEAD,
            speech_offset=recipe.first,
        )

    def __len__(self) -> int:
        return len(self.chosen) * len(self.snrs_db)

    def __iter__(self) -> Iterator[NamedMixture]:
        return (self[index] for index in range(len(self)))

    def describe(self) -> dict[str, Any]:
        """Return the recipe as JSON values."""
        return {
            "corpus": self.corpus.name,
            "snrs_db": list(self.snrs_db),
            "mixtures": len(self.chosen),
            "draws_sha256": _digest([astuple(recipe) for recipe in self.chosen]),
            "protocol": PEERS,
            "split": "test",
            "lead_samples": PEERS_LEAD,
            "speech_dbfs": LEVEL_DBFS,
        }


@dataclass(frozen=True)
class ResampledMixtures:
    """The mixtures of another recipe, which are at 16 kHz, at `rate_hz`."""

    mixtures: Mixtures
    rate_hz: int

    def __getitem__(self, index: int) -> NamedMixture:
        return self.mixtures[index].at_rate(self.rate_hz)

    def __len__(self) -> int:
        return len(self.mixtures)

    def __iter__(self) -> Iterator[NamedMixture]:
        return (self[index] for index in range(len(self)))

    def describe(self) -> dict[str, Any]:
        """Return the recipe as JSON values."""
        return {**self.mixtures.describe(), "rate_hz": self.rate_hz}


def mixtures_at(mixtures: Mixtures, rate_hz: int) -> Mixtures:
    """Return mixtures, which are at 16 kHz, at the rate of a model."""
    return mixtures if rate_hz == SAMPLE_RATE_HZ else ResampledMixtures(mixtures, rate_hz)


def choose_mixtures(
    protocol: str,
    corpus: Corpus,
    split: str = "test",
    snrs_db: tuple[float, ...] = DEFAULT_SNRS_DB,
    count: int | None = None,
    seed: int = 0,
) -> Mixtures:
    """Return the mixtures of a protocol by name: "drawn" (DrawnMixtures) or "peers" (PeersMixtures).

    BlshError for an unknown protocol, for "peers" with a split other than "test", and as of both classes.
    """
    if protocol not in PROTOCOLS:
        raise BlshError(f"protocol {protocol!r} {unknown(protocol, PROTOCOLS)}")
    if protocol == DRAWN:
        return DrawnMixtures(corpus, split, snrs_db, count, seed)
    if split != "test":
        raise BlshError(f"split {split!r} with the protocol peers, which is one of the test split; leave it out")
    return PeersMixtures(corpus, snrs_db, count)


def mix_as_peers(speech: FloatArray, noise: FloatArray, snr_db: float) -> Mixture:
    """Mix `speech` (n,) and `noise` (lead + n,), whose first `lead` samples come before the speech, as for the peers.

    The mixture (lead + n,) holds 16-bit samples over 32768, rounded half to even. Its noise is the mixture less the
    speech.
    """
    lead = noise.size - speech.size
    level = 10.0 ** (LEVEL_DBFS / 20.0)
    wanted = np.concatenate([np.zeros(lead), speech * (level / rms(speech))])
    unwanted = noise * (rms(wanted[lead:]) / rms(noise[lead:]) * 10.0 ** (-snr_db / 20.0))
    peak = float(np.abs(wanted + unwanted).max())
    if peak > PEERS_PEAK:
        wanted, unwanted = wanted * (PEERS_PEAK / peak), unwanted * (PEERS_PEAK / peak)
    mixture = np.round((wanted + unwanted) * FULL_SCALE) / FULL_SCALE
    return Mixture(wanted, mixture - wanted, mixture)


def check_seed(seed: int) -> None:
    """Raise BlshError for a seed below 0."""
    if seed < 0:
        raise BlshError(f"seed {seed}; choose 0 or more")


def check_snrs(snrs_db: tuple[float, ...]) -> tuple[float, ...]:
    """Return SNRs as floats; BlshError for none, for one twice, and for one beyond -100 to 100 dB."""
    snrs = tuple(float(snr_db) for snr_db in snrs_db)
    for snr_db in snrs:
        if not abs(snr_db) <= MAX_SNR_DB:
            raise BlshError(f"SNR {snr_db} dB; give a finite number of -{MAX_SNR_DB:g} to {MAX_SNR_DB:g}")
    if not snrs or len(set(snrs)) < len(snrs):
        raise BlshError(f"SNRs {list(snrs)} dB; give one at least, and none twice")
    return snrs


def _digest(rows: list[Any]) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
