# SPDX-License-Identifier: Apache-2.0
"""The history of `blsh bench`: a file with one JSON object to a line, a line for each run."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from blsh_codegen.spec.stages import STAGES
from blsh_trainer.errors import BlshError
from blsh_trainer.files import landing, replacing, require_file

FORMAT: Final = 1
"""The version of a line's layout."""

_GIT_S: Final = 10.0  # a repository on a slow disk answers within this time, or the line names no commit


@dataclass(frozen=True)
class Run:
    """A run of `blsh bench`, as its line has it.

    time: UTC, ISO 8601. commit: of the working folder, with `-dirty` behind it where files were changed; None where git
    names none. version: of blsh-mcu. entries, bits: of the dictionary. hops: how many were measured. mean, maximum:
    instructions of a whole hop; stages: mean of each stage. flash_bytes, ram_bytes: of the image, without the stack.
    """

    time: str
    commit: str | None
    build_id: str
    version: str
    board: str
    model: str
    model_sha256: str
    entries: int
    bits: int
    hops: int
    mean: int
    maximum: int
    stages: dict[str, int]
    flash_bytes: int
    ram_bytes: int
    stack_bytes_used: int

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> "Run":
        """Return the run that ends now. result: what count_generated returned."""
        counts = result["instructions"]
        same = ("build_id", "board", "model", "model_sha256", "bits", "flash_bytes", "ram_bytes", "stack_bytes_used")
        return cls(
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=_commit(),
            version=version("blsh-mcu"),
            entries=result["dictionary_entries"],
            **{name: counts[name] for name in ("hops", "mean", "maximum", "stages")},
            **{name: result[name] for name in same},
        )

    @classmethod
    def parse(cls, line: str) -> "Run":
        """Return the run of a line of the file. Raises ValueError, which says what is wrong with the line."""
        try:
            found = json.loads(line)
        except ValueError as error:
            raise ValueError("it is no JSON") from error
        if not isinstance(found, dict) or "format" not in found:
            raise ValueError('it is no object with a "format"')
        if found.pop("format") != FORMAT:
            raise ValueError(f'its "format" is not {FORMAT}, it may be of a later version of blsh-mcu')
        if wrong := {each.name for each in fields(cls)} ^ found.keys():
            raise ValueError(f"it lacks, or has besides: {', '.join(sorted(wrong))}")
        run = cls(**found)
        counts = {each.name: found[each.name] for each in fields(cls) if each.type is int}
        texts = {each.name: found[each.name] for each in fields(cls) if each.type is str}
        if not isinstance(run.stages, dict) or sorted(run.stages) != sorted(STAGES):
            raise ValueError(f'its "stages" are not {", ".join(STAGES)}')
        wrong = {name for name, value in {**counts, **run.stages}.items() if type(value) is not int or value < 0}
        wrong |= {name for name, value in texts.items() if not isinstance(value, str)}
        if wrong or not isinstance(run.commit, str | None):
            raise ValueError(f"its {', '.join(sorted(wrong or {'commit'}))} cannot be")
        return run

    def line(self) -> str:
        """Return the line of this run, with the line's end."""
        return json.dumps({"format": FORMAT, **asdict(self)}) + "\n"

    @property
    def compared_with(self) -> tuple[str, str, int]:
        """What another run must have in common for a comparison: board, model, and number of hops."""
        return self.board, self.model_sha256, self.hops


@dataclass(frozen=True)
class Change:
    """A run beside the one before it of the same board, model and number of hops; None if it is the first."""

    run: Run
    previous: Run | None

    def percent(self) -> dict[str, float] | None:
        """Return the growth in percent of each stage, and of `mean`, `flash_bytes` and `ram_bytes`; None at first."""
        if self.previous is None:
            return None
        return {name: _growth(before, now) for name, before, now in self._pairs(self.previous)}

    def grown(self, limit_percent: float) -> dict[str, tuple[int, int]]:
        """Return the instructions, before and now, of each stage that grew by more than `limit_percent`."""
        if self.previous is None:
            return {}
        pairs = {stage: (self.previous.stages[stage], self.run.stages[stage]) for stage in STAGES}
        return {stage: pair for stage, pair in pairs.items() if _growth(*pair) > limit_percent}

    def _pairs(self, previous: Run) -> Iterator[tuple[str, int, int]]:
        for stage in STAGES:
            yield stage, previous.stages[stage], self.run.stages[stage]
        for name in ("mean", "flash_bytes", "ram_bytes"):
            yield name, getattr(previous, name), getattr(self.run, name)


def changes(runs: Sequence[Run]) -> list[Change]:
    """Return each run beside the one before it that it can be compared with."""
    last: dict[tuple[str, str, int], Run] = {}
    made = []
    for run in runs:
        made.append(Change(run, last.get(run.compared_with)))
        last[run.compared_with] = run
    return made


def newest(made: Sequence[Change]) -> list[Change]:
    """Return the last change of each board, model and number of hops among the runs of the last run's commit.

    These are what a run of CI has just added. A model that is measured no more is judged no more.
    """
    of_commit = [change for change in made if change.run.commit == made[-1].run.commit]
    return list({change.run.compared_with: change for change in of_commit}.values())


def read_history(path: Path) -> list[Run]:
    """Return the runs of the file at `path`, the oldest first.

    Raises BlshError for a file that is missing, cannot be read, or has a line that is no run or is cut short.
    """
    require_file(path, f"there is no history {path}; make one: blsh bench --history {path}")
    return _parsed(path, path.read_bytes())


def check_history(path: Path) -> None:
    """Raise BlshError where a line cannot be appended to `path` because of what is there. Nothing may be there."""
    if os.path.lexists(path):
        read_history(path)


def append_run(path: Path, run: Run) -> None:
    """Append the line of `run` to the history at `path`; the file is changed whole or not at all.

    Of two commands that append at the same time, one waits for the other. Raises BlshError as `read_history`, and
    where the file cannot be written; the file then stays as it is.
    """
    target, _ = landing(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent):
        content = target.read_bytes() if target.is_file() else b""
        _parsed(path, content)
        with replacing(path) as temporary:
            temporary.write_bytes(content + run.line().encode())


def _parsed(path: Path, content: bytes) -> list[Run]:
    runs = []
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        try:
            if not line.endswith(b"\n"):
                raise ValueError("its end is missing")
            runs.append(Run.parse(line.decode()))
        except ValueError as error:  # a UnicodeDecodeError is one, too
            raise BlshError(
                f"{path}, line {number}, is no run of `blsh bench`: {error}; restore the file, remove the line, or "
                "name another file"
            ) from error
    return runs


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`: the file itself is replaced, so that a lock of it would be of an old one.

    Windows locks no folder; there, of two commands that append at the same moment, one may be lost.
    """
    if sys.platform == "win32":
        yield
    else:
        import fcntl

        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _growth(before: int, now: int) -> float:
    """Return the growth in percent, to two places; of nothing, any growth is 100 %."""
    return round(100 * (now - before) / before, 2) if before else 100.0 * (now > 0)


def _commit() -> str | None:
    """Return the commit of the working folder, with `-dirty` where a file that git knows was changed."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        said = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_GIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None
