# SPDX-License-Identifier: Apache-2.0
"""Read the arrays, the card and the credits of an artifact's file, and say what is wrong with a damaged one."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from blsh_trainer.arrays import AnyArray
from blsh_trainer.errors import BlshError
from blsh_trainer.files import require_file
from blsh_trainer.model.card import CORPORA, Card, digest
from blsh_trainer.model.voting_model import GEOMETRY_FORMAT
from blsh_trainer.npz import NpzError, opened_npz

FORMAT_VERSION = GEOMETRY_FORMAT
"""The newest format; `Model.format_version` is the format that a model needs."""


def read_arrays(file: Path) -> dict[str, AnyArray]:
    """Return all arrays of an artifact. BlshError for a file that is missing, none, damaged or of a newer format."""
    require_file(file, f"there is no model artifact {file}; check the path or train one with `blsh train`")
    with ExitStack() as closing:
        try:
            archive = closing.enter_context(opened_npz(file))
        except NpzError as error:
            raise BlshError(
                f"{file} is not a model artifact, or is cut short ({error}); train or copy it again"
            ) from error
        if "format_version" not in archive.names:
            lack = archive.lacks("format_version")
            raise BlshError(f"{file} is not a model artifact ({lack}); give a file from `blsh train`")
        try:
            _check_version(file, archive.read("format_version"))
            return {name: archive.read(name) for name in archive.names}
        except NpzError as error:
            raise BlshError(f"{file} is damaged ({error}); train or copy it again") from error


def _check_version(file: Path, version: AnyArray) -> None:
    if version.shape != () or not np.issubdtype(version.dtype, np.integer):
        raise BlshError(f"{file}: format_version is not one integer; it is damaged, train or copy it again")
    if int(version) > FORMAT_VERSION:
        raise BlshError(
            f"{file} has format version {int(version)}, made by a newer version of blsh-mcu; "
            f"this one reads up to {FORMAT_VERSION}, upgrade it"
        )
    if int(version) < 1:
        raise BlshError(f"{file} has format version {int(version)}; expected 1 to {FORMAT_VERSION}, train it again")


def read_card(file: Path, array: AnyArray) -> Card:
    """Return the card in `array`, uint8 (bytes,). BlshError unless it is a JSON object."""
    try:
        card = json.loads(array.tobytes().decode("utf-8"), parse_constant=_refuse_constant)
    except ValueError as error:
        raise BlshError(f"{file}: the card is not JSON ({error}); it is damaged, train or copy it again") from error
    if not isinstance(card, dict):
        raise BlshError(f"{file}: the card is a {type(card).__name__}; expected a JSON object")
    return card


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}")


def read_credits(file: Path, array: AnyArray) -> Any:
    """Return the credits in `array`, uint8 (bytes,). BlshError unless they match their own SHA-256."""
    if array.dtype != np.uint8 or array.ndim != 1:
        raise BlshError(
            f"{file}: array {CORPORA!r} is {array.dtype} with shape {array.shape}; expected uint8 in 1 dimension"
        )
    found = read_card(file, array)
    listed, stored = found.get(CORPORA), found.get("sha256")
    if stored != digest(listed):
        raise BlshError(
            f"{file}: the credits of its recordings have another SHA-256 than the artifact says, {stored}; "
            "they were changed after training, copy or train it again"
        )
    return listed


def check_arrays(file: Path, arrays: dict[str, AnyArray], expected: dict[str, tuple[str, int]]) -> None:
    """Raise BlshError unless all expected arrays are there, with their types and numbers of dimensions."""
    for name, (dtype, dimensions) in expected.items():
        if name not in arrays:
            raise BlshError(f"{file} lacks the array {name!r}; it is damaged, train or copy it again")
        array = arrays[name]
        if array.dtype != np.dtype(dtype) or array.ndim != dimensions:
            raise BlshError(
                f"{file}: array {name!r} is {array.dtype} with shape {array.shape}; "
                f"expected {dtype} in {dimensions} dimension(s)"
            )
