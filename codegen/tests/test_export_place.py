"""What an export finds where it is to be written: only what the record there names is read."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from blsh_codegen.emit.export import EXPORT_RECORD_NAME, export_library
from blsh_codegen.emit.generate import GenerateOptions
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import Model

from .test_export import OPTIONS, artifact


@pytest.fixture
def model(rng: np.random.Generator) -> Model:
    return artifact(rng, "stft", "ibm")


@pytest.fixture
def library(model: Model, tmp_path: Path) -> Path:
    """An export of `model`."""
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
    with pytest.raises(BlshError, match=r"cannot write .*/a: .*choose another folder"):
        export_library(model, OPTIONS, tmp_path / "a")
