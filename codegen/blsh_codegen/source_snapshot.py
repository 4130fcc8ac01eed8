# SPDX-License-Identifier: Apache-2.0
"""Read the files for a compiler once: their digest is that of the compiled bytes, even if files change meanwhile."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from blsh_trainer.errors import BlshError
from blsh_trainer.files import UnwritableError
from blsh_trainer.own_files import read_own


@dataclass(frozen=True)
class Snapshot:
    """Files by their path below a folder, with `/` between its parts, and their bytes."""

    files: Mapping[str, bytes]

    @classmethod
    def of(cls, folder: Path, paths: Iterable[Path]) -> "Snapshot":
        """Read `paths`, all below `folder`. Raises BlshError for one that cannot be read."""
        try:
            return cls({path.relative_to(folder).as_posix(): read_own(path) for path in sorted(paths)})
        except OSError as error:
            raise BlshError(
                f"cannot read {error.filename}: {error.strerror or error}; is another program changing {folder}?"
            ) from error

    def below(self, folder: str) -> "Snapshot":
        """Return the same files, moved into `folder`."""
        return Snapshot({f"{folder}/{path}": content for path, content in self.files.items()})

    def __or__(self, other: "Snapshot") -> "Snapshot":
        """Return the files of both; of two with one path, that of `other`."""
        return Snapshot({**self.files, **other.files})

    @cached_property
    def sha256(self) -> str:
        """The digest over all paths and contents, 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for path, content in sorted(self.files.items()):
            digest.update(f"{path}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()

    def write(self, folder: Path) -> None:
        """Write all files below `folder`. Raises BlshError where it cannot be written."""
        try:
            for path, content in self.files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
        except OSError as error:
            raise UnwritableError(folder, error) from error
