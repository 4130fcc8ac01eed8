# SPDX-License-Identifier: Apache-2.0
"""Work on blocks of frames on a Dask cluster: the extra `distributed`.

A task makes each block of frames once, from the file that the frames are mapped from or from frames sent with the
task. Codes and pair weights are made on the workers and stay there; only projections and sums cross the wire. Dask can
repeat every task, so that other workers make anew what a dead worker held, the same to the last bit.
"""

import pickle
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from blsh_trainer.compute.frame_chunks import FrameBlock
from blsh_trainer.errors import BlshError
from blsh_trainer.extras import require

_CONNECT_SECONDS = "10s"


class DaskPool:
    """A pool on the cluster of the scheduler at `address`, such as tcp://host:8786; close it, or use it in `with`.

    BlshError where Dask is not installed, the scheduler does not answer or has no workers, and where a worker runs
    another numpy, with which the bits might differ. `sent_bytes` and `received_bytes` count arguments and results.
    """

    def __init__(self, address: str) -> None:
        require("distributed")
        import distributed

        connect: Any = distributed.Client
        try:
            self._client = connect(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise BlshError(
                f"the scheduler {address} does not answer ({error}); start one: dask scheduler, dask worker {address}"
            ) from error
        self.sent_bytes = 0
        self.received_bytes = 0
        try:
            self._check_workers(address)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "DaskPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster, which drops the data that it held for this pool."""
        self._client.close()

    def hold(self, blocks: Sequence[FrameBlock]) -> list[Any]:
        with warnings.catch_warnings():  # frames in memory must be sent; sent with the task, they outlive a worker
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            return [self._submit(FrameBlock.loaded, [block.portable()], ()) for block in blocks]

    def map(self, function: Callable[..., Any], *columns: Sequence[Any], shared: tuple[Any, ...] = ()) -> list[Any]:
        return [self._submit(function, row, shared) for row in zip(*columns, strict=True)]

    def collect(self, held: Sequence[Any]) -> list[Any]:
        import distributed

        try:
            results: list[Any] = self._client.gather(list(held))
        except (CancelledError, distributed.KilledWorker, OSError) as error:
            raise BlshError(
                f"the cluster gave up: {error}; mend it and repeat the command, from its checkpoint if it had one"
            ) from error
        self.received_bytes += sum(_size(result) for result in results)
        return results

    def _submit(self, function: Callable[..., Any], row: Sequence[Any], shared: tuple[Any, ...]) -> Any:
        from distributed import Future

        self.sent_bytes += sum(_size(value) for value in (*row, *shared) if not isinstance(value, Future))
        return self._client.submit(_alone, function, *row, *shared, pure=False)

    def _check_workers(self, address: str) -> None:
        versions = self._client.run(_numpy_version)
        if not versions:
            raise BlshError(f"the scheduler {address} has no workers; start some: dask worker {address}")
        for worker, version in sorted(versions.items()):
            if version != np.__version__:
                raise BlshError(
                    f"worker {worker} has numpy {version}, this process {np.__version__}; install the same on both"
                )


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call `function` with single-threaded linear algebra, as learners do with the local pool."""
    global _limits
    if _limits is None:
        _limits = threadpool_limits(1)  # never changed back: other tasks of the worker may run in between
    return function(*arguments)


_limits: Any = None


def _numpy_version() -> str:
    return np.__version__


def _size(value: Any) -> int:
    return len(pickle.dumps(value, protocol=5))
