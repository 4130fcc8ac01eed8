# SPDX-License-Identifier: Apache-2.0
"""Tune the model of a project: on the page, or at once with values that are given."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import Any

from blsh_tools.console import say
from blsh_tools.project.making import fitted
from blsh_tools.project.settings import Project
from blsh_tools.project.settings_file import change_values
from blsh_tools.tuning.server import TuneServer, tuning_of
from blsh_tools.tuning.trial import Trial, read_recording
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.tuning import Tuning, tuned

TABLE = "tuning"


class Tuner:
    """A recording and the model of a project before it is tuned. seconds: how much of the recording is played.

    BlshError for a recording that cannot be used, and where the model is still to be learned.
    """

    def __init__(self, project: Project, recording: Path, seconds: float) -> None:
        if not project.trained.is_file():
            raise BlshError(f"the model of {project.file.path} is still to be learned; run: blsh run model")
        model = load_model(project.trained)
        self._project = project
        self._trial = Trial(model, fitted(project, model)[0], read_recording(recording, model, seconds))
        self._written: dict[str, int | str] | None = None

    def start_from(self, given: dict[str, Any]) -> Tuning:
        """Return the tuning in blsh.toml with the values that are `given` by name.

        A smoothing that is given alone holds for both directions. BlshError for values that cannot be used.
        """
        if "smoothing" in given and self._trial.voting:
            given = {"smoothing_down": given["smoothing"], **given}
        before = {name: value for name, value in self._project.file.values.get(TABLE, {}).items() if name not in given}
        new = tuning_of(given)
        tuning = Tuning(**before, **{name: getattr(new, name) for name in given})
        tuned(self._trial.model, tuning)  # refuses what this model does not have
        return tuning

    def write(self, tuning: Tuning) -> str:
        """Write a tuning to blsh.toml, comments kept; return a remark. BlshError for one that cannot be used."""
        tuned(self._trial.model, tuning)
        self._written = self._trial.settings(tuning)
        change_values(self._project.file.path, TABLE, self._written)
        told = ", ".join(f"{name} = {value}" for name, value in self._written.items())
        return f"Written to {self._project.file.path.name}: {told}"

    def serve(self, start: Tuning, port: int, browser: bool) -> None:
        """Serve the page until its user is done with it."""
        with TuneServer(self._trial, start, self.write, port) as server:
            say(f"The page: {server.address}")
            say("It is for this machine alone. `Done` on the page, or Ctrl-C here, ends it.")
            if browser and _has_windows():
                webbrowser.open(server.address)
            server.serve_forever(poll_interval=0.1)

    def result(self) -> dict[str, Any]:
        """Return what was written, as JSON values; None for nothing."""
        return {"file": str(self._project.file.path), "written": self._written}


def _has_windows() -> bool:
    """Return whether a browser would open in a window; in a terminal it would take the terminal."""
    known = sys.platform in ("darwin", "win32")
    return known or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
