"""How to flash a board, as the command line says it; apart from the doing, so that `blsh --help` is quick."""

from dataclasses import dataclass
from typing import Final

from blsh_hil.link.retry import Timeouts

TIMEOUTS: Final = Timeouts(boot=10.0)
"""boot counts from the end of the upload; the port may be away meanwhile, hence more than a client takes."""


@dataclass(frozen=True)
class FlashOptions:
    """How to flash: as the command line says. None: as boards.toml and what is attached say."""

    port: str | None = None
    probe: str | None = None
    method: str | None = None
    timeouts: Timeouts = TIMEOUTS
