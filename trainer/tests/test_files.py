import errno
import os

import pytest

from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing, require_file, require_folder, write_text_if_changed

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
    with pytest.raises(BlshError, match=r"cannot write .*a: Is a directory"), replacing(tmp_path / "a") as temporary:
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
    for target in (tmp_path / "file" / "a.txt", tmp_path / TOO_LONG):
        with pytest.raises(BlshError, match="choose a writable folder"), replacing(target):
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
    for path in (tmp_path, tmp_path / "none", tmp_path / TOO_LONG, tmp_path / "file" / "a"):
        with pytest.raises(BlshError, match=r"^no such thing$"):
            require_file(path, "no such thing")
    for path in (tmp_path / "file", tmp_path / "none", tmp_path / TOO_LONG):
        with pytest.raises(BlshError, match=r"^no such thing$"):
            require_folder(path, "no such thing")


def test_a_file_that_may_not_be_read_is_told_with_the_reason(tmp_path, locked):
    (tmp_path / "secret").write_text("")
    with locked(tmp_path / "secret"), pytest.raises(BlshError, match=r"cannot read .*secret: Permission denied"):
        require_file(tmp_path / "secret", "no")
