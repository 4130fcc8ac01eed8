# SPDX-License-Identifier: Apache-2.0
"""Types of arrays, and the checks that every signal and every table of rows pass."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blsh_trainer.errors import BlshError

FloatArray: TypeAlias = NDArray[np.float64]
ComplexArray: TypeAlias = NDArray[np.complex128]
BoolArray: TypeAlias = NDArray[np.bool_]
ByteArray: TypeAlias = NDArray[np.uint8]
IntArray: TypeAlias = NDArray[np.int64]
AnyArray: TypeAlias = NDArray[Any]


def check_signal(x: ArrayLike, what: str) -> FloatArray:
    """Return `x` as float64 (n,), the same array if it is one already.

    BlshError, naming `what`, unless `x` is one channel of finite real samples.
    """
    signal = np.asarray(x)
    if signal.ndim != 1:
        raise BlshError(f"{what} has shape {signal.shape}; expected one channel, shape (samples,)")
    if not np.issubdtype(signal.dtype, np.integer) and not np.issubdtype(signal.dtype, np.floating):
        raise BlshError(f"{what} has dtype {signal.dtype}; expected real samples")
    samples = signal.astype(np.float64, copy=False)
    finite = np.isfinite(samples)
    if not finite.all():
        where = int(np.argmin(finite))
        raise BlshError(f"{what} holds {samples[where]} at sample {where}; all must be finite, repair the recording")
    return samples


def check_rows(rows: ArrayLike, what: str, columns: int | None = None) -> FloatArray:
    """Return `rows` as float64 (T, D).

    BlshError, naming `what`, unless they are finite and D is `columns` (None: any).
    """
    array = np.asarray(rows, dtype=np.float64)
    if array.ndim != 2 or (columns is not None and array.shape[1] != columns):
        width = "features" if columns is None else str(columns)
        raise BlshError(f"{what} has shape {array.shape}; expected (frames, {width})")
    if not np.isfinite(array).all():
        raise BlshError(f"{what} holds a NaN or an infinity; every value must be finite")
    return array
