"""Folders that appear whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blsh_trainer.errors import BlshError


@contextmanager
def replacing_folder(place: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `place`; if the block succeeds it takes its place, else it is removed.

    What stood at `place` before is removed once the new folder stands there: whether it may be is the caller's to know.
    Missing parent folders are made. Raises BlshError if something cannot be written; `place` is then as before.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    except OSError as error:
        raise BlshError(f"cannot write {place}: {error.strerror or error}; choose a writable folder") from error
    try:
        building = scratch / "new"
        building.mkdir()  # with the rights of a user's own folder, which mkdtemp's has not
        yield building
        _exchange(place, building, scratch / "old")
    except OSError as error:
        raise BlshError(
            f"cannot write {place}: {error.strerror or error}; free some space or choose another place"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _exchange(place: Path, building: Path, old: Path) -> None:
    if not place.exists():
        building.rename(place)
        return
    place.rename(old)
    try:
        building.rename(place)
    except BaseException:
        old.rename(place)
        raise
