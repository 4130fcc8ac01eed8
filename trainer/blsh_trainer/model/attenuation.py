# SPDX-License-Identifier: Apache-2.0
"""The limit of attenuation: how far a denoiser may lower a band, which its user sets.

It stands alone, so that `blsh --help` need not load NumPy.
"""

from typing import Final

from blsh_trainer.errors import BlshError

MOST_ATTENUATION: Final = 60
ATTENUATION_OFF: Final = 255
"""The value of no limit: bands are lowered as far as the model likes."""
_OFF = "off"


def least_gain(attenuation: int) -> float:
    """Return the least gain of a band, 0 to 1, with a limit of `attenuation` dB; 0 where it is off."""
    return 0.0 if attenuation == ATTENUATION_OFF else float(10.0 ** (-attenuation / 20.0))


def check_attenuation(attenuation: int) -> None:
    """Raise BlshError unless `attenuation` is a limit: whole dB, 0 to 60, or ATTENUATION_OFF."""
    known = type(attenuation) is int and (0 <= attenuation <= MOST_ATTENUATION or attenuation == ATTENUATION_OFF)
    if not known:  # a bool is refused, too: the card would say `true`
        raise BlshError(
            f"attenuation is {attenuation!r}; choose a whole number of dB from 0 to {MOST_ATTENUATION}, "
            f"or {ATTENUATION_OFF} for no limit"
        )


def attenuation_text(attenuation: int) -> str:
    """Return a limit as people read it: "12 dB", or "off"."""
    return _OFF if attenuation == ATTENUATION_OFF else f"{attenuation} dB"


def parse_attenuation(text: str) -> int:
    """Return the limit that `text` names, whole dB or "off". BlshError for another text."""
    if text == _OFF:
        return ATTENUATION_OFF
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_ATTENUATION):
        raise BlshError(
            f"attenuation {text!r}; choose a whole number of dB from 0 (bypass) to {MOST_ATTENUATION}, or `{_OFF}`"
        )
    return int(text)
