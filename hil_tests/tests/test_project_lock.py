# SPDX-License-Identifier: Apache-2.0
"""Check the lock of a project: one program at a time has it, a killed one gives it up, its holder may take it again."""

import os
import threading
from pathlib import Path

import pytest

from blsh_hil.boards.project_lock import LOCK_FILE, project_lock

from .other_program import HELD, other_program

HOLD = f"""
import pathlib, sys
from blsh_hil.boards.project_lock import project_lock
with project_lock(pathlib.Path(sys.argv[1])):
    {HELD}
"""


def test_lock_of_a_killed_program_is_free(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Check that a waiter learns who holds the lock, and gets it only when the holder ends."""
    with other_program(HOLD, str(tmp_path)) as holder:
        entered = threading.Event()

        def wait() -> None:
            with project_lock(tmp_path):
                entered.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        while not caplog.messages and waiter.is_alive():
            waiter.join(0.01)
        assert (
            caplog.messages[0].startswith("waiting for `python -c ")
            and f"(pid {holder.pid}, since" in caplog.messages[0]
        )
        assert not entered.is_set()
        holder.kill()
        waiter.join()
        assert entered.is_set()


def test_who_has_the_lock_may_take_it_again_by_every_name_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "link").symlink_to("project")
    with project_lock(tmp_path / "project"), project_lock(tmp_path / "link"), project_lock(tmp_path / "project"):
        pass
    with project_lock(tmp_path / "link"):  # and it was given back
        assert (tmp_path / "project" / LOCK_FILE).is_file()


def test_threads_of_one_program_take_turns(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(50):
            with project_lock(tmp_path):
                inside += 1
                most = max(most, inside)
                os.sched_yield()
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_folder_in_which_nobody_can_build_needs_no_lock(tmp_path: Path) -> None:
    (tmp_path / ".pio").write_text("a file in its place")
    with project_lock(tmp_path):
        pass
    assert (tmp_path / ".pio").read_text() == "a file in its place"
