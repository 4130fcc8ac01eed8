# SPDX-License-Identifier: Apache-2.0
"""Keep results of experiments in the work folder, under the hash of all that determines it, for later runs."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from blsh_trainer.arrays import AnyArray
from blsh_trainer.files import replacing
from blsh_trainer.npz import NpzError, opened_npz
from blsh_trainer.own_files import read_own

CODE_VERSION = 1
"""Count this up when the code computes something else from the same options: files of before are then not used."""

Identity = Mapping[str, Any]


class Store:
    """A store of results as JSON and arrays as .npz, in a folder for each kind; a file appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def result(self, kind: str, identity: Identity) -> Any:
        """Return the result that was kept for this identity, or None; a damaged file counts as missing."""
        try:
            found = json.loads(read_own(self._file(kind, identity, ".json")))
            return found["result"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_result(self, kind: str, identity: Identity, result: Any) -> None:
        """Keep `result`, JSON values, together with its identity. BlshError where the folder or the disk refuses it."""
        text = json.dumps({"identity": identity, "result": result}, indent=1, sort_keys=True) + "\n"
        with replacing(self._file(kind, identity, ".json")) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def arrays(self, kind: str, identity: Identity) -> dict[str, AnyArray] | None:
        """Return the arrays that were kept for this identity, or None; a damaged file counts as missing."""
        try:
            with opened_npz(self._file(kind, identity, ".npz")) as archive:
                return {name: archive.read(name) for name in archive.names}
        except (NpzError, OSError):
            return None

    def has(self, kind: str, identity: Identity) -> bool:
        """Return whether there are arrays for this identity, by the archive's directory: no array is read.

        `arrays` may still find one damaged.
        """
        try:
            with opened_npz(self._file(kind, identity, ".npz")):
                return True
        except (NpzError, OSError):
            return False

    def keep_arrays(self, kind: str, identity: Identity, arrays: Mapping[str, AnyArray]) -> None:
        """Keep `arrays`. BlshError where the folder or the disk refuses it."""
        with replacing(self._file(kind, identity, ".npz")) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)

    def path(self, kind: str, identity: Identity, suffix: str) -> Path:
        """Return the path for a file that the caller writes for this identity."""
        return self._file(kind, identity, suffix)

    def _file(self, kind: str, identity: Identity, suffix: str) -> Path:
        whole = json.dumps({"code": CODE_VERSION, **identity}, sort_keys=True)
        return self.folder / kind / (hashlib.sha256(whole.encode()).hexdigest()[:24] + suffix)
