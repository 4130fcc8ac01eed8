# SPDX-License-Identifier: Apache-2.0
"""The firmware as a process of this machine: how it starts, what it refuses to start with, and that it always ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blsh_hil.boards.host import HostBoard, HostImage, build_host
from blsh_hil.wire.framing import encode
from blsh_hil.wire.messages import ResetStream
from blsh_trainer.errors import BlshError

from .small_model import write_model

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("server host")]  # the program is built once
PATIENCE_S = 60  # long enough for an immediate answer on a busy machine


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> HostImage:
    return build_host(write_model(tmp_path_factory.mktemp("generated")), sanitize=True)


def gone(pid: int) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_nothing_is_left_after_close(image: HostImage) -> None:
    for _ in range(5):
        with HostBoard(image) as board:
            pid = board.process.pid
        assert board.process.returncode is not None
        assert gone(pid)
    with pytest.raises(RuntimeError, match="inside its `with` block"):
        board.url  # noqa: B018


def test_process_dies_with_a_killed_parent(image: HostImage) -> None:
    script = (
        "import sys, time; from pathlib import Path; from blsh_hil.boards.host import *\n"
        f"with HostBoard(HostImage(Path({str(image.program)!r}), 0)) as board:\n"
        "    print(board.process.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
    assert gone(pid)


def test_inherited_connection_ends_the_process_with_it(image: HostImage) -> None:
    ours, theirs = socket.socketpair()
    environment = {**os.environ, "BLSH_HOST_FD": str(theirs.fileno())}
    with subprocess.Popen([image.program], env=environment, pass_fds=[theirs.fileno()]) as process, ours:
        theirs.close()
        ours.sendall(encode(ResetStream.TYPE, 1, ResetStream(7).pack()))
        assert ours.recv(100)
        ours.shutdown(socket.SHUT_WR)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("port", [None, "0", "70000", "x"])
def test_unusable_settings_are_named(image: HostImage, port: str | None) -> None:
    environment = {**os.environ} | ({} if port is None else {"BLSH_HOST_PORT": port})
    done = subprocess.run([image.program], env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert "BLSH_HOST_PORT" in done.stderr


def test_missing_model_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(BlshError, match=r"no generated model in .*; make one first: blsh generate"):
        build_host(tmp_path)


def test_the_same_sources_are_compiled_once(tmp_path: Path) -> None:
    generated = write_model(tmp_path)
    first = build_host(generated)
    before = first.program.stat().st_mtime_ns
    assert build_host(generated) == first
    assert first.program.stat().st_mtime_ns == before
