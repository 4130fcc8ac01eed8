# SPDX-License-Identifier: Apache-2.0
"""Remember, beside blsh.toml, what each output was made from, so that the next run redoes only what changed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from blsh_tools.project.digests import Seen
from blsh_trainer.files import replacing
from blsh_trainer.own_files import read_own

STATE_NAME: Final = "state.json"
_FORMAT: Final = 1


@dataclass(frozen=True)
class Inputs:
    """What an output depends on: values of blsh.toml by key, files by path with their digests, and the sources."""

    settings: Mapping[str, Any]
    files: Mapping[str, str | None]
    sources: str


@dataclass(frozen=True)
class Record:
    """What is known of a step. place: its output. inputs: of its last run that ended; None while it runs. outputs:
    digests by path.
    """

    place: str
    inputs: Inputs | None
    outputs: Mapping[str, str | None] = field(default_factory=dict)


class State:
    """The records of all steps, kept in a file that is written anew, whole, at every change."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE_NAME
        self.seen: Seen = {}
        self._records: dict[str, Record] = {}
        self._load()

    def record(self, step: str) -> Record | None:
        """Return what is known of a step; None if it never ran."""
        return self._records.get(step)

    def put(self, step: str, record: Record) -> None:
        """Remember what is known of a step, and save."""
        self._records[step] = record
        self.save()

    def save(self) -> None:
        """Write the file. BlshError where the folder refuses it."""
        records = {name: asdict(record) for name, record in self._records.items()}
        content = {"format": _FORMAT, "steps": records, "seen": self.seen}
        ignore = self._path.with_name(".gitignore")
        with replacing(self._path) as temporary:
            temporary.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
        if not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")

    def _load(self) -> None:
        """Read the file; one that is missing, damaged or of another version is as none: everything is made anew."""
        try:
            content = json.loads(read_own(self._path))
            if content["format"] != _FORMAT:
                return
            seen = {path: (int(size), int(time_ns), str(sha)) for path, (size, time_ns, sha) in content["seen"].items()}
            records = {
                name: Record(str(each["place"]), _inputs(each["inputs"]), dict(each["outputs"]))
                for name, each in content["steps"].items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return
        self.seen, self._records = seen, records


def _inputs(content: Any) -> Inputs | None:
    return None if content is None else Inputs(**content)
