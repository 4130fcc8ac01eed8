# SPDX-License-Identifier: Apache-2.0
"""Keep a joint training on disk, so that an interrupted one goes on where it was."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing
from blsh_trainer.learning.checkpoint import check_identity, fingerprint, read_identified
from blsh_trainer.learning.joint.options import JointOptions
from blsh_trainer.learning.joint.scene_frames import SceneFrames
from blsh_trainer.npz import NpzError, opened_npz

_FORMAT = 1
_PLAYBACK = ("name", "neighbours", "floor_db", "shift_odds", "start_odds", "steady_odds")
"""Options that do not change what is learned: another value goes on from the same checkpoint."""


class JointCheckpoint:
    """A file of the parameters, the optimiser's moments and the steps done of one fit.

    It belongs to the kind of model that is called `learnable`, the options and the frames.
    """

    def __init__(self, path: Path, learnable: str, options: JointOptions, frames: SceneFrames) -> None:
        self._path = path
        learned = {name: value for name, value in options.to_card().items() if name not in _PLAYBACK}
        data = fingerprint(frames.features) + fingerprint(frames.sums)
        self._identity = {"format": _FORMAT, "learner": "joint", "model": learnable, **learned, "data": data}

    def load(self, state: Any) -> tuple[int, Any]:
        """Return the steps done and the state after them; 0 and `state` where there is no file yet.

        BlshError for a file that is no checkpoint, is damaged or is of another fit.
        """
        identity = read_identity(self._path)
        if identity is None:
            return 0, state
        check_identity(self._path, self._identity, identity, "scenes")
        leaves, tree = jax.tree.flatten(state)
        try:
            with opened_npz(self._path) as archive:
                done = int(archive.read("done"))
                found = [archive.read(f"leaf{i}") for i in range(len(leaves))]
        except (NpzError, ValueError, TypeError) as error:
            raise BlshError(f"{self._path} is a damaged checkpoint ({error}); remove it to begin anew") from error
        if any(np.shape(a) != np.shape(b) for a, b in zip(found, leaves, strict=True)):
            raise BlshError(f"{self._path} is a damaged checkpoint; remove it to begin anew")
        return done, jax.tree.unflatten(tree, found)

    def save(self, done: int, state: Any) -> None:
        """Replace the file by one of `state` after `done` steps. BlshError if it cannot be written."""
        leaves: dict[str, Any] = {f"leaf{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
        identity = json.dumps(self._identity, sort_keys=True)
        with replacing(self._path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, identity=np.array(identity), done=np.array(done), **leaves)


def read_identity(path: Path) -> dict[str, Any] | None:
    """Return what the checkpoint of a joint fit belongs to; None where there is no file yet.

    BlshError for a file that is no checkpoint of a joint fit.
    """
    found = read_identified(path, "a joint fit")
    if found is None:
        return None
    identity, _ = found
    if not isinstance(identity, dict) or identity.get("learner") != "joint":
        raise BlshError(f"{path} is no checkpoint of a joint fit; remove it or name another file")
    return identity
