"""A corpus: a folder of speech and noise recordings that manifest.csv lists."""

import csv
import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from blsh_trainer.errors import BlshError
from blsh_trainer.files import require_file, require_folder

MANIFEST = "manifest.csv"
COLUMNS = ("path", "kind", "split", "speaker_or_type")
KINDS = ("speech", "noise")
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Entry:
    """One recording; `path` is relative to the corpus root, `speaker_or_type` the speaker or noise type."""

    path: str
    kind: str
    split: str
    speaker_or_type: str


@dataclass(frozen=True)
class Corpus:
    """A checked corpus; `entries` keep the manifest's order."""

    name: str
    root: Path
    entries: tuple[Entry, ...]

    def select(self, kind: str, split: str) -> tuple[Entry, ...]:
        """Return the entries of one kind and split, in manifest order; BlshError when there are none."""
        chosen = tuple(entry for entry in self.entries if entry.kind == kind and entry.split == split)
        if not chosen:
            raise BlshError(f"corpus {self.root} has no {kind} in split {split!r}; add some to its {MANIFEST}")
        return chosen

    def has(self, split: str) -> bool:
        """Return whether mixtures of `split` can be made: it has speech and noise."""
        return {entry.kind for entry in self.entries if entry.split == split} == set(KINDS)

    def path(self, entry: Entry) -> Path:
        """Return where the recording of `entry` lies."""
        return self.root / entry.path

    @cached_property
    def sha256(self) -> str:
        """SHA-256 in hex over the manifest's bytes and every listed file's name, length and bytes."""
        digest = hashlib.sha256((self.root / MANIFEST).read_bytes())
        for entry in self.entries:
            file = self.path(entry)
            digest.update(f"\n{entry.path} {file.stat().st_size}\n".encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()


def load_corpus(folder: str | os.PathLike[str]) -> Corpus:
    """Read and check the corpus in `folder`.

    BlshError when the folder or its manifest is missing or unreadable, columns are missing, no file is
    listed, a kind or split is unknown, a listed file is missing or unreadable, no training speech or noise is
    listed, or a file or a speaker is listed in two splits (the evaluation would not be on unseen ones).
    """
    root = Path(folder)
    require_folder(root, f"there is no corpus folder {root}; check the path or make one with `blsh corpus`")
    manifest = root / MANIFEST
    require_file(manifest, f"corpus {root} has no {MANIFEST}; it must list the files, columns {', '.join(COLUMNS)}")
    corpus = Corpus(root.resolve().name, root, _read_manifest(manifest))
    for entry in corpus.entries:
        missing = f"{manifest} lists {entry.path}, which is missing; restore the file or drop the line"
        require_file(corpus.path(entry), missing)
    _check_speakers(corpus)
    for kind in KINDS:
        corpus.select(kind, "train")
    return corpus


def _read_manifest(manifest: Path) -> tuple[Entry, ...]:
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
    return tuple(entry for _, entry in listed)


def _entry(manifest: Path, line: int, row: dict[str, str | None]) -> Entry:
    values = [(row[column] or "").strip() for column in COLUMNS]
    entry = Entry(*values)
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


def _check_speakers(corpus: Corpus) -> None:
    split_of: dict[str, str] = {}
    for entry in corpus.entries:
        if entry.kind != "speech":
            continue
        first = split_of.setdefault(entry.speaker_or_type, entry.split)
        if first != entry.split:
            raise BlshError(
                f"speaker {entry.speaker_or_type!r} of {corpus.root} is in splits {first} and {entry.split}; "
                "keep each speaker in one split"
            )
