# SPDX-License-Identifier: Apache-2.0
"""Fetch openly licensed corpora: download, verify, unpack. A run goes on where an earlier one was stopped."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from blsh_trainer.corpora.fetch.catalogue import Archive, Offer
from blsh_trainer.corpora.fetch.download import Patience, download, forget
from blsh_trainer.corpora.fetch.unpack import unpack
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing
from blsh_trainer.own_files import read_own
from blsh_trainer.progress import Progress

RECORD = "fetched.json"
SCRATCH = ".fetching"
_MIB = 1 << 20
_MOST_FOLDER_BYTES = 240  # a name may have 255, `.part` and the `.json` of download.py included


@dataclass(frozen=True)
class Fetched:
    """A fetched archive: the folder that it became, its URL, SHA-256 and size in bytes, and the number of its files."""

    folder: str
    url: str
    sha256: str
    bytes: int
    files: int


def fetch(
    offer: Offer, folder: str | os.PathLike[str], progress: Progress, patience: Patience | None = None
) -> list[Fetched]:
    """Fetch all archives of `offer` into subfolders of `folder`, and return the archives fetched.

    The record fetched.json in `folder` has each archive's SHA-256. A subfolder in the record is left as it is; an
    archive in the record whose subfolder is gone is fetched anew and must have the same SHA-256. The part that a broken
    download has brought stays in .fetching until the next run. BlshError for a digest that is not the expected one
    (the file is dropped), for a subfolder that exists and is not in the record, and as `download` and `unpack` say.
    """
    root = Path(folder)
    scratch = root / SCRATCH
    try:
        scratch.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BlshError(f"cannot write {root}: {error.strerror or error}; choose a writable folder") from error
    record = _read_record(root)
    done = []
    try:
        for archive in offer.archives:
            known = record.get(archive.folder)
            if known is not None and known.url != archive.url:
                raise BlshError(f"{root / archive.folder} was fetched from {known.url}; choose another folder")
            if known is None or not (root / archive.folder).exists():
                record[archive.folder] = _fetch_one(archive, known, root, progress, patience or Patience())
                _write_record(root, record)
            done.append(record[archive.folder])
    finally:
        if not any(scratch.iterdir()):
            scratch.rmdir()
    return done


def _fetch_one(archive: Archive, known: Fetched | None, root: Path, progress: Progress, patience: Patience) -> Fetched:
    target = root / archive.folder
    if target.exists():
        raise BlshError(f"{target} exists and {RECORD} does not list it; move it away or choose another folder")
    part = root / SCRATCH / _part_name(archive.folder)
    download(archive.url, part, progress, f"fetch {archive.folder}", patience)
    size = part.stat().st_size
    sha256 = _verify(archive, known, part, progress)
    files = unpack(part, target, archive.inside, part.parent, progress, f"unpack {archive.folder}")
    forget(part)
    return Fetched(archive.folder, archive.url, sha256, size, files)


def _part_name(folder: str) -> str:
    """Return the name of an archive's partial file; a digest where `folder` is almost as long as a name can be."""
    whole = len(os.fsencode(folder)) <= _MOST_FOLDER_BYTES
    return f"{folder if whole else hashlib.sha256(os.fsencode(folder)).hexdigest()}.part"


def _verify(archive: Archive, known: Fetched | None, part: Path, progress: Progress) -> str:
    """Return the file's SHA-256. BlshError, after the file is removed, unless its digests are the expected ones."""
    found = _digests(part, progress, f"verify {archive.folder}")
    expected = {"sha256": archive.sha256 or (known.sha256 if known else ""), "md5": archive.md5}
    for name, wanted in expected.items():
        if wanted and found[name] != wanted:
            forget(part)
            raise BlshError(
                f"{archive.url} has {name.upper()} {found[name]}, expected {wanted}; the file was dropped. "
                "Fetch it again; if that does not help, it is not the file that it should be"
            )
    return found["sha256"]


def _digests(file: Path, progress: Progress, what: str) -> dict[str, str]:
    digests = {"sha256": hashlib.sha256(), "md5": hashlib.md5(usedforsecurity=False)}
    total = max(1, file.stat().st_size // _MIB)
    done = 0
    with file.open("rb") as stream:
        while block := stream.read(_MIB):
            done += len(block)
            for digest in digests.values():
                digest.update(block)
            progress(what, min(done // _MIB, total), total)
    progress(what, total, total)
    return {name: digest.hexdigest() for name, digest in digests.items()}


def _read_record(root: Path) -> dict[str, Fetched]:
    file = root / RECORD
    if not file.exists():
        return {}
    try:
        rows: list[dict[str, Any]] = json.loads(read_own(file))["archives"]
        return {row["folder"]: Fetched(**row) for row in rows}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BlshError(f"{file} is not what `blsh corpus fetch` writes ({error}); remove it") from error


def _write_record(root: Path, record: dict[str, Fetched]) -> None:
    rows = [asdict(record[name]) for name in sorted(record)]
    with replacing(root / RECORD) as temporary:
        temporary.write_text(json.dumps({"archives": rows}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
