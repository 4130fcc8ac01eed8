# SPDX-License-Identifier: Apache-2.0
"""The callback by which long work says how far it is, and that callback under another name."""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called as progress(what, done, total), `done` counting from 1."""


def named(progress: Progress | None, what: str) -> Progress | None:
    """Return a callback that tells `progress` of all work as `what`; None for None."""
    if progress is None:
        return None
    return lambda _, done, total: progress(what, done, total)


def named_within(progress: Progress | None, whole: str) -> Progress | None:
    """Return a callback that tells `progress` of each step as "whole: step"; None for None."""
    if progress is None:
        return None
    return lambda step, done, total: progress(f"{whole}: {step}", done, total)
