# SPDX-License-Identifier: Apache-2.0
"""Keep how long a piece of work took, for work of other programs whose progress nobody can tell."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Final

from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing

LAST_TIMES: Final = ("build", "last-times.json")
"""The file below a project: seconds by the name of the work."""


def last_time_s(root: Path, work: str) -> float | None:
    """Return how many seconds `work` took the last time in the project `root`; None where that is not known."""
    found = _read(root).get(work)
    return found if isinstance(found, float) else None


def keep_time(root: Path, work: str, seconds: float) -> None:
    """Keep that `work` took `seconds`. A file that cannot be written is no error: nothing else depends on it."""
    file = root.joinpath(*LAST_TIMES)
    with suppress(OSError, BlshError):
        file.parent.mkdir(exist_ok=True)
        with replacing(file) as temporary:
            temporary.write_text(json.dumps({**_read(root), work: round(seconds, 1)}) + "\n", encoding="utf-8")


def _read(root: Path) -> dict[str, object]:
    try:
        found = json.loads(root.joinpath(*LAST_TIMES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
