# SPDX-License-Identifier: Apache-2.0
"""Write and read networks and checkpoints of their training: arrays and a JSON card in one .npz, without pickle."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from blsh_trainer.arrays import AnyArray
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing, require_file
from blsh_trainer.npz import NpzError, opened_npz

_FORMAT = 1
_CARD = "card"


def save_arrays(path: str | os.PathLike[str], kind: str, arrays: dict[str, AnyArray], card: dict[str, Any]) -> None:
    """Write a file of one `kind`. BlshError if the folder or the disk refuses it; a former file then stays whole."""
    text = json.dumps({"format": _FORMAT, "kind": kind, **card}, sort_keys=True)
    with replacing(path) as temporary, temporary.open("wb") as stream:
        members: dict[str, Any] = {_CARD: np.array(text), **{name: arrays[name] for name in sorted(arrays)}}
        np.savez(stream, **members)


def load_arrays(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    """Return (arrays, card). BlshError for a missing or damaged file and for one of another kind or format."""
    file = Path(path)
    require_file(file, f"there is no file {file}; check the path")
    try:
        with opened_npz(file) as archive:
            arrays = {name: archive.read(name) for name in archive.names}
        card = json.loads(str(arrays.pop(_CARD)))
        found = {name: card.pop(name) for name in ("format", "kind")}
    except (NpzError, ValueError, KeyError, TypeError, AttributeError) as error:  # NpzError, or a card that is none
        raise BlshError(f"{file} is no {kind} ({error}); it may be damaged: make it anew") from error
    if found != {"format": _FORMAT, "kind": kind}:
        raise BlshError(f"{file} is a {found['kind']} of format {found['format']}; expected a {kind} of {_FORMAT}")
    return arrays, card
