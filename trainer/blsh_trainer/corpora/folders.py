# SPDX-License-Identifier: Apache-2.0
"""Look into folders of recordings: audio files, speakers or noise types, splits."""

import re
from collections.abc import Callable
from pathlib import Path

from blsh_trainer.corpora.splits import Recordings, Units, draw_splits, hold_out, split_of_folder
from blsh_trainer.errors import BlshError

_READ = ".wav .wave .bwf .rf64 .w64 .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .sph .nist .caf .voc"
SUFFIXES = frozenset(_READ.split())
_CLUTTER = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")
"""Folders that systems make, not users."""
FEWEST_TYPES = 5  # noise types that are split by type; with fewer a split would hold one or two types
_NUMBER = re.compile(r"[-_ .]*\d+$")


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in `folder` by name, without hidden ones and links to a folder that they lie in.

    BlshError when `folder` cannot be read.
    """
    return [path for path in _listing(folder) if path.is_dir() and not _leads_back(path)]


def audio_here(folder: Path) -> list[Path]:
    """Return the audio files that lie directly in `folder`, by name."""
    return [path for path in _listing(folder) if path.suffix.lower() in SUFFIXES and path.is_file()]


def audio_below(folder: Path) -> list[Path]:
    """Return the audio files in `folder` and its subfolders, in an order that depends on their names alone."""
    return [path for path in files_below(folder) if path.suffix.lower() in SUFFIXES and path.is_file()]


def files_below(folder: Path) -> list[Path]:
    """Return the files in `folder` and its subfolders that are not hidden, sorted by name.

    Links to folders are followed, once each, unless they lead to a folder that they lie in. BlshError for a folder that
    cannot be read.
    """
    found: list[Path] = []
    waiting, seen = [folder], {folder.resolve()}
    while waiting:
        here = waiting.pop()
        found += [path for path in _listing(here) if not path.is_dir()]
        for below in subfolders(here):
            if below.resolve() not in seen:
                seen.add(below.resolve())
                waiting.append(below)
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def descend(folder: Path) -> Path:
    """Return `folder`, or the folder in it that it only wraps: archives often unpack to one folder in another."""
    while len(below := subfolders(folder)) == 1 and not audio_here(folder) and not _has_meaning(below[0].name):
        folder = below[0]
    return folder


def speaker_splits(folder: Path, root: Path, seed: int) -> dict[str, Units]:
    """Return the speakers of SPEAKER/... or SPLIT/SPEAKER/... in `folder`, by split; paths are relative to `root`."""
    return _splits(folder, seed, lambda part: _speakers(part, root))


def noise_splits(folder: Path, root: Path, seed: int) -> dict[str, Units]:
    """Return the noises of TYPE/... or files, in SPLIT/ or not, in `folder`, by split; paths are relative to `root`."""
    return _splits(folder, seed, lambda part: _noises(part, root))


def _splits(folder: Path, seed: int, read: Callable[[Path], dict[str, Recordings]]) -> dict[str, Units]:
    """Return the findings of `read`, by split.

    Folders are splits when all have names of splits: a single one of such a name may be a noise, that of a train. Where
    no folder is the train split, their contents are pooled and splits are drawn.
    """
    parts = [(part, split_of_folder(part.name)) for part in subfolders(folder)]
    named = {split for _, split in parts}
    if not parts or None in named or audio_here(folder):
        return draw_splits(read(folder), seed)
    given: dict[str, dict[str, Recordings]] = {}
    for part, split in parts:
        _add(given.setdefault(split or "", {}), read(part))
    if "train" in given:
        return hold_out(given, seed)
    pooled: dict[str, Recordings] = {}
    for units in given.values():
        _add(pooled, units)
    return draw_splits(pooled, seed)


def _add(units: dict[str, Recordings], more: dict[str, Recordings]) -> None:
    """Add `more` to `units`; a speaker or noise that is in both has the recordings of both."""
    for name, unit in more.items():
        units[name] = Recordings(unit.label, [*units[name].paths, *unit.paths] if name in units else unit.paths)


def _speakers(folder: Path, root: Path) -> dict[str, Recordings]:
    flat = audio_here(folder)
    if flat:
        raise BlshError(f"{flat[0]} is in no speaker's folder; sort the speech into {folder}/SPEAKER/")
    return _by_folder(folder, root)


def _noises(folder: Path, root: Path) -> dict[str, Recordings]:
    units = _by_folder(folder, root)
    if len(units) >= FEWEST_TYPES and not audio_here(folder):
        return units  # split by type: recordings of one place and channels of one recording stay together
    files = {path: unit.label for unit in units.values() for path in unit.paths}
    files |= {path.relative_to(root).as_posix(): _type_of_file(path) for path in audio_here(folder)}
    return {(root / path).relative_to(folder).as_posix(): Recordings(kind, [path]) for path, kind in files.items()}


def _by_folder(folder: Path, root: Path) -> dict[str, Recordings]:
    units = {}
    for below in subfolders(folder):
        paths = [path.relative_to(root).as_posix() for path in audio_below(below)]
        if paths:
            units[below.name] = Recordings(below.name, paths)
    return units


def _type_of_file(path: Path) -> str:
    """Return "rain" for rain_01.wav: files that differ by a number are of one type."""
    return _NUMBER.sub("", path.stem) or path.stem


def _has_meaning(name: str) -> bool:
    known = ("speech", "noise", "clean_", "noisy_")
    return split_of_folder(name) is not None or name.lower().startswith(known) or is_dialect(name)


def is_dialect(name: str) -> bool:
    """Return whether a folder is one of TIMIT's dialect regions, dr1 to dr8."""
    return re.fullmatch(r"dr\d", name, re.IGNORECASE) is not None


def _leads_back(link: Path) -> bool:
    """Return whether a link leads to a folder that holds it: each speaker would then have the recordings of all."""
    return link.is_symlink() and link.parent.resolve().is_relative_to(link.resolve())


def _listing(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in _CLUTTER)
    except OSError as error:
        raise BlshError(f"cannot read {folder}: {error.strerror or error}; check its permissions") from error
