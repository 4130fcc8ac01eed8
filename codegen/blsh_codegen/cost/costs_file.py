# SPDX-License-Identifier: Apache-2.0
"""Say where the measured costs lie, and which they are, without the modules that compute with them."""

import hashlib
from pathlib import Path
from typing import Final

COSTS_FILE: Final = Path(__file__).with_name("costs.json")
"""The costs that `blsh estimate --calibrate` has measured."""


def costs_digest() -> str | None:
    """Return the SHA-256 of the costs that estimates are made of, in hexadecimal; None where there are none."""
    return hashlib.sha256(COSTS_FILE.read_bytes()).hexdigest() if COSTS_FILE.is_file() else None
