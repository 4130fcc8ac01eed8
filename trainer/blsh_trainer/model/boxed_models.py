# SPDX-License-Identifier: Apache-2.0
"""The trained models that the package carries: for each class of products one, and a small one where it makes sense."""

from pathlib import Path
from typing import Final

from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel, load_model
from blsh_trainer.signals.geometry import CLASSES, Geometry
from blsh_trainer.suggestions import did_you_mean

BOX: Final = Path(__file__).parents[1] / "box"
"""The folder of the models."""
SMALL: Final = "-small"
"""What follows the class in the name of a model whose firmware fits 64 KiB of flash."""


def boxed_models() -> dict[str, Path]:
    """Return the file of each model in the box by name: in the order of CLASSES, a small one behind the large one."""
    found = {file.stem: file for file in BOX.glob("*.npz")}
    names = [name for each in CLASSES for name in (each, each + SMALL)]
    return {name: found[name] for name in names if name in found}


def boxed_model(geometry: Geometry) -> AnyModel:
    """Return the large model in the box that has a geometry. BlshError where there is none."""
    for name, file in boxed_models().items():
        if CLASSES.get(name) == geometry:
            return load_model(file)
    raise BlshError(
        f"no model in the box has the geometry {geometry}; there are {_listed()}. Train one: blsh train --geometry "
        f"{geometry}"
    )


def model_file(given: Path) -> Path:
    """Return `given`, or the file of the model in the box that has this name, where no file of that name lies here.

    BlshError where there is neither.
    """
    boxed = boxed_models().get(str(given))
    if boxed is not None:
        return given if given.is_file() else boxed  # a folder of that name is no model
    if given.exists() or len(given.parts) > 1 or given.suffix:
        return given  # whoever reads the file says what is wrong with it
    meant = did_you_mean(str(given), boxed_models())
    raise BlshError(f"there is no file {given}, and no model of that name in the box{meant}; it has {_listed()}")


def _listed() -> str:
    return ", ".join(boxed_models())
