# SPDX-License-Identifier: Apache-2.0
"""Let the processes of one training meet, before JAX connects them, so that what keeps them apart is said in words.

Rank 0 listens at the coordinator's address. Each other rank sends it a line of JSON: its number, the number of ranks
and its plan, by which is meant all that has to be the same everywhere. Each gets a line back: what is wrong, or null.

The connections stay open until the training has ended. JAX aborts a rank that takes its leave of a coordinator which
is gone already, so rank 0 goes last: it waits until the others have closed their ends.
"""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from blsh_trainer.errors import BlshError

Plan = Mapping[str, Any]

WAIT_S = 60.0
"""The time that ranks wait for each other."""
_RETRY_S, _SOON_S = 0.2, 0.001
_LINE_S = 5.0  # for a line once somebody has called
_LEAVE_S = 30.0  # for a rank to end once the training has
_MOST_CHARACTERS = 1 << 16
_ADDRESS = re.compile(r"([^\s:]+):([1-9]\d{0,4})")
_SAME = "give all ranks the same command but for --rank"


@dataclass(frozen=True)
class Ranks:
    """The place of this process among the `count` that train together: its `rank`, from 0; rank 0 is the coordinator.

    coordinator: the coordinator's HOST:PORT. BlshError for another form of address, and for numbers out of range.
    """

    coordinator: str
    rank: int
    count: int

    def __post_init__(self) -> None:
        found = _ADDRESS.fullmatch(self.coordinator)
        if found is None or int(found[2]) > 0xFFFF:
            raise BlshError(f"coordinator {self.coordinator!r} is no address; give HOST:PORT, as 127.0.0.1:9100")
        if self.count < 2:
            raise BlshError(f"{self.count} ranks; choose 2 or more, or train without --coordinator")
        if not 0 <= self.rank < self.count:
            raise BlshError(f"rank {self.rank} of {self.count}; choose 0 to {self.count - 1}")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the coordinator."""
        host, port = self.coordinator.rsplit(":", 1)
        return host, int(port)

    @contextmanager
    def meeting(self, plan: Plan, wait_s: float | None = None) -> Iterator[Callable[[], None]]:
        """Run the block once all ranks are there and have the same plan, JSON values. wait_s: None for WAIT_S.

        Give the block a function that returns, on rank 0, once the other ranks have left their blocks, or have had
        `_LEAVE_S` for it; on other ranks at once. BlshError, on each rank that is there, where one does not come
        within `wait_s`, comes twice, or differs.
        """
        wait_s = WAIT_S if wait_s is None else wait_s
        with ExitStack() as opened:
            others: list[socket.socket] = []
            try:
                if self.rank == 0:
                    error = self._receive(plan, wait_s, others, opened)
                else:
                    error = self._report(plan, wait_s, opened)
            except OSError as failed:
                what = "listen" if self.rank == 0 else "reach rank 0"
                raise BlshError(
                    f"cannot {what} at {self.coordinator}: {failed.strerror or failed}; "
                    f"start rank 0 there, and all {self.count} ranks within {wait_s:g} s"
                ) from failed
            if error is not None:
                raise BlshError(error)
            yield lambda: _wait_for_ends(others)

    def _receive(self, plan: Plan, wait_s: float, callers: list[socket.socket], opened: ExitStack) -> str | None:
        deadline = time.monotonic() + wait_s
        seen: set[int] = set()
        error = None
        with socket.create_server(self.address) as server:
            while error is None and len(seen) < self.count - 1:
                server.settimeout(max(deadline - time.monotonic(), _SOON_S))
                try:
                    caller = opened.enter_context(server.accept()[0])
                except TimeoutError:
                    missing = min({*range(1, self.count)} - seen)
                    error = f"rank {missing} of {self.count} has not come within {wait_s:g} s; start all ranks anew"
                    break
                told = _line(caller, min(deadline, time.monotonic() + _LINE_S))
                if told is not None:  # else something else has found the port
                    callers.append(caller)
                    error = self._fault(told, plan, seen)
                    seen.update(() if error else (told["rank"],))
        for caller in callers:
            caller.sendall(json.dumps({"error": error}).encode() + b"\n")
        return error

    def _fault(self, told: dict[str, Any], plan: Plan, seen: AbstractSet[int]) -> str | None:
        rank, count, theirs = told.get("rank"), told.get("ranks"), told.get("plan")
        if count != self.count:
            return f"rank {rank} was told of {count} ranks, rank 0 of {self.count}; {_SAME}"
        if not isinstance(rank, int) or not 1 <= rank < self.count or rank in seen:
            return f"rank {rank} has come twice or is none of 1 to {self.count - 1}; give each rank a number of its own"
        ours: Plan = json.loads(json.dumps(plan))
        theirs = theirs if isinstance(theirs, dict) else {}
        for name in dict.fromkeys((*ours, *theirs)):
            if ours.get(name) != theirs.get(name):
                return f"rank {rank} has {name} {theirs.get(name)!r}, rank 0 has {ours.get(name)!r}; {_SAME}"
        return None

    def _report(self, plan: Plan, wait_s: float, opened: ExitStack) -> str | None:
        deadline = time.monotonic() + wait_s
        server = opened.enter_context(self._connected(deadline))
        line = json.dumps({"rank": self.rank, "ranks": self.count, "plan": plan})
        server.sendall(line.encode() + b"\n")
        answer = _line(server, deadline + wait_s)  # rank 0 may have begun to wait only now
        if answer is None or "error" not in answer:
            raise OSError("it does not answer as rank 0 of a training does")
        error: str | None = answer["error"]
        return error

    def _connected(self, deadline: float) -> socket.socket:
        while True:
            try:
                return socket.create_connection(self.address, timeout=max(deadline - time.monotonic(), _SOON_S))
            except OSError:
                if time.monotonic() + _RETRY_S > deadline:
                    raise
                time.sleep(_RETRY_S)


def _line(caller: socket.socket, deadline: float) -> dict[str, Any] | None:
    """Return the object of JSON that `caller` sends as a line; None for anything else."""
    caller.settimeout(max(deadline - time.monotonic(), _SOON_S))
    try:
        with caller.makefile("r", encoding="utf-8") as stream:
            found = json.loads(stream.readline(_MOST_CHARACTERS))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _wait_for_ends(others: list[socket.socket]) -> None:
    """Return once the process at the other end of each connection has closed it, or `_LEAVE_S` have passed."""
    deadline = time.monotonic() + _LEAVE_S
    for other in others:
        other.settimeout(max(deadline - time.monotonic(), _SOON_S))
        with suppress(OSError):
            while other.recv(_MOST_CHARACTERS):
                pass
