# SPDX-License-Identifier: Apache-2.0
"""Pools that work on blocks of frames: threads of this process, or a cluster (dask_pool.py), with the same bits."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

from threadpoolctl import threadpool_limits

from blsh_trainer.compute.frame_chunks import FrameBlock
from blsh_trainer.errors import BlshError


class Pool(Protocol):
    """Workers on blocks of frames, perhaps elsewhere: `collect` fetches the results of `hold` and `map`."""

    def hold(self, blocks: Sequence[FrameBlock]) -> list[Any]:
        """Put each block where work on it will be done. Return the blocks, or references to them."""

    def map(self, function: Callable[..., Any], *columns: Sequence[Any], shared: tuple[Any, ...] = ()) -> list[Any]:
        """Return function(*row, *shared) for each row of `columns`, or references to the results, in order."""

    def collect(self, held: Sequence[Any]) -> list[Any]:
        """Return the results that `held` are or refer to, in order."""


class LocalPool:
    """A pool of threads in this process: numpy releases the interpreter's lock in all that takes time here."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = usable_threads() if threads is None else threads
        if self.threads < 1:
            raise BlshError(f"threads is {self.threads}; choose 1 or more")

    def hold(self, blocks: Sequence[FrameBlock]) -> list[FrameBlock]:
        return list(blocks)

    def map(self, function: Callable[..., Any], *columns: Sequence[Any], shared: tuple[Any, ...] = ()) -> list[Any]:
        rows = list(zip(*columns, strict=True))
        if self.threads == 1 or len(rows) == 1:
            return [function(*row, *shared) for row in rows]
        with ThreadPoolExecutor(self.threads) as executor:
            futures = [executor.submit(function, *row, *shared) for row in rows]
            try:
                return [future.result() for future in futures]
            except BaseException:  # after Ctrl-C, too, no waiting block may begin
                executor.shutdown(wait=False, cancel_futures=True)
                raise

    def collect(self, held: Sequence[Any]) -> list[Any]:
        return list(held)


def usable_threads() -> int:
    """Return $OMP_NUM_THREADS, which numpy heeds as well, or else the number of cores that this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    usable = os.cpu_count() or 1
    if sys.platform == "linux":
        usable = len(os.sched_getaffinity(0))
    return usable


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep linear algebra to one thread in the block: the order of its sums depends on the number of threads."""
    with threadpool_limits(1):
        yield
