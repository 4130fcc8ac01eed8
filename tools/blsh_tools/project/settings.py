# SPDX-License-Identifier: Apache-2.0
"""What a blsh.toml asks for, with its paths found and its values checked against each other."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from blsh_tools.options.arguments import DEFAULT_BOARD, DEFAULT_MODEL
from blsh_tools.options.model import FirmwareOptions
from blsh_tools.project.keys import BUDGETS, OUTPUTS, TRAINING
from blsh_tools.project.settings_file import SETTINGS_NAME, SettingsFile
from blsh_trainer.errors import BlshError
from blsh_trainer.files import require_file, require_folder
from blsh_trainer.model.boxed_models import BOX, boxed_models, model_file
from blsh_trainer.model.tuning import Tuning
from blsh_trainer.signals.geometry import CLASSES, parse_geometry
from blsh_trainer.suggestions import did_you_mean

if TYPE_CHECKING:  # it takes half a second to import, which `blsh run` of a project without recordings need not
    from blsh_trainer.learning.joint.options import JointOptions

KEPT: Final = ".blsh"
"""The folder beside blsh.toml of what `blsh run` keeps for itself."""
_MODEL: Final = "out/model.npz"
_NEED_A_BOARD: tuple[str, ...] = ("image", "proof")


@dataclass(frozen=True)
class Project:
    """A folder with a blsh.toml. folder: its absolute path. Paths in the file are taken from there."""

    file: SettingsFile
    folder: Path

    @cached_property
    def corpora(self) -> tuple[Path, ...]:
        """The corpora to learn from; none where the model is taken as it is."""
        return tuple(self.folder / text for text in self.file.get("model", "corpora", ()))

    @property
    def noise(self) -> Path | None:
        """The folder of noises, for a corpus that has none."""
        return self._path("model", "noise")

    @cached_property
    def source(self) -> Path:
        """The artifact that is taken as it is: one in the folder, or one of the box."""
        text = self.file.get("model", "from", str(DEFAULT_MODEL))
        own: Path = self.folder / text
        return own if own.is_file() or text not in boxed_models() else model_file(Path(text))

    @property
    def trained(self) -> Path:
        """The artifact before it is tuned."""
        return self.kept / "trained.npz" if self.corpora else self.source

    @property
    def kept(self) -> Path:
        """The folder of what `blsh run` keeps for itself."""
        return self.folder / KEPT

    @property
    def tuning(self) -> Tuning:
        """The values in [tuning]."""
        return Tuning(**self.file.values.get("tuning", {}))

    @property
    def board(self) -> str:
        """The board of the firmware."""
        return str(self.file.get("firmware", "board", DEFAULT_BOARD))

    @property
    def firmware(self) -> FirmwareOptions:
        """The options of the firmware's model, as `blsh generate` takes them."""
        given = self.file.values.get("firmware", {})
        return FirmwareOptions(**{**given, "board": given.get("board")})

    @property
    def recordings(self) -> tuple[Path, ...]:
        """The recordings to denoise as examples."""
        return tuple(self.folder / text for text in self.file.get("examples", "recordings", ()))

    @cached_property
    def outputs(self) -> dict[str, Path]:
        """The places of the outputs that are wanted, by target, in the order in which they are made."""
        given = {"model": _MODEL, **self.file.values.get("outputs", {})}
        return {name: self.folder / given[name] for name in OUTPUTS if name in given}

    @cached_property
    def training(self) -> "JointOptions":
        """The options of learning. BlshError for options that do not go together."""
        from blsh_trainer.learning.joint.options import joint_options

        given = self.file.values.get("training", {})
        geometry = self.file.get("model", "class", str(DEFAULT_MODEL))
        chosen = {name: given[name] for name in TRAINING if name in given}
        try:
            return joint_options({**chosen, "geometry": parse_geometry(geometry)})
        except BlshError as error:
            raise BlshError(f"{self.file.path}: [training]: {error}") from error

    def told(self, path: Path) -> str:
        """Return a path as it is told: from the project's folder; a model of the box by its name."""
        if path.parent == BOX:  # where the package lies tells a user nothing, and may change
            return f"{path.stem} of the box"
        return Path(os.path.relpath(path, self.folder)).as_posix()

    def used(self, *tables: str) -> dict[str, Any]:
        """Return the values in some tables by "table.key"."""
        return {f"{table}.{key}": value for table in tables for key, value in self.file.values.get(table, {}).items()}

    def _path(self, table: str, key: str) -> Path | None:
        text = self.file.get(table, key)
        return None if text is None else self.folder / text


