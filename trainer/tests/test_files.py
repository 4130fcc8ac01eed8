# SPDX-License-Identifier: Apache-2.0
"""Files that appear whole or not at all, and the words for paths that cannot be read or written."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing, require_file, require_folder, write_text_if_changed
from blsh_trainer.replacing_folder import replacing_folder

TOO_LONG = "x" * 300


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_full_disk_is_told_and_leaves_the_old_file_alone(tmp_path, small_disk):
    (tmp_path / "a.txt").write_text("old")
    with (
        pytest.raises(BlshError, match=r"cannot write .*a\.txt: File too large; free some space"),
        small_disk(1000),
        replacing(tmp_path / "a.txt") as temporary,
    ):
        temporary.write_bytes(bytes(5000))
    assert names(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_text() == "old"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_other_forms_of_a_full_disk_are_told_too(tmp_path, code):
    with pytest.raises(BlshError, match=r"cannot write .*a\.txt"), replacing(tmp_path / "a.txt"):
        raise OSError(code, os.strerror(code))
    assert names(tmp_path) == []


def test_a_folder_in_the_way_is_told(tmp_path):
    (tmp_path / "a").mkdir()
    with (
        pytest.raises(BlshError, match=r"cannot write .*a: it is a folder; name a file"),
        replacing(tmp_path / "a") as temporary,
    ):
        temporary.write_text("new")
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/elsewhere"),
        OSError(errno.ENOSPC, "No space left on device", "/elsewhere"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        BlshError("bad input"),
        RuntimeError("a bug"),
    ],
)
def test_errors_that_concern_something_else_pass_as_they_are(tmp_path, error):
    with pytest.raises(type(error)) as caught, replacing(tmp_path / "a.txt"):
        raise error
    assert caught.value is error and names(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    for target, advice in ((tmp_path / "file" / "a.txt", "a writable folder"), (tmp_path / TOO_LONG, "a shorter name")):
        with pytest.raises(BlshError, match=f"choose {advice}"), replacing(target):
            pass


def test_text_is_written_as_utf_8_and_left_alone_while_it_is_the_same(tmp_path):
    path = tmp_path / "deep" / "table.h"
    assert write_text_if_changed(path, "ä\nb\n") == path
    assert path.read_bytes() == b"\xc3\xa4\nb\n"
    os.utime(path, (1, 1))
    write_text_if_changed(path, "ä\nb\n")
    assert path.stat().st_mtime == 1
    write_text_if_changed(path, "ä\nc\n")
    assert path.stat().st_mtime > 1 and path.read_text(encoding="utf-8") == "ä\nc\n"
    assert names(path.parent) == ["table.h"]


def test_lines_that_differ_in_their_ends_alone_are_rewritten(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a\r\n")
    assert write_text_if_changed(tmp_path / "a.txt", "a\n").read_bytes() == b"a\n"


def test_missing_files_and_folders_are_told_in_the_caller_s_words(tmp_path):
    (tmp_path / "file").write_text("")
    require_file(tmp_path / "file", "no")
    require_folder(tmp_path, "no")
    for path in (tmp_path / "none", tmp_path / TOO_LONG, tmp_path / "file" / "a"):
        with pytest.raises(BlshError, match=r"^no such thing$"):
            require_file(path, "no such thing")
    os.mkfifo(tmp_path / "fifo")
    for path, kind in ((tmp_path, "folder"), (tmp_path / "fifo", "pipe"), (Path(os.devnull), "device")):
        with pytest.raises(BlshError, match=f"{path} is a {kind}; name a file"):
            require_file(path, "no such thing")
    for path in (tmp_path / "file", tmp_path / "none", tmp_path / TOO_LONG):
        with pytest.raises(BlshError, match=r"^no such thing$"):
            require_folder(path, "no such thing")


def test_a_file_that_may_not_be_read_is_told_with_the_reason(tmp_path, locked):
    (tmp_path / "secret").write_text("")
    with locked(tmp_path / "secret"), pytest.raises(BlshError, match=r"cannot read .*secret: Permission denied"):
        require_file(tmp_path / "secret", "no")


def test_a_symbolic_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "old.txt").write_text("old")
    for name, to in (("link", "deep/old.txt"), ("dangling", "deep/new.txt"), ("second", "link")):
        (tmp_path / name).symlink_to(to)
        with replacing(tmp_path / name) as temporary:
            assert temporary.parent == tmp_path / "deep", "on the same disk"
            temporary.write_text(name)
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "deep" / "old.txt").read_text() == "second"
    assert (tmp_path / "deep" / "new.txt").read_text() == "dangling"
    assert names(tmp_path / "deep") == ["new.txt", "old.txt"]


def test_links_in_a_circle_are_told(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(BlshError, match=r"cannot write .*a: .*lead to each other"), replacing(tmp_path / "a"):
        pass
    assert names(tmp_path) == ["a", "b"]


def test_pipes_and_devices_are_written_through_and_stay(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    reader = os.open(tmp_path / "pipe.wav", os.O_RDONLY | os.O_NONBLOCK)
    (tmp_path / "null").symlink_to(os.devnull)
    for path in (tmp_path / "pipe.wav", tmp_path / "null"):
        with replacing(path) as temporary:
            assert temporary.suffix == path.suffix
            temporary.write_bytes(b"all of it")
    assert os.read(reader, 100) == b"all of it" and (tmp_path / "pipe.wav").is_fifo()
    os.close(reader)
    assert names(tmp_path) == ["null", "pipe.wav"] and (tmp_path / "null").is_char_device()


def test_a_full_device_says_that_it_is_the_output():
    with pytest.raises(BlshError, match="cannot write /dev/full: No space left"), replacing("/dev/full") as temporary:
        temporary.write_bytes(b"x")


@pytest.mark.parametrize("length", [1, 5, 241, 242, 255])
@pytest.mark.parametrize("letter", ["x", "ä", "語"])
@pytest.mark.parametrize("suffix", ["", ".npz", "." + 200 * "s"])
def test_names_as_long_as_they_can_be_are_written(tmp_path, length, letter, suffix):
    suffix = suffix[: max(0, length - 1)]
    room = length - len(suffix)
    name = letter * (room // len(letter.encode())) + "x" * (room % len(letter.encode())) + suffix
    with replacing(tmp_path / name) as temporary:
        assert len(os.fsencode(temporary.name)) <= max(length, 5 + len(suffix))
        assert len(suffix) > 16 or temporary.suffix == suffix
        temporary.write_text("new")
    assert names(tmp_path) == [name]
    with replacing_folder(tmp_path / "folder" / name) as building:
        (building / "a").write_text("new")
    assert names(tmp_path / "folder") == [name]


def test_a_link_to_a_folder_stays_and_its_folder_is_replaced(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a").write_text("old")
    (tmp_path / "link").symlink_to("old")
    with replacing_folder(tmp_path / "link") as building:
        (building / "b").write_text("new")
    assert (tmp_path / "link").is_symlink() and names(tmp_path / "old") == ["b"]
    assert names(tmp_path) == ["link", "old"]


def test_a_folder_that_vanishes_is_told(tmp_path):
    with (
        pytest.raises(BlshError, match=r"cannot write .*gone/a.txt: No such file or directory"),
        replacing(tmp_path / "gone" / "a.txt"),
    ):
        shutil.rmtree(tmp_path / "gone")
