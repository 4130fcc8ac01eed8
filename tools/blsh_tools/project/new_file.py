# SPDX-License-Identifier: Apache-2.0
"""Write the first blsh.toml of a project: short, with a comment for each thing that may be changed."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blsh_codegen.emit.c_code import text_environment
from blsh_tools.options.model import PlanOptions
from blsh_tools.project.settings_file import SETTINGS_NAME
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing

_TEMPLATE: Final = "blsh.toml.j2"


@dataclass(frozen=True)
class NewProject:
    """What a new project begins with.

    model: a name of the box or an artifact, where nothing is learned. corpora, noise, geometry: to learn a model from,
    and for which class. recordings: to denoise as examples. budgets: the board, and what the model may take of it.
    image: whether the firmware is built; without a compiler it cannot be.
    """

    model: str
    corpora: Sequence[Path]
    noise: Path | None
    geometry: str
    recordings: Sequence[Path]
    budgets: PlanOptions
    image: bool


def write_settings(folder: Path, new: NewProject) -> Path:
    """Write the blsh.toml of a new project into `folder`, which is made if need be; return its path.

    BlshError where there is one already, which stays as it is, or where the folder cannot be written.
    """
    path = folder / SETTINGS_NAME
    if os.path.lexists(path):
        raise BlshError(f"{path} is there already and stays as it is; edit it, or choose another folder")
    environment = text_environment("blsh_tools", "project")
    environment.filters["toml"] = _toml
    text = environment.get_template(_TEMPLATE).render(
        new=new,
        corpora=[_from(folder, corpus) for corpus in new.corpora],
        noise=None if new.noise is None else _from(folder, new.noise),
        recordings=[_from(folder, recording) for recording in new.recordings],
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path


def _from(folder: Path, path: Path) -> str:
    """Return `path` as it is written in the file: from its folder, with slashes."""
    return Path(os.path.relpath(path, folder)).as_posix()


def _toml(value: object) -> str:
    """Return a text, number or list of them as TOML, whose strings, numbers and lists are written as JSON's are."""
    return json.dumps(value, ensure_ascii=False)
