# SPDX-License-Identifier: Apache-2.0
"""`blsh train` shared by several processes: the model of one process, and what is said where they do not fit."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.learning.joint import ranks as joint_ranks
from blsh_trainer.learning.joint.ranks import Ranks

from .blsh_command import Blsh

SMALL = (
    *("--projections=12", "--thresholds=2", "--dictionaries=4", "--entries=16", "--neighbours=8"),
    *("--passes=1", "--steps=12", "--jobs=1"),
)
WAIT_S = 120


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def two_ranks(blsh: Blsh, corpus: Path, port: int, *others: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Run both ranks, each with its options of `others`; return exit code, stdout and stderr of each."""
    ranks = []
    for rank, options in enumerate(others):
        shared = ("train", corpus, *SMALL, f"--coordinator=127.0.0.1:{port}", "--ranks=2", f"--rank={rank}", "--json")
        ranks.append(blsh.start(*shared, *options))
    found = []
    try:
        for process in ranks:
            stdout, stderr = process.communicate(timeout=WAIT_S)
            found.append((process.returncode, stdout, stderr))
    finally:
        for process in ranks:
            with process:
                process.kill()
    return found


@pytest.mark.slow
def test_two_processes_train_the_model_of_one(blsh: Blsh, corpus: Path) -> None:
    blsh.apart().succeed("train", corpus, *SMALL, "-o", "one.npz")
    outputs = (("-o", "two.npz", "--checkpoint=fit.ck"), ("-o", "none.npz"))
    first, second = two_ranks(blsh, corpus, free_port(), *outputs)
    assert (first[0], second[0]) == (0, 0), f"{first}\n{second}"
    assert json.loads(first[1])["model"] == "two.npz"
    assert json.loads(second[1]) == {"model": None, "rank": 1, "ranks": 2}
    assert not (blsh.cwd / "none.npz").exists() and (blsh.cwd / "fit.ck").exists()
    with np.load(blsh.cwd / "one.npz") as one, np.load(blsh.cwd / "two.npz") as two:
        assert set(one.files) == set(two.files)
        for name in ("projections", "votes", "weights", "bit_votes"):
            steps = np.abs(one[name].astype(np.int64) - two[name].astype(np.int64))
            assert steps.max() <= 1, f"{name}: sums in another order move an integer by a step at most"
        # Adam divides a gradient by its size and 1e-8. Where a threshold's gradient is hardly more than that, the order
        # of its sum shows: by some hundredths of the first step, which is a hundredth of the largest thresholds.
        np.testing.assert_allclose(one["thresholds"], two["thresholds"], rtol=0.005)
        assert (np.unpackbits(one["codes"]) == np.unpackbits(two["codes"])).mean() > 0.999
    first, second = two_ranks(blsh, corpus, free_port(), outputs[0], ("--steps=13",))
    for code, stdout, stderr in (first, second):
        assert (code, stdout) == (2, "") and "Traceback" not in stderr
        assert "error: rank 1 has steps 13, rank 0 has 12; give all ranks the same command but for --rank" in stderr


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rank=1", "--ranks=2"], "--coordinator is missing; several processes need --coordinator, --rank, --ranks"),
        (["--coordinator=127.0.0.1:1", "--rank=2", "--ranks=2"], "rank 2 of 2; choose 0 to 1"),
        (["--coordinator=here", "--rank=0", "--ranks=2"], "coordinator 'here' is no address; give HOST:PORT"),
        (["--coordinator=127.0.0.1:1", "--rank=1", "--ranks=2"], "cannot reach rank 0 at 127.0.0.1:1: .* refused"),
    ],
)
def test_ranks_that_cannot_be_are_refused(
    blsh: Blsh, corpus: Path, options: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joint_ranks, "WAIT_S", 0.5)
    blsh.refuse(words, "train", corpus, *SMALL, "-o", "model.npz", *options)


def meet(ranks: Ranks) -> None:
    with ranks.meeting({}, 0.2):
        pass


def test_a_rank_that_does_not_come_is_named() -> None:
    with pytest.raises(BlshError, match=r"rank 1 of 3 has not come within 0.2 s"):
        meet(Ranks(f"127.0.0.1:{free_port()}", 0, 3))


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(BlshError, match=rf"cannot listen at {taken}: Address already in use"):
            meet(Ranks(taken, 0, 2))


def test_a_coordinator_that_says_nothing_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(BlshError, match=rf"cannot reach rank 0 at {silent}: it does not answer as rank 0"):
            meet(Ranks(silent, 1, 2))


@pytest.mark.slow
def test_a_rank_that_dies_ends_the_training(blsh: Blsh, corpus: Path) -> None:
    port = free_port()
    shared = (
        "train",
        corpus,
        *SMALL,
        "--steps=100000",
        "-o",
        "lost.npz",
        f"--coordinator=127.0.0.1:{port}",
        "--ranks=2",
    )
    with blsh.start(*shared, "--rank=1") as lost, blsh.start(*shared, "--rank=0") as left:
        try:
            said = ""
            while "learning" not in said:
                line = lost.stderr.readline() if lost.stderr else ""
                assert line, f"ended before it learned:\n{said}"
                said += line
            lost.kill()
            stdout, stderr = left.communicate(timeout=WAIT_S)
        finally:
            lost.kill()
            left.kill()
    assert (left.returncode, stdout) == (2, ""), stderr
    assert "Traceback" not in stderr and "error: another rank of 2 has ended early" in stderr
    assert not (blsh.cwd / "lost.npz").exists()


def test_the_coordinator_waits_until_the_others_have_left() -> None:
    address, order = f"127.0.0.1:{free_port()}", []
    ready, may_leave = threading.Event(), threading.Event()

    def other() -> None:
        with Ranks(address, 1, 2).meeting({}):
            ready.set()
            assert may_leave.wait(WAIT_S)
            order.append("rank 1 leaves")

    with ThreadPoolExecutor(1) as pool:
        left = pool.submit(other)
        with Ranks(address, 0, 2).meeting({}) as wait_until_left:
            assert ready.wait(WAIT_S)
            threading.Timer(0.1, may_leave.set).start()
            wait_until_left()
            order.append("rank 0 leaves")
        left.result()
    assert order == ["rank 1 leaves", "rank 0 leaves"]
