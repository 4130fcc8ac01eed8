# SPDX-License-Identifier: Apache-2.0
"""The place of an export: the files that it replaces, leaves alone, and reads to decide."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.export import export_library
from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.emit.library import EXPORT_RECORD_NAME
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model

from .exports import OPTIONS, artifact, contents


@pytest.fixture
def model(rng: np.random.Generator) -> Model:
    return artifact(rng, "stft", "ibm")


@pytest.fixture
def library(model: Model, tmp_path: Path) -> Path:
    """Return an export of `model`."""
    export_library(model, OPTIONS, tmp_path / "library")
    return tmp_path / "library"


def fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def large(path: Path) -> None:
    path.touch()
    os.truncate(path, 30 << 30)


def dangling(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("nowhere")


@pytest.mark.parametrize("lay", [fifo, large, dangling])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("other/x", "other exists and is no export of blsh; choose another folder, it is left as it is"),
        (f"other/{EXPORT_RECORD_NAME}", "other exists and is no export of blsh"),
        ("library/x", "library/x is not of the export; move it away or choose another folder than"),
        ("library/README.txt", r"library/README\.txt(: | is not of the export)"),
    ],
)
def test_only_files_that_a_record_names_are_read(
    model: Model, library: Path, lay: Callable[[Path], None], name: str, words: str
) -> None:
    """A pipe is not waited for, what fills no memory is not read, and the right file is named."""
    place = library.parent / name
    place.parent.mkdir(exist_ok=True)
    lay(place)
    with pytest.raises(BlshError, match=words):
        export_library(model, OPTIONS, place.parent)
    assert os.path.lexists(place)


def test_a_folder_of_others_in_an_export_is_left_alone(model: Model, library: Path) -> None:
    (library / "src" / "mine").mkdir()
    (library / "examples" / "mine").symlink_to(library.parent, target_is_directory=True)
    for _ in range(2):  # the order in which they are found is the file system's
        with pytest.raises(BlshError, match="/mine is not of the export"):
            export_library(model, GenerateOptions(entries=50), library)
        left = [path for path in (library / "src" / "mine", library / "examples" / "mine") if path.exists()]
        left[0].unlink() if left[0].is_symlink() else left[0].rmdir()
    export_library(model, GenerateOptions(entries=50), library)


def test_links_in_a_circle_are_no_folder(model: Model, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(BlshError, match=r"cannot write .*/a: .*choose (another|a writable) folder"):
        export_library(model, OPTIONS, tmp_path / "a")


def test_same_input_same_bytes_and_no_file_is_touched(model: Model, library: Path, tmp_path: Path) -> None:
    before = (library / "src" / "blsh_model.c").stat()
    export_library(model, OPTIONS, library)
    after = (library / "src" / "blsh_model.c").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    export_library(model, OPTIONS, tmp_path / "deep" / "other")
    assert contents(tmp_path / "deep" / "other") == contents(library)


def test_an_export_is_replaced_as_a_whole(model: Model, library: Path) -> None:
    """What the last one held and the new one lacks is gone; a file that was lost is back."""
    stale = library / "src" / "blsh_stale.c"
    stale.write_text("")
    record = json.loads((library / EXPORT_RECORD_NAME).read_text())
    record["files"]["src/blsh_stale.c"] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (library / EXPORT_RECORD_NAME).write_text(json.dumps(record))
    (library / "README.txt").unlink()
    export_library(model, GenerateOptions(entries=50), library)
    assert not stale.exists() and (library / "README.txt").is_file()
    assert json.loads((library / EXPORT_RECORD_NAME).read_text())["dictionary_entries"] == 50
    assert [path.name for path in library.parent.iterdir()] == ["library"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda folder: (folder / "notes.txt").write_text("mine"),
            r"notes\.txt is not of the export; move it away.*make clean",
        ),
        (lambda folder: (folder / "src" / "blsh.h").write_text("x"), r"src/blsh\.h was changed after it was exported"),
        (lambda folder: (folder / EXPORT_RECORD_NAME).unlink(), "exists and is no export of blsh; choose another"),
        (lambda folder: (folder / EXPORT_RECORD_NAME).write_text("[1]"), "exists and is no export of blsh"),
        (lambda folder: (folder / EXPORT_RECORD_NAME).write_text('{"files": [1]}'), "exists and is no export of blsh"),
    ],
)
def test_what_is_not_ours_or_was_edited_is_left_alone(model: Model, library: Path, spoil: object, words: str) -> None:
    assert callable(spoil)
    spoil(library)
    before = contents(library)
    with pytest.raises(BlshError, match=words):
        export_library(model, GenerateOptions(entries=50), library)
    assert contents(library) == before
    assert [path.name for path in library.parent.iterdir()] == ["library"]


def test_an_empty_folder_and_a_link_to_one_are_filled(model: Model, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    export_library(model, OPTIONS, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "library.json").is_file()


def test_a_file_or_a_place_that_cannot_be_written(model: Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BlshError, match="file: it is a file; name a folder"):
        export_library(model, OPTIONS, tmp_path / "file")
    with pytest.raises(BlshError, match=r"cannot (write|read) .*file/library"):
        export_library(model, OPTIONS, tmp_path / "file" / "library")
    with pytest.raises(BlshError, match=r"cannot write /proc/blsh/x: .*choose a writable folder"):
        export_library(model, OPTIONS, Path("/proc/blsh/x"))
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_model_that_does_not_fit_leaves_no_folder(model: Model, tmp_path: Path) -> None:
    with pytest.raises(BlshError, match="201 entries asked for"):
        export_library(model, GenerateOptions(entries=201), tmp_path / "library")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_leaves_the_old_export(model: Model, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(library)
    written: list[str] = []
    write = Path.write_bytes

    def fail_late(path: Path, content: bytes) -> int:
        written.append(path.name)
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fail_late)
    with pytest.raises(BlshError, match="No space left on device; free some space"):
        export_library(model, GenerateOptions(entries=50), library)
    assert len(written) == 5 and contents(library) == before
    assert [path.name for path in library.parent.iterdir()] == ["library"]
