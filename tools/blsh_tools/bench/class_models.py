# SPDX-License-Identifier: Apache-2.0
"""Read the models of the classes of products: a folder holds one for each class, under its name."""

from pathlib import Path

from blsh_trainer.errors import BlshError
from blsh_trainer.files import require_folder
from blsh_trainer.model.artifact import AnyModel, load_model
from blsh_trainer.signals.geometry import CLASSES, Geometry


def load_class_models(folder: Path) -> dict[str, AnyModel]:
    """Return the models NAME.npz of `folder` by the names of CLASSES, in their order; a class may lack its model.

    BlshError where there is no model at all, and for a model whose latency or rate is not that of its class.
    """
    names = ", ".join(f"{name}.npz" for name in CLASSES)
    require_folder(folder, f"there is no folder {folder}; name one that holds {names}, or some of them")
    found = {}
    for name, offered in CLASSES.items():
        path = folder / f"{name}.npz"
        if path.exists():
            found[name] = load_model(path)
            _check_class(path, found[name].geometry, offered)
    if not found:
        raise BlshError(f"{folder} has no model of a class; put {names} there, or some of them (blsh train --latency)")
    return found


def speed_of(geometry: Geometry) -> str:
    """Return latency and rate in words, as "16 ms at 16000 Hz"."""
    return f"{1000 * geometry.latency_s:g} ms at {geometry.rate_hz} Hz"


def _check_class(path: Path, own: Geometry, offered: Geometry) -> None:
    if (own.rate_hz, own.latency_s) != (offered.rate_hz, offered.latency_s):
        raise BlshError(
            f"{path} is a model of {speed_of(own)} ({own}), the class {path.stem} is {speed_of(offered)}; "
            f"train it with: blsh train CORPUS --geometry {path.stem} -o {path}"
        )
