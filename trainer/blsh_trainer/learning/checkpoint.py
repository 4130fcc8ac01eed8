# SPDX-License-Identifier: Apache-2.0
"""Keep on disk the bits that a fit has learned, so that an interrupted fit goes on where it was."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from blsh_trainer.arrays import AnyArray, FloatArray
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing, require_file
from blsh_trainer.npz import NpzError, opened_npz

_FORMAT = 1
_CHUNK = 1 << 16


class Checkpoint:
    """A file of the bits that a fit has learned: weights v = [P, b] (l, D + 1) and betas (l,), float64.

    It belongs to one fit, that with `parameters` (JSON values) on the features with the fingerprint `data`. The number
    of bits is none of the parameters: a longer fit begins with the bits of a shorter one.
    """

    def __init__(self, path: Path, parameters: dict[str, Any], data: str) -> None:
        self._path = path
        self._identity = {"format": _FORMAT, **parameters, "data": data}

    def load(self, width: int) -> tuple[FloatArray, FloatArray] | None:
        """Return weights (l, width) and betas (l,), or None where there is no file yet.

        BlshError for a file that is no checkpoint, is damaged or is of another fit.
        """
        found = read_checkpoint(self._path)
        if found is None:
            return None
        identity, weights, betas = found
        self._compare(identity)
        fits = weights.shape == (len(betas), width) and weights.dtype == betas.dtype == np.float64
        if not (fits and np.isfinite(weights).all() and np.isfinite(betas).all()):
            raise BlshError(f"{self._path} is a damaged checkpoint; remove it to begin anew")
        return weights, betas

    def save(self, weights: FloatArray, betas: FloatArray) -> None:
        """Replace the file by one of `weights` and `betas`. BlshError if it cannot be written; the old file stays."""
        identity = json.dumps(self._identity, sort_keys=True)
        with replacing(self._path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, identity=np.array(identity), weights=weights, betas=betas)

    def _compare(self, found: dict[str, Any]) -> None:
        if not isinstance(found, dict):
            raise BlshError(f"{self._path} is no checkpoint of a fit; remove it or name another file")
        check_identity(self._path, self._identity, found, "frames")


def check_identity(path: Path, own: dict[str, Any], found: dict[str, Any], learned_from: str) -> None:
    """Raise BlshError, which names the first difference, unless `found` in the checkpoint `path` is the fit's `own`.

    learned_from: what "data" is the fingerprint of, for the message: frames or scenes.
    """
    for name in sorted({*own, *found}):
        if own.get(name) != found.get(name):
            what = f"other training {learned_from}" if name == "data" else f"a fit with {name} {found.get(name)!r}"
            wanted = "" if name == "data" else f", this one has {own.get(name)!r}"
            raise BlshError(f"the checkpoint {path} is of {what}{wanted}; remove it or name another file")


def read_checkpoint(path: Path) -> tuple[Any, AnyArray, AnyArray] | None:
    """Return identity (JSON values), weights and betas of a checkpoint of any fit; None where there is no file.

    BlshError for a file that is no checkpoint.
    """
    found = read_identified(path, "a fit", "weights", "betas")
    if found is None:
        return None
    identity, (weights, betas) = found
    return identity, weights, np.atleast_1d(betas)


def read_identified(path: Path, what: str, *names: str) -> tuple[Any, list[AnyArray]] | None:
    """Return the identity (JSON values) of a checkpoint and the arrays of these names; None where there is no file.

    what: of what it is to be a checkpoint, for the message. BlshError for a file that is none.
    """
    if not path.exists():
        return None
    require_file(path, f"{path} is not a file; name one for the checkpoint")
    try:
        with opened_npz(path) as archive:
            identity = json.loads(str(archive.read("identity")))
            return identity, [archive.read(name) for name in names]
    except (NpzError, ValueError) as error:  # ValueError: the identity is not JSON
        raise BlshError(f"{path} is no checkpoint of {what} ({error}); remove it or name another file") from error


def fingerprint(H: AnyArray) -> str:
    """Return the SHA-256 of features (T, D), their shape and type included."""
    digest = hashlib.sha256(f"{H.shape} {H.dtype.str}".encode())
    for at in range(0, len(H), _CHUNK):
        digest.update(np.ascontiguousarray(H[at : at + _CHUNK]).data)
    return digest.hexdigest()
