# SPDX-License-Identifier: Apache-2.0
"""The kinds of values in blsh.toml: each takes what TOML gives, and says in words what it expects."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from blsh_tools.options.numbers_in_range import Range, size_bytes
from blsh_trainer.errors import BlshError
from blsh_trainer.model.attenuation import parse_attenuation
from blsh_trainer.suggestions import did_you_mean

OWN: Final = "model"
"""What stands for the model's own value of a tuning."""


class UnexpectedError(Exception):
    """A value is not what its key expects; the text, if any, says more."""


@dataclass(frozen=True)
class Kind:
    """A kind of values. expected: in words. read: returns the value as the program takes it; raises UnexpectedError."""

    expected: str
    read: Callable[[Any], Any]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UnexpectedError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise UnexpectedError
    return tuple(_text(each) for each in value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise UnexpectedError
    return value


def _size(value: Any) -> str:
    if not (isinstance(value, str) or type(value) is int):
        raise UnexpectedError
    try:
        size_bytes("it", str(value))
    except BlshError as error:
        raise UnexpectedError from error
    return str(value)


def _limit(value: Any) -> int | None:
    if value == OWN:
        return None
    if not (isinstance(value, str) or type(value) is int):
        raise UnexpectedError
    try:
        return parse_attenuation(str(value))
    except BlshError as error:
        raise UnexpectedError from error


def _asked(check: Callable[[str], object]) -> Callable[[Any], str]:
    """Return a reader of texts that `check` does not refuse by a BlshError, whose words are passed on."""

    def read(value: Any) -> str:
        text = _text(value)
        try:
            check(text)
        except BlshError as error:
            raise UnexpectedError(str(error)) from error
        return text

    return read


def _known_geometry(text: str) -> object:
    from blsh_trainer.signals.geometry import parse_geometry

    return parse_geometry(text)


def _known_board(text: str) -> object:
    from blsh_hil.boards.table import find_board

    return find_board(text)


def whole(numbers: Range) -> Kind:
    """Return the kind of whole numbers in a range."""

    def read(value: Any) -> int:
        if type(value) is not int or not numbers.holds(value):
            raise UnexpectedError
        return value

    return Kind(f"a whole number, {numbers}", read)


def number(numbers: Range) -> Kind:
    """Return the kind of numbers in a range, with or without a fraction."""

    def read(value: Any) -> float:
        if type(value) not in (int, float) or not numbers.holds(value):
            raise UnexpectedError
        return float(value)

    return Kind(f"a number, {numbers}", read)


def of_model(kind: Kind) -> Kind:
    """Return `kind`, or "model" for the model's own value, which is read as None."""
    return Kind(f'{kind.expected}, or "{OWN}"', lambda value: None if value == OWN else kind.read(value))


def one_of(*names: str) -> Kind:
    """Return the kind of texts that are one of `names`."""

    def read(value: Any) -> str:
        if value not in names:
            raise UnexpectedError(did_you_mean(str(value), names).removeprefix(", "))
        return str(value)

    return Kind("one of " + ", ".join(f'"{name}"' for name in names), read)


TEXT: Final = Kind("a text that is not empty", _text)
TEXTS: Final = Kind('a list of texts, as ["one", "two"]', _texts)
FLAG: Final = Kind("true or false", _flag)
SIZE: Final = Kind('a size in bytes, or with K or M, as "256K"', _size)
LIMIT: Final = Kind(f'a whole number of dB, 0 to 60, "off" or "{OWN}"', _limit)
GEOMETRY: Final = Kind('a class, as "headset", or rate/window/hop/synthesis', _asked(_known_geometry))
BOARD: Final = Kind("a board of `blsh boards`", _asked(_known_board))
