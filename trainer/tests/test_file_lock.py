# SPDX-License-Identifier: Apache-2.0
"""Locks of files: one holder at a time, by flock and as Windows locks."""

import fcntl
import importlib.util
import os
import sys
import types
from pathlib import Path
from types import ModuleType

import pytest

from blsh_trainer import file_lock

LK_NBLCK = 2


def locking(file: int, mode: int, count: int) -> None:
    """Stand in for msvcrt.locking: an error where another has the bytes, which lie past what others read."""
    assert (mode, count) == (LK_NBLCK, 1) and os.lseek(file, 0, os.SEEK_CUR) > 1 << 20
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.fixture(params=["posix", "windows"])
def locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the module as it is here, and as it is on Windows with a stand-in for msvcrt."""
    if request.param == "posix":
        return file_lock
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=LK_NBLCK))
    spec = importlib.util.spec_from_file_location("file_lock_on_windows", file_lock.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_holds_the_lock_until_it_closes_the_file(locks: ModuleType, tmp_path: Path) -> None:
    first, second = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    try:
        assert locks.try_lock(first) and not locks.try_lock(second)
        os.close(first)
        locks.wait_for_lock(second)
        third = os.open(tmp_path / "lock", os.O_RDWR)
        assert not locks.try_lock(third)
        os.close(third)
    finally:
        os.close(second)


def test_what_a_holder_writes_replaces_what_was_there(locks: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("a longer text of before", encoding="utf-8")
    file = os.open(tmp_path / "lock", os.O_RDWR)
    assert locks.try_lock(file)
    locks.rewrite(file, "ours")
    assert (tmp_path / "lock").read_text(encoding="utf-8") == "ours"
    os.close(file)
