# SPDX-License-Identifier: Apache-2.0
"""Make folders that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blsh_trainer.files import UnwritableError, temporary_beside, written_for


@contextmanager
def replacing_folder(place: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `place`; if the block succeeds it becomes `place`, else it is removed.

    A former folder at `place` is removed once the new folder stands there; the caller must know that it may be.
    Where `place` is a symbolic link, the folder that it leads to is replaced. Missing parent folders are made.
    BlshError if something cannot be written; `place` is then as before.
    """
    with scratch_beside(place) as scratch:
        try:
            building = scratch / "new"
            building.mkdir()
            with written_for(place, scratch):
                yield building
            _exchange(Path(os.path.realpath(place)), building, scratch / "old")
        except OSError as error:
            raise UnwritableError(place, error) from error


@contextmanager
def scratch_beside(place: Path) -> Iterator[Path]:
    """Yield a temporary folder beside the folder `place`, on the same disk; remove it, with its content, at the end.

    Missing parent folders are made. BlshError if the folder cannot be made.
    """
    scratch = temporary_beside(Path(os.path.realpath(place)))
    try:
        try:
            scratch.mkdir(parents=True)
        except OSError as error:
            raise UnwritableError(place, error) from error
        yield scratch
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
