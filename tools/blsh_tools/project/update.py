# SPDX-License-Identifier: Apache-2.0
"""Bring the outputs of a project up to date: run the steps whose inputs changed, or whose outputs are not theirs.

An output that its user changed is moved aside, not overwritten. A file that no step made is refused.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from blsh_hil.boards.project_lock import project_lock
from blsh_tools.console import say
from blsh_tools.project.digests import Digests
from blsh_tools.project.making import Made
from blsh_tools.project.settings import Project
from blsh_tools.project.state import Inputs, Record, State
from blsh_tools.project.steps import Step, chosen_steps
from blsh_trainer.errors import BlshError
from blsh_trainer.files import UnwritableError
from blsh_trainer.progress import Progress

MADE: Final = "made"
UP_TO_DATE: Final = "up to date"
WOULD_RUN: Final = "to be made"
MAY_RUN: Final = "perhaps"
FAILED: Final = "failed"
EDITED: Final = "edited"
"""The folder, in what `blsh run` keeps, of outputs that their user changed."""
_ABSENT: Final = object()


@dataclass(frozen=True)
class Row:
    """What became of a step, or would. outcome: one of the words above. why: the reasons. told: of what was made.

    kept: where changed outputs were moved. seconds: how long it took.
    """

    step: str
    outcome: str
    why: tuple[str, ...] = ()
    told: str = ""
    kept: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return asdict(self)


def update(project: Project, targets: tuple[str, ...], dry_run: bool, progress: Progress) -> list[Row]:
    """Bring `targets`, all outputs without one, up to date; return what became of each step.

    dry_run: change nothing, and say what would be done. A step that fails its proof is the last one. BlshError for what
    cannot be used or made; the steps before it are done and remembered.
    """
    steps = chosen_steps(project, targets)
    run = _Run(project, State(project.kept), progress)
    run.check_places(steps)
    if dry_run:
        return run.plan(steps)
    try:
        project.kept.mkdir(exist_ok=True)
    except OSError as error:
        raise UnwritableError(project.kept, error) from error
    with project_lock(project.kept):
        return _Run(project, State(project.kept), progress).all(steps)  # another run may just have ended


class _Run:
    """One run over the steps of a project."""

    def __init__(self, project: Project, state: State, progress: Progress) -> None:
        self._project, self._state, self._progress = project, state, progress
        self._digests = Digests(state.seen)

    def check_places(self, steps: Sequence[Step]) -> None:
        """Raise BlshError where something lies at an output that no run made: it may be its user's own work."""
        for step in steps:
            place = step.place
            record = self._state.record(step.name)
            ours = record is not None and record.place == self._told(place)
            if ours or self._project.kept in place.parents or not place.exists():
                continue
            if place.is_dir() and not any(place.iterdir()):
                continue
            raise BlshError(
                f"{place} is there already, and `blsh run` knows nothing of it (no run made it, or the record in "
                f"{self._project.kept.name} was lost or damaged); move it away, or name another place in "
                f"outputs.{step.name} of {self._project.file.path}"
            )

    def plan(self, steps: Sequence[Step]) -> list[Row]:
        """Return what would be done, and why; nothing is changed."""
        rows: list[Row] = []
        remade: dict[Path, str] = {}
        for step in steps:
            why = self._reasons(step)
            first = [remade[path] for path in step.reads if path in remade]
            outcome = WOULD_RUN if why else MAY_RUN if first else UP_TO_DATE
            why += [f"if {name} comes out changed" for name in first]
            if outcome != UP_TO_DATE:
                remade[step.place] = step.name
            rows.append(Row(step.name, outcome, tuple(why)))
        return rows

    def all(self, steps: Sequence[Step]) -> list[Row]:
        """Run the steps that need it."""
        rows: list[Row] = []
        for step in steps:
            why = self._reasons(step)
            rows.append(self._run(step, tuple(why)) if why else Row(step.name, UP_TO_DATE))
            if rows[-1].outcome == FAILED:
                break
        self._state.seen = self._digests.asked()
        self._state.save()
        return rows

    def _run(self, step: Step, why: tuple[str, ...]) -> Row:
        say(f"{step.name}: {'; '.join(why)}")
        inputs = self._inputs(step)  # as they are before the work: a change meanwhile makes the next run redo it
        record = self._state.record(step.name)
        before: Mapping[str, str | None] = {} if record is None else record.outputs
        kept = self._move_aside(record)
        place = self._told(step.place)
        self._state.put(step.name, Record(place, None, before))  # however it ends, what lies there is its own
        began = time.monotonic()
        made = step.make(self._project, self._progress)
        seconds = round(time.monotonic() - began, 1)
        if not made.passed:
            return Row(step.name, FAILED, why, made.told, kept, seconds)
        outputs = {self._told(path): self._digests.of(path) for path in made.files}
        self._remove_old(before, made)
        self._state.put(step.name, Record(place, inputs, outputs))
        return Row(step.name, MADE, why, made.told, kept, seconds)

    def _reasons(self, step: Step) -> list[str]:
        """Return why a step must run, in words; empty if its output is what its inputs make."""
        record = self._state.record(step.name)
        if record is None:
            return ["not made yet"]
        if record.inputs is None:
            return ["interrupted before"]
        return [*_changes(record.inputs, self._inputs(step)), *self._output_faults(record)]

    def _inputs(self, step: Step) -> Inputs:
        files = {self._told(path): self._digests.of(path) for path in step.reads}
        return Inputs(dict(step.settings), files, step.sources())

    def _output_faults(self, record: Record) -> list[str]:
        faults = []
        for name, expected in record.outputs.items():
            found = self._digests.of(self._project.folder / name)
            if found != expected:
                faults.append(f"{name} {'is missing' if found is None else 'was changed'}")
        return faults if len(faults) <= 3 else [*faults[:2], f"{len(faults) - 2} more files"]

    def _move_aside(self, record: Record | None) -> tuple[str, ...]:
        """Move outputs that their user changed to a folder of their own; return where they lie now."""
        if record is None or record.inputs is None:
            return ()
        kept = []
        for name, expected in record.outputs.items():
            path = self._project.folder / name
            found = self._digests.of(path)
            if found in (None, expected) or path.is_dir():
                continue
            folder = self._project.kept / EDITED
            place = next(to for n in range(1, 1 << 20) if not (to := folder / str(n) / path.name).exists())
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                path.rename(place)
            except OSError as error:
                raise UnwritableError(place, error) from error
            kept.append(self._told(place))
            say(f"{name} was changed after it was made: your version is now {kept[-1]}")
        return tuple(kept)

    def _remove_old(self, before: Mapping[str, str | None], made: Made) -> None:
        """Remove what the step made before and makes no more, unless its user changed it."""
        names = {self._told(path) for path in made.files}
        for name, expected in before.items():
            path = self._project.folder / name
            if name not in names and path.is_file() and self._digests.of(path) == expected:
                path.unlink()
                say(f"{name} is made no more: removed")

    def _told(self, path: Path) -> str:
        return self._project.told(path)


def _changes(before: Inputs, now: Inputs) -> list[str]:
    found = []
    for key in sorted({*before.settings, *now.settings}):
        old, new = before.settings.get(key, _ABSENT), now.settings.get(key, _ABSENT)
        if _plain(old) != _plain(new):
            found.append(f"{key} is {_shown(new)}, was {_shown(old)}")
    for name in sorted({*before.files, *now.files}):
        if name not in now.files:
            found.append(f"{name} is used no more")
        elif before.files.get(name) != now.files[name]:
            found.append(f"{name} changed" if name in before.files else f"{name} is new")
    return found + (["blsh itself changed"] if before.sources != now.sources else [])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "not given"
    return "the model's own" if value is None else str(value)
