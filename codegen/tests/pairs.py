# SPDX-License-Identifier: Apache-2.0
"""Pairs of parameters of which a part runs every time: all pairs would take minutes."""

from collections.abc import Iterable
from typing import Any

import pytest


def pairs(firsts: Iterable[Any], seconds: Iterable[Any]) -> list[Any]:
    """Return all pairs of two lists as parameters of a test; those off the diagonal are slow.

    The diagonal goes through both lists, the shorter one again from its start, so each value runs every time.
    """
    rows, columns = list(firsts), list(seconds)
    span = max(len(rows), len(columns))
    quick = {(at % len(rows), at % len(columns)) for at in range(span)}
    return [
        pytest.param(row, column, marks=() if (i, j) in quick else pytest.mark.slow)
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    ]
