# SPDX-License-Identifier: Apache-2.0
"""The layout "manifest": manifest.csv names a corpus's files, their kinds, splits and speakers or noise types."""

from pathlib import Path, PurePosixPath

from blsh_trainer.corpora.corpus_entry import KINDS, SPLITS, Credit, Entry
from blsh_trainer.corpora.layouts.place import Finding, Layout, Place
from blsh_trainer.corpora.text_tables import read_table
from blsh_trainer.errors import BlshError
from blsh_trainer.files import require_file

MANIFEST = "manifest.csv"
COLUMNS = ("path", "kind", "split", "speaker_or_type")
_LICENCE = ("licence", "license")
_LICENCE_CLASS = ("licence_class", "license_class")
_RIGHTS = ("source", "author", *_LICENCE, *_LICENCE_CLASS)  # columns that a manifest may have


def look_for_manifest(place: Place) -> Finding:
    """Return the corpus that a manifest lists, in the folder given or in the only one there; or that there is none."""
    root = place.given if (place.given / MANIFEST).exists() else place.root
    manifest = root / MANIFEST
    if not manifest.exists():
        return f"no {MANIFEST}, which would list the files, columns {', '.join(COLUMNS)}"
    place.refuse_noise(f"{manifest} lists its noises")
    require_file(manifest, f"{manifest} is no file; put a table there")
    return Layout(place.layout, root, root, read_manifest(manifest))


def read_manifest(manifest: Path) -> tuple[Entry, ...]:
    """Return the entries of a manifest in its order; see text_tables.read_table for the ways to write one.

    Paths are relative to the manifest's folder. Absolute paths and paths with backslashes are understood where they
    lead to a file of the corpus. The columns source, author, licence and licence_class may be missing.

    BlshError when the manifest is no table with COLUMNS, or lists no file. BlshError for an unknown kind or split, and
    for a path that leaves the corpus, is listed twice, or leads to no readable file.
    """
    rows = read_table(manifest, COLUMNS, _RIGHTS)
    listed = [(line, _entry(manifest, line, row)) for line, row in rows if not _is_comment(manifest, row["path"])]
    if not listed:
        raise BlshError(f"{manifest} lists no files; add a line for each recording")
    _check_listed_once(manifest, listed)
    for _, entry in listed:
        gone = (
            f"{manifest} lists {entry.path}, which is missing; restore the file or drop the line, "
            "paths are relative to the folder of the manifest"
        )
        require_file(manifest.parent / entry.path, gone)
    return tuple(entry for _, entry in listed)


def _is_comment(manifest: Path, path: str) -> bool:
    """Return whether a line is a comment: its path begins with # and no file has that name."""
    return path.startswith("#") and not (manifest.parent / path).exists()


def _entry(manifest: Path, line: int, row: dict[str, str]) -> Entry:
    path, kind, split, label = (row[column] for column in COLUMNS)
    path, kind, split = _relative(manifest.parent, path), kind.lower(), split.lower()
    parts = PurePosixPath(path)
    if not path or parts.is_absolute() or ".." in parts.parts:
        raise BlshError(f"{manifest} line {line}: path {path!r} must be relative and stay inside the corpus")
    if kind not in KINDS:
        raise BlshError(f"{manifest} line {line}: kind {kind!r} is unknown; use one of {', '.join(KINDS)}")
    if split not in SPLITS:
        raise BlshError(f"{manifest} line {line}: split {split!r} is unknown; use one of {', '.join(SPLITS)}")
    if not label:
        raise BlshError(f"{manifest} line {line}: speaker_or_type is empty; name the speaker or the noise type")
    return Entry(path, kind, split, label, credit=_credit(row))


def _credit(row: dict[str, str]) -> Credit:
    stated = (row[column] for column in _LICENCE if column in row)
    classes = (row[column] for column in _LICENCE_CLASS if column in row)
    return Credit(next(stated, None), next(classes, ""), row.get("source", ""), row.get("author", ""))


def _relative(folder: Path, path: str) -> str:
    """Return `path` with slashes and relative to `folder`, where a file of the corpus shows that this is meant."""
    slashed = path.replace("\\", "/")
    if slashed != path and not (folder / path).exists():
        path = slashed
    if PurePosixPath(path).is_absolute():
        for root in (folder.absolute(), folder.resolve()):
            if PurePosixPath(path).is_relative_to(root):
                return PurePosixPath(path).relative_to(root).as_posix()
    return path


def _check_listed_once(manifest: Path, listed: list[tuple[int, Entry]]) -> None:
    """Raise BlshError for a file that is listed twice: it would count twice, or be heard in training and evaluation."""
    first_line: dict[PurePosixPath, int] = {}  # compared as paths, because a//b and ./a/b are a/b
    for line, entry in listed:
        first = first_line.setdefault(PurePosixPath(entry.path), line)
        if first != line:
            raise BlshError(f"{manifest} lists {entry.path} in line {first} and in line {line}; drop one of them")
