"""What other denoisers score by the protocol of PeersMixtures; measured for this project, docs/results/peers.md."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Peer:
    """Means of one system over 60 mixtures at one SNR; "mixture" is the unprocessed one, "ibm" the oracle.

    Levels are in dB; `delay_samples`, at 16 kHz, were taken off before scoring. `level_change_db` is that of the
    whole output against the mixture.
    """

    system: str
    delay_samples: int
    snr_db: float
    sdr_db: float
    si_sdr_db: float
    pesq: float
    estoi: float
    level_change_db: float


@cache
def load_peers() -> tuple[Peer, ...]:
    """Return all of them, each system at -5, 0, 5 and 10 dB."""
    text = resources.files("blsh_trainer").joinpath("peers.json").read_text(encoding="utf-8")
    return tuple(Peer(**row) for row in json.loads(text))
