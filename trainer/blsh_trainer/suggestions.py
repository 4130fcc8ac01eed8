# SPDX-License-Identifier: Apache-2.0
"""Suggest the known name that was meant, where an unknown one is close to it."""

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches


def closest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known name that is closest to `name`, several that are equally close, or none where none is close."""
    near = get_close_matches(name.lower(), list(known), 3)
    return [each for each in near if _likeness(name, each) == _likeness(name, near[0])]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ", did you mean X?" for what is closest to `name`, else "". A message goes on with a semicolon."""
    near = closest(name, known)
    return f", did you mean {' or '.join(near)}?" if near else ""


def unknown(name: str, known: Iterable[str]) -> str:
    """Return what a message says behind a name that is not among the `known`: is unknown, and what may be chosen."""
    names = list(known)
    return f"is unknown{did_you_mean(name, names)}; choose one of {', '.join(names)}"


def _likeness(name: str, other: str) -> float:
    return SequenceMatcher(None, other, name.lower()).ratio()
