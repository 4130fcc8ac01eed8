# SPDX-License-Identifier: Apache-2.0
"""The ranges of the numbers that options take. They are checked before a command begins, and shown in its help."""

import math
import re
from dataclasses import dataclass
from typing import Any

import typer

from blsh_trainer.errors import BlshError


@dataclass(frozen=True)
class Range:
    """The finite numbers from `low` to `high`, both included; above: without `low` itself."""

    low: float
    high: float
    above: bool = False

    def __str__(self) -> str:
        return f"above {self.low:,} to {self.high:,}" if self.above else f"{self.low:,} to {self.high:,}"

    def option(self, help: str, *names: str, metavar: str | None = None, panel: str | None = None) -> Any:
        """Return the declaration of an option whose value, or each of whose values, lies in this range.

        help: its words; the range follows them. names: as of typer.Option. panel: of the command's help that shows it.
        A number outside raises BlshError.
        """
        words = f"{help} [range: {self}]"
        return typer.Option(*names, callback=self._checked, metavar=metavar, help=words, rich_help_panel=panel)

    def _checked(self, option: typer.CallbackParam, given: Any) -> Any:
        for number in given if isinstance(given, (list, tuple)) else [given]:
            if number is not None and not self.holds(number):
                raise BlshError(f"{option.opts[0]} {number}; choose {self}")
        return given

    def holds(self, number: float) -> bool:
        """Return whether `number` is finite and in this range."""
        return math.isfinite(number) and self.low <= number <= self.high and not (self.above and number == self.low)


SEED = Range(0, 2**63 - 1)
JOBS = Range(1, 4096)
RANK, RANKS = Range(0, 4095), Range(2, 4096)
COUNT = Range(1, 1_000_000)
"""How often a step of the work is repeated: mixtures, hops, steps of learning."""
FEW = Range(1, 1000)
"""How often work on the whole corpus is repeated: seeds, passes, rounds."""
SNR_DB = Range(-100, 100)
RATE_HZ = Range(8_000, 16_000)
GAIN_DB = Range(-6000, 6000)
"""All that double precision can hold, because samples may come in any scale."""

BITS = Range(1, 320)
NEIGHBOURS = Range(1, 1_000_000)
CORE_NEIGHBOURS = Range(1, 32)
CORE_BINS = Range(1, 513)
ENTRIES = Range(1, 1_000_000_000)
SHARE = Range(0, 1, above=True)
SMOOTHING = Range(0, 15)
FLOOR = Range(0, 255)
FLOOR_DB = Range(-50, 0)
SHIFT_ODDS = Range(-2, 2)
RULE_ODDS = Range(0, 3.98)
"""A model has 8 bits for each, in 1/64."""
LOSS_WEIGHT = Range(0, 100)
MIPS = Range(0, 1_000_000, above=True)

MODELS = Range(0, 10_000)
MINUTES = Range(0, 10_000, above=True)
"""Minutes of recordings that the suite sends: up to a week."""
SECONDS_OF_AUDIO = Range(0, 86_400, above=True)
STREAMED_SECONDS = Range(0.16, 3600)
TIMEOUT_S = Range(0, 86_400, above=True)
TRAINING_S = Range(0, 31_536_000, above=True)
BUFFER_MS = Range(0, 10_000)
DICTIONARY = Range(1, 1_000_000)
"""The entries of a dictionary whose search is measured."""

_SIZE = re.compile(r"([0-9]{1,19}|0[xX][0-9a-fA-F]{1,16})([kKmM]?)")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}
_ADDRESSED_BYTES = 1 << 32


def size_option(name: str, help: str) -> Any:
    """Return the declaration of the option `name` that takes a size; it raises BlshError as `size_bytes` does."""
    return typer.Option(name, callback=_checked_size, metavar="SIZE", help=help)


def size_bytes(option: str, text: str) -> int:
    """Return the bytes of a size such as 262144, 0x40000, 256K or 1M.

    Raises BlshError, which names `option`, for anything else, for 0 and for more than a microcontroller can address.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise BlshError(f"{option} {text!r}; expected bytes, or a number with K (1024) or M (1024 K), such as 256K")
    size = int(found[1], 0) if found[1][:2].lower() == "0x" else int(found[1])
    if size == 0:
        raise BlshError(f"{option} {text}: nothing fits 0 bytes; leave it out for all that the board has")
    size *= _UNITS[found[2].lower()]
    if size > _ADDRESSED_BYTES:
        raise BlshError(f"{option} {text}: {_ADDRESSED_BYTES:,} bytes are all that a microcontroller can address")
    return size


def _checked_size(option: typer.CallbackParam, text: str | None) -> str | None:
    if text is not None:
        size_bytes(option.opts[0], text)
    return text


def dictionary_sizes(option: typer.CallbackParam, text: str | None) -> str | None:
    """Return `text`, an option's list of sizes of dictionaries. Raises BlshError as `parse_sizes` does."""
    if text is not None:
        parse_sizes(text, option.opts[0])
    return text


def parse_sizes(text: str, option: str = "--entries") -> tuple[int, ...]:
    """Return the sizes of dictionaries in a list with commas. Raises BlshError, which names `option`, for others."""
    words = text.split(",")
    if not all(re.fullmatch(r"\s*[0-9]{1,9}\s*", word) and DICTIONARY.holds(int(word)) for word in words):
        raise BlshError(f"{option} {text!r}; expected whole numbers of {DICTIONARY} separated by commas, as 1000,4096")
    return tuple(int(word) for word in words)
