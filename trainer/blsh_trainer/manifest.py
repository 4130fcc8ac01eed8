"""manifest.csv: a table that names a corpus's files, their kinds, splits and speakers or noise types."""

import csv
from pathlib import Path, PurePosixPath

from blsh_trainer.entries import KINDS, SPLITS, Entry
from blsh_trainer.errors import BlshError
from blsh_trainer.files import require_file

MANIFEST = "manifest.csv"
COLUMNS = ("path", "kind", "split", "speaker_or_type")


def read_manifest(manifest: Path) -> tuple[Entry, ...]:
    """Return the entries of a manifest in its order.

    BlshError when it is no CSV table in UTF-8, columns are missing, no file is listed, a kind or split is
    unknown, a path leaves the corpus or is listed twice, or a listed file is missing or unreadable.
    """
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as stream:  # spreadsheets begin with a BOM
            reader = csv.DictReader(stream)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise BlshError(f"{manifest} lacks the columns {', '.join(missing)}; add them to its first line")
            listed = [(reader.line_num, _entry(manifest, reader.line_num, row)) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BlshError(f"{manifest} is not a CSV table in UTF-8 ({error}); write it anew") from error
    if not listed:
        raise BlshError(f"{manifest} lists no files; add a line for each recording")
    _check_listed_once(manifest, listed)
    for _, entry in listed:
        gone = f"{manifest} lists {entry.path}, which is missing; restore the file or drop the line"
        require_file(manifest.parent / entry.path, gone)
    return tuple(entry for _, entry in listed)


def _entry(manifest: Path, line: int, row: dict[str, str | None]) -> Entry:
    path, kind, split, label = ((row[column] or "").strip() for column in COLUMNS)
    entry = Entry(path, kind, split, label)
    relative = PurePosixPath(entry.path)
    if not entry.path or relative.is_absolute() or ".." in relative.parts:
        raise BlshError(f"{manifest} line {line}: path {entry.path!r} must be relative and stay inside the corpus")
    if entry.kind not in KINDS:
        raise BlshError(f"{manifest} line {line}: kind {entry.kind!r} is unknown; use one of {', '.join(KINDS)}")
    if entry.split not in SPLITS:
        raise BlshError(f"{manifest} line {line}: split {entry.split!r} is unknown; use one of {', '.join(SPLITS)}")
    if not entry.speaker_or_type:
        raise BlshError(f"{manifest} line {line}: speaker_or_type is empty; name the speaker or the noise type")
    return entry


def _check_listed_once(manifest: Path, listed: list[tuple[int, Entry]]) -> None:
    """Noise, too, must be unseen in the evaluation, and a file that is there twice would count twice."""
    first_line: dict[PurePosixPath, int] = {}  # a path, since a//b and ./a/b are a/b
    for line, entry in listed:
        first = first_line.setdefault(PurePosixPath(entry.path), line)
        if first != line:
            raise BlshError(f"{manifest} lists {entry.path} in line {first} and in line {line}; drop one of them")
