# SPDX-License-Identifier: Apache-2.0
"""Read the costs of other denoisers on microcontrollers: the table behind README, peers.md and bench-firmware.md."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class PeerCost:
    """The costs of one denoiser, each figure as text, "" where it was not measured.

    peer: its name in the scores. title, what: its name in tables, short and long. m4, m0: million instructions a second
    on a Cortex-M4 and a Cortex-M0. flash_kb, ram_kb: in units of 1000 bytes. latency_ms: the lag of its output.
    """

    peer: str
    title: str
    what: str
    m4: str
    m0: str
    flash_kb: str
    ram_kb: str
    latency_ms: str

    @property
    def m4_range(self) -> tuple[float, float]:
        """The least and the most million instructions a second on a Cortex-M4."""
        low, _, high = self.m4.partition(" to ")
        return float(low), float(high or low)


@cache
def load_peer_costs() -> tuple[PeerCost, ...]:
    """Return the rows of peers_costs.csv, in their order."""
    text = resources.files(__package__).joinpath("peers_costs.csv").read_text(encoding="utf-8")
    return tuple(PeerCost(**row) for row in csv.DictReader(text.splitlines()))
