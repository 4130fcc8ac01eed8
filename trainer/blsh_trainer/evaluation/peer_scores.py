# SPDX-License-Identifier: Apache-2.0
"""Read the mixtures on which our denoiser is compared with its peers, and the peers' scores on them.

See docs/results/peers.md. The mixtures are recipes over one corpus: speech, noise, offsets, and the SHA-256 that each
mixture must have.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from blsh_trainer.evaluation.metrics import METRICS

SNRS_DB = (-5.0, 0.0, 5.0, 10.0)
SHA256_DIGITS = 16


@dataclass(frozen=True)
class PeersRecipe:
    """The recipe of one mixture: an utterance and the noise under it, the same at each SNR.

    The utterance is samples `first` to `last` - 1 of `speech`; the noise starts at sample `noise_start` of `noise`.
    Both paths are relative to the corpus, both files are at 16 kHz. `sha256` holds, for each of SNRS_DB, the first
    16 hexadecimal digits of the digest over the mixture's int16 bytes, little-endian.
    """

    id: str
    speech: str
    first: int
    last: int
    noise: str
    noise_start: int
    sha256: tuple[str, ...]


@dataclass(frozen=True)
class PeerScore:
    """The figures of one peer on one mixture, by the names of METRICS; NaN for a figure that was not computed."""

    system: str
    id: str
    snr_db: float
    figures: dict[str, float]


@cache
def load_recipes() -> tuple[PeersRecipe, ...]:
    """Return the recipes of all 60 mixtures, in their order."""
    return tuple(
        PeersRecipe(
            row["mixture"],
            row["speech"],
            int(row["speech_first"]),
            int(row["speech_last"]),
            row["noise"],
            int(row["noise_start"]),
            tuple(row[f"sha256_{snr_db:g}"] for snr_db in SNRS_DB),
        )
        for row in _rows("peers_mixtures.csv")
    )


@cache
def load_peer_scores() -> tuple[PeerScore, ...]:
    """Return the scores of every peer on every mixture; the peer "mixture" is the unprocessed mixture."""
    return tuple(
        PeerScore(
            row["system"],
            row["mixture"],
            float(row["snr_db"]),
            {name: _figure(row, metric.peers_column) for name, metric in METRICS.items()},
        )
        for row in _rows("peers_scores.csv")
    )


def _figure(row: dict[str, str], column: str | None) -> float:
    return float("nan") if column is None else float(row[column] or "nan")


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines())
