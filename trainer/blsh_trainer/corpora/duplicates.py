# SPDX-License-Identifier: Apache-2.0
"""Find recordings that are there twice: the same samples, whatever the name, header, format or word length."""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path

from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.audio import probe_audio
from blsh_trainer.signals.levels import averaged
from blsh_trainer.signals.sound_file import opened

_BEGINNING = 4096  # frames that differ between most recordings of one length

_Files = list[tuple[Path, Entry]]


def copies(files: Iterable[tuple[Path, Entry]]) -> Iterator[tuple[Entry, Entry]]:
    """Yield pairs of entries whose files hold the same samples, their channels averaged, in other splits or corpora.

    The first of a pair is the first of all entries with these samples. Copies in its own split and corpus are no pairs.

    Of most files only the header is read. Files of one rate and length are compared by their beginnings, and files
    that begin alike by all samples, a block at a time. A file that cannot be read counts as no copy.
    """
    groups: list[_Files] = [list(files)]
    for trait in (_shape, _beginning, _samples):
        groups = [part for group in groups for part in _parted(group, trait)]
    for (_, first), *others in groups:
        yield from ((first, entry) for _, entry in others if _home(entry) != _home(first))


def _parted(files: _Files, trait: Callable[[Path], Hashable]) -> list[_Files]:
    """Return the groups of files that share a trait, without groups that lie in one split of one corpus."""
    parts: dict[Hashable, _Files] = {}
    for path, entry in files:
        try:
            parts.setdefault(trait(path), []).append((path, entry))
        except BlshError:
            continue  # the later reading of the file raises the error
    return [part for part in parts.values() if len({_home(entry) for _, entry in part}) > 1]


def _home(entry: Entry) -> tuple[int, str]:
    return entry.part, entry.split


def _shape(path: Path) -> Hashable:
    shape = probe_audio(path)
    return shape.rate_hz, shape.frames


def _beginning(path: Path) -> Hashable:
    return _digest(path, _BEGINNING)


def _samples(path: Path) -> Hashable:
    return _digest(path, None)


def _digest(path: Path, frames: int | None) -> bytes:
    digest = hashlib.sha256()
    with opened(path) as sound:
        count = sound.frames if frames is None or sound.frames is None else min(frames, sound.frames)
        for block in sound.blocks(0, count):
            digest.update((averaged(block) + 0.0).tobytes())  # + 0.0 makes 0.0 of -0.0, the same sample
    return digest.digest()