def load_project(folder: Path) -> Project:
    """Read the blsh.toml in `folder` and check that its parts go together.

    BlshError, with file, line and key, for whatever cannot be used.
    """
    file = SettingsFile(folder / SETTINGS_NAME)
    project = Project(file, folder.resolve())
    _check_model(project)
    _check_outputs(project)
    names = [path.stem for path in project.recordings]
    for path in project.recordings:
        require_file(path, str(file.fault("examples", "recordings", f": there is no {project.told(path)}")))
        if names.count(path.stem) > 1:
            raise file.fault("examples", "recordings", f": two recordings are named {path.stem}; rename one")
    corpus = file.get("proof", "corpus")
    if corpus is not None:
        require_folder(project.folder / corpus, str(file.fault("proof", "corpus", f": there is no folder {corpus}")))
    return project


def _check_model(project: Project) -> None:
    file = project.file
    if not project.corpora:
        learned = [("model", "class"), ("model", "noise"), ("model", "without")]
        learned += [("training", key) for key in file.values.get("training", {})]
        for table, key in learned:
            if file.get(table, key) is not None:
                raise file.fault(table, key, ": it is for a model that is learned; leave it out, or give model.corpora")
        if not project.source.is_file():
            given = str(file.get("model", "from"))
            told = f" = {given!r}{did_you_mean(given, boxed_models())}"
            told += "; expected a model of `blsh models`, or an artifact in the folder"
            raise file.fault("model", "from", told)
        return
    if file.get("model", "from") is not None:
        raise file.fault("model", "from", ": model.corpora is there, too; give one of the two")
    for path in (*project.corpora, *([project.noise] if project.noise else [])):
        key = "noise" if path == project.noise else "corpora"
        require_folder(path, str(file.fault("model", key, f": there is no folder {project.told(path)}")))
    _ = project.training


def _check_outputs(project: Project) -> None:
    """Raise BlshError where an output lies in another, or would replace what it is made from."""
    inputs: Mapping[str, Path] = {
        SETTINGS_NAME: project.folder / SETTINGS_NAME,
        "what `blsh run` keeps": project.kept,
        **{f"the corpus {project.told(path)}": path for path in project.corpora},
        **{f"the recording {project.told(path)}": path for path in project.recordings},
        "the model": project.source,
    }
    places = {name: Path(os.path.normpath(path)) for name, path in project.outputs.items()}
    for name, place in places.items():
        for what, path in inputs.items():
            if _overlap(place, Path(os.path.normpath(path))):
                raise project.file.fault(
                    "outputs", name, f" = {project.told(place)!r} overlaps {what}; choose another place"
                )
        for other, there in places.items():
            if other != name and _overlap(place, there):
                told = f" = {project.told(place)!r} overlaps outputs.{other}; choose places beside each other"
                raise project.file.fault("outputs", name, told)
    needing = [("outputs", name) for name in _NEED_A_BOARD if name in places]
    needing += [("firmware", name) for name in BUDGETS if project.file.get("firmware", name) is not None]
    for table, name in needing:
        if project.file.get("firmware", "board") is None:
            raise project.file.fault(table, name, ": it needs a board; give firmware.board, see `blsh boards`")


def _overlap(one: Path, other: Path) -> bool:
    return one == other or one in other.parents or other in one.parents


def class_name(text: str) -> str:
    """Return the class's name for a geometry that has one, else the geometry as four numbers."""
    geometry = parse_geometry(text)
    return next((name for name, each in CLASSES.items() if each == geometry), str(geometry))
