# SPDX-License-Identifier: Apache-2.0
"""The options of `blsh flash`. They are apart from the code that flashes, so that `blsh --help` is quick."""

from dataclasses import dataclass
from typing import Final

from blsh_hil.link.retry import Timeouts

TIMEOUTS: Final = Timeouts(boot=10.0)
"""boot starts at the end of the upload. The port may vanish meanwhile, so it is longer than a client's own."""


@dataclass(frozen=True)
class FlashOptions:
    """The way to flash a board. For None, boards.toml and the devices attached to this machine decide."""

    port: str | None = None
    probe: str | None = None
    method: str | None = None
    timeouts: Timeouts = TIMEOUTS
