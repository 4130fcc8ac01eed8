"""What experiments have computed, on disk under the hash of all that determines it: a rerun goes on from there."""

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
"""Counts up whenever the code computes something else from the same options: what is on disk is then left alone."""

Identity = Mapping[str, Any]


class Store:
    """Results as JSON and arrays as .npz, in folders by kind; every file appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def result(self, kind: str, identity: Identity) -> Any:
        """Return what `keep_result` was given for this identity, or None; a damaged file counts as none."""
        try:
            found = json.loads(read_own(self._file(kind, identity, ".json")))
            return found["result"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_result(self, kind: str, identity: Identity, result: Any) -> None:
        """Write `result` (JSON values) beside its identity. BlshError where the folder or disk refuses it."""
        text = json.dumps({"identity": identity, "result": result}, indent=1, sort_keys=True) + "\n"
        with replacing(self._file(kind, identity, ".json")) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def arrays(self, kind: str, identity: Identity) -> dict[str, AnyArray] | None:
        """Return what `keep_arrays` was given for this identity, or None; a damaged file counts as none."""
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
        """Write `arrays`. BlshError where the folder or disk refuses it."""
        with replacing(self._file(kind, identity, ".npz")) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)

    def path(self, kind: str, identity: Identity, suffix: str) -> Path:
        """Return where a file of one's own for this identity belongs."""
        return self._file(kind, identity, suffix)

    def _file(self, kind: str, identity: Identity, suffix: str) -> Path:
        whole = json.dumps({"code": CODE_VERSION, **identity}, sort_keys=True)
        return self.folder / kind / (hashlib.sha256(whole.encode()).hexdigest()[:24] + suffix)
