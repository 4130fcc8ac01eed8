# SPDX-License-Identifier: Apache-2.0
"""The devices that a joint training runs on: one of this process, or one of each of several processes.

All processes run the same program on arrays that JAX splits over their devices: a batch by its sequences, parameters
not at all. So the loss is that of the whole batch, and its sums go over the network (gloo on CPUs).
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding

from blsh_trainer.errors import BlshError
from blsh_trainer.learning.joint.ranks import Plan, Ranks

_untyped: Any = jax  # for functions of JAX that declare no types
_SEQUENCES = "sequences"
_LOST_S = 30


class Devices:
    """The devices of a training, of which this process has one. BlshError where it has none called `name`."""

    def __init__(self, name: str) -> None:
        try:
            found = jax.devices(name)
        except RuntimeError as error:
            raise BlshError(
                f"device {name!r}: JAX finds none here; choose cpu, or install jax[cuda12] beside an NVIDIA driver"
            ) from error
        first = [next(d for d in found if d.process_index == rank) for rank in range(jax.process_count())]
        mesh = Mesh(np.array(first), (_SEQUENCES,))
        self.rank, self.count = jax.process_index(), jax.process_count()
        self.own = first[self.rank]
        self._whole, self._split = (NamedSharding(mesh, _untyped.P(*axes)) for axes in ((), (_SEQUENCES,)))

    def part(self, sequences: int) -> slice:
        """Return which of the sequences of a batch this process draws. BlshError where they cannot be shared evenly."""
        each, over = divmod(sequences, self.count)
        if over:
            raise BlshError(
                f"{sequences} sequences cannot be shared by {self.count} ranks; choose ranks that divide {sequences}"
            )
        return slice(self.rank * each, (self.rank + 1) * each)

    def shared(self, batch: Any) -> Any:
        """Return the whole batch, of which each process gives its sequences."""
        return jax.tree.map(lambda rows: _untyped.make_array_from_process_local_data(self._split, rows), batch)

    def everywhere(self, state: Any) -> Any:
        """Return arrays that each process has whole, as rank 0 gives them."""
        if self.count > 1:
            state = multihost_utils.broadcast_one_to_all(state)
        return jax.tree.map(
            lambda leaf: _untyped.make_array_from_process_local_data(self._whole, np.asarray(leaf)), state
        )


@contextmanager
def training_devices(name: str, ranks: Ranks | None = None, plan: Plan | None = None) -> Iterator[Devices]:
    """Give the block the device `name` (cpu or gpu) of this process, or with `ranks` those of all processes.

    plan: what has to be the same on all ranks. BlshError where there is no such device, and for ranks as of
    Ranks.meeting; within the block where another rank ends early. Where rank 0 does, JAX ends this process.
    """
    if ranks is None:
        yield Devices(name)
        return
    with ranks.meeting(plan or {}) as wait_until_left, _connected(ranks):
        yield Devices(name)
        multihost_utils.sync_global_devices("end")
        wait_until_left()


@contextmanager
def _connected(ranks: Ranks) -> Iterator[None]:
    """Connect the devices of all ranks for the block. BlshError within it where another rank ends early."""
    _untyped.config.update("jax_enable_recoverability", True)  # or the loss of a rank would abort all others
    jax.distributed.initialize(
        ranks.coordinator,
        ranks.count,
        ranks.rank,
        heartbeat_timeout_seconds=_LOST_S,
        shutdown_timeout_seconds=_LOST_S,
        coordinator_bind_address=ranks.coordinator,
    )
    try:
        with _output_to_errors():
            multihost_utils.sync_global_devices("begin")
        yield
    except (ValueError, RuntimeError) as error:  # what JAX makes of a connection that broke
        if "gloo" not in str(error).lower():
            raise
        raise BlshError(
            f"another rank of {ranks.count} has ended early; see what it says, and start all anew"
        ) from error
    finally:
        with suppress(RuntimeError):
            _untyped.distributed.shutdown()


@contextmanager
def _output_to_errors() -> Iterator[None]:
    """Send what is written to file descriptor 1 to that of standard error: gloo greets there, past sys.stdout."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
