# SPDX-License-Identifier: Apache-2.0
"""Lay the rows of the projection out as the firmware reads them (SPEC.md, 11)."""

import numpy as np
import numpy.typing as npt

_STORED_ORDER = (0, 2, 1, 3, 4, 6, 5, 7)
"""The order of eight weights in memory; it is its own inverse."""


def stored_rows(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Return rows of weights (P, D) as they lie in memory, uint8 (ceil(P / 4), ceil(D / 8), 4, 8) (SPEC.md, 3).

    Four rows lie together, eight weights of each in turn, and each four weights in the order 0, 2, 1, 3. Weights are
    raised by 128; zeros fill up.
    """
    rows, features = weights.shape
    raised = np.pad(weights, ((0, -rows % 4), (0, -features % 8))).view(np.uint8) ^ 128
    octets = raised.reshape(-1, 4, raised.shape[1] // 8, 8).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(octets[..., _STORED_ORDER])


def weights_of_stored(stored: npt.NDArray[np.uint8], rows: int, features: int) -> npt.NDArray[np.int8]:
    """Return the weights, int8 (P, D), of `stored_rows`."""
    octets = stored.reshape(-(-rows // 4), -(-features // 8), 4, 8)[..., _STORED_ORDER]
    raised = octets.transpose(0, 2, 1, 3).reshape(4 * len(octets), -1)
    return np.ascontiguousarray((raised ^ 128).view(np.int8)[:rows, :features])
