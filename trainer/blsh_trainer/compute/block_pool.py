"""Where the work on blocks is done: in threads here, or on a cluster (cluster.py). The results are the same bits."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

from threadpoolctl import threadpool_limits

from blsh_trainer.compute.frame_chunks import FrameBlock
from blsh_trainer.errors import BlshError


class Pool(Protocol):
    """Computes on blocks. What `hold` and `map` return stays where it was made, until `collect` brings it here."""

    def hold(self, blocks: Sequence[FrameBlock]) -> list[Any]:
        """Put each block where work on it will be done; return the blocks or what stands for them."""

    def map(self, function: Callable[..., Any], *columns: Sequence[Any], shared: tuple[Any, ...] = ()) -> list[Any]:
        """Return function(*row, *shared) for each row of `columns`, or what stands for it, in order."""

    def collect(self, held: Sequence[Any]) -> list[Any]:
        """Return the results themselves, in order."""


class LocalPool:
    """Threads of this process: numpy lets go of the interpreter in all that takes time here."""

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
            except BaseException:  # Ctrl-C too: what has not begun need not
                executor.shutdown(wait=False, cancel_futures=True)
                raise

    def collect(self, held: Sequence[Any]) -> list[Any]:
        return list(held)


def usable_threads() -> int:
    """Return $OMP_NUM_THREADS, the number that numpy itself heeds, or the number of cores this process may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else len(os.sched_getaffinity(0))


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep the linear algebra itself to one thread: the order of its sums would depend on their number."""
    with threadpool_limits(1):
        yield
