# SPDX-License-Identifier: Apache-2.0
"""Compute a function of an index in several processes; the results do not depend on the number of processes."""

import os
import pickle
import tempfile
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from blsh_trainer.errors import BlshError
from blsh_trainer.interrupts import deaf_children
from blsh_trainer.progress import Progress

Result = TypeVar("Result")


def check_jobs(jobs: int | None) -> int:
    """Return the number of processes to use, for None one for each core. BlshError for less than 1."""
    if jobs is not None and jobs < 1:
        raise BlshError(f"{jobs} jobs; choose 1 or more processes")
    if jobs is not None:
        return jobs
    import joblib  # it takes a fifth of the time of `blsh card`, which starts no process

    return int(joblib.cpu_count())


def computed(
    task: Callable[[int], Result], count: int, jobs: int | None, what: str, progress: Progress | None = None
) -> list[Result]:
    """Return [task(0), ..., task(count - 1)], in `jobs` processes (None: one for each core).

    `task` goes to each process once, as a file, and must be picklable if `jobs` is above 1. Each call has one thread of
    BLAS, because sums of more threads differ in the last bits. The first exception of a call ends all other calls and
    is raised here. Ctrl-C, SIGTERM and SIGHUP end all calls. BlshError if a process dies.

    `progress` is called with `what` and the number of calls that are done.
    """
    processes = min(check_jobs(jobs), count)
    if processes <= 1:
        results = []
        for index in range(count):
            results.append(_alone(task, index))
            _tell(progress, what, index + 1, count)
        return results
    return _in_processes(task, count, processes, what, progress)


def _in_processes(
    task: Callable[[int], Result], count: int, processes: int, what: str, progress: Progress | None
) -> list[Result]:
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    with tempfile.TemporaryDirectory(prefix="blsh-") as folder:
        file = Path(folder) / "task"
        with file.open("wb") as stream:
            pickle.dump(task, stream, protocol=5)
        found: dict[int, Result] = {}
        with deaf_children():
            coming = joblib.Parallel(
                processes, batch_size=1, pre_dispatch="2 * n_jobs", return_as="generator_unordered"
            )(joblib.delayed(_from_file)(os.fspath(file), index) for index in range(count))
        try:
            with warnings.catch_warnings():  # joblib replaces a worker whose task has used much memory, and warns of it
                warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
                for index, result in coming:
                    found[index] = result
                    _tell(progress, what, len(found), count)
        except TerminatedWorkerError as error:
            raise BlshError(
                f"a process died while {what}, as when memory runs out; use fewer jobs or a smaller model"
            ) from error
    return [found[index] for index in range(count)]


def _from_file(file: str, index: int) -> tuple[int, Any]:
    return index, _alone(_loaded(file), index)


@lru_cache(maxsize=1)
def _loaded(file: str) -> Callable[[int], Any]:
    with Path(file).open("rb") as stream:
        task: Callable[[int], Any] = pickle.load(stream)
    return task


def _alone(task: Callable[[int], Result], index: int) -> Result:
    with threadpool_limits(1):
        return task(index)


def _tell(progress: Progress | None, what: str, done: int, total: int) -> None:
    if progress is not None:
        progress(what, done, total)
