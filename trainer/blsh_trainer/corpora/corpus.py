# SPDX-License-Identifier: Apache-2.0
"""A corpus: recordings of speech and noise in splits, whatever the layout of its folder."""

import hashlib
import os
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from blsh_trainer.corpora.corpus_entry import KINDS, Entry
from blsh_trainer.corpora.duplicates import copies
from blsh_trainer.corpora.layouts.manifest import MANIFEST
from blsh_trainer.corpora.layouts.recognise import find_layout
from blsh_trainer.corpora.unread_files import CONVERT, described, unread_recordings
from blsh_trainer.errors import BlshError
from blsh_trainer.files import require_folder
from blsh_trainer.signals.audio import probe_audio
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ

LONGEST_UTTERANCE = 60 * SAMPLE_RATE_HZ  # samples of a mixture; longer speech counts as several utterances
_LONG_BYTES = 1 << 18  # a minute takes more in any format: smaller files need not be opened


@dataclass(frozen=True)
class Corpus:
    """A checked corpus. Its `entries` are in the order of its manifest, or ordered by split and name.

    Paths of speech are relative to `root`, paths of noise to `noise_root`, or to `root` where that is None.

    A corpus that was merged (corpora/merging.py) has `parts`, the corpora as they were, with names that differ. It has
    their entries in their order, and `root` is that of the first. `repeats` are recordings of one part that an earlier
    part has, too, in the same split: the earlier entry, and the entry that was left out. `left_out` are the patterns
    of recordings that the caller did not want (corpora/leaving_out.py). Use `path`, `clean_path` and
    `listed` for the files, `place` for messages: they hold for merged corpora, too.
    """

    name: str
    root: Path
    entries: tuple[Entry, ...]
    layout: str = "manifest"
    noise_root: Path | None = None
    parts: tuple["Corpus", ...] = ()
    repeats: tuple[tuple[Entry, Entry], ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def paired(self) -> bool:
        """Whether the corpus, or each of its parts, holds recorded mixtures: noises that are noisy less clean."""
        return all(any(entry.minus for entry in member.entries) for member in self.members)

    @property
    def place(self) -> str:
        """The folder of the corpus, or those of its parts, for messages."""
        return " + ".join(str(member.root) for member in self.members)

    @cached_property
    def members(self) -> tuple["Corpus", ...]:
        """The corpora that were merged, each with those of its entries that are in this corpus; else itself alone."""
        if not self.parts:
            return (self,)
        kept = [tuple(replace(e, part=0) for e in self.entries if e.part == at) for at in range(len(self.parts))]
        return tuple(
            part if part.entries == entries else replace(part, entries=entries)
            for part, entries in zip(self.parts, kept, strict=True)
        )

    def select(self, kind: str, split: str) -> tuple[Entry, ...]:
        """Return the entries of one kind and split, in their order; BlshError when there are none."""
        chosen = tuple(entry for entry in self.entries if entry.kind == kind and entry.split == split)
        if not chosen:
            where = f"add some to its {MANIFEST}" if self.layout == "manifest" else f"layout {self.layout}; add some"
            why = f"; it holds {described(self.unread)}; {CONVERT}" if self.unread else ""
            raise BlshError(f"corpus {self.place} has no {kind} in split {split!r}{why}; {where}")
        return chosen

    def has(self, split: str) -> bool:
        """Return whether mixtures of `split` can be made: it has speech and noise."""
        return {entry.kind for entry in self.entries if entry.split == split} == set(KINDS)

    def path(self, entry: Entry) -> Path:
        """Return where the recording of `entry` lies."""
        home = self.parts[entry.part] if self.parts else self
        return (home.noise_root or home.root if entry.kind == "noise" else home.root) / entry.path

    def clean_path(self, entry: Entry) -> Path | None:
        """Return where the clean recording lies that is subtracted from `entry`; None if nothing is."""
        home = self.parts[entry.part] if self.parts else self
        return home.root / entry.minus if entry.minus else None

    def listed(self, entry: Entry) -> str:
        """Return the path of `entry` as tables show it: in a merged corpus, the part's name stands before it."""
        return f"{self.parts[entry.part].name}/{entry.path}" if self.parts else entry.path

    def files(self) -> list[tuple[Path, Entry]]:
        """Return the recordings, each once, and the first entry of each."""
        by_path: dict[Path, Entry] = {}
        for entry in self.entries:
            by_path.setdefault(self.path(entry), entry)
        return list(by_path.items())

    @cached_property
    def unread(self) -> dict[str, tuple[str, ...]]:
        """The recordings in its folders that cannot be read, by kind: a format's suffix, or "links to nothing"."""
        if self.parts:
            found: dict[str, tuple[str, ...]] = {}
            for part in self.parts:
                for kind, paths in part.unread.items():
                    found[kind] = (*found.get(kind, ()), *(f"{part.name}/{path}" for path in paths))
            return found
        folders = dict.fromkeys([self.root, self.noise_root or self.root])
        return unread_recordings(folders, map(self.path, self.entries))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 in hex over the manifest, or the splits that were found, and every file's name, length and bytes.

        That of a merged corpus is over those of its parts, in their order; what was left out as a repeat counts, so it
        is the same with and without the repeats.
        """
        if self.parts:
            return hashlib.sha256("\n".join(map(self._part_sha256, range(len(self.parts)))).encode()).hexdigest()
        digest = hashlib.sha256(self._listing())
        for path, file in {(entry.path, self.path(entry)): None for entry in self.entries}:
            digest.update(f"\n{path} {file.stat().st_size}\n".encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()

    def _part_sha256(self, number: int) -> str:
        part, member = self.parts[number], self.members[number]
        left_out = {(again.kind, again.path) for _, again in self.repeats if again.part == number}
        kept = set(member.entries)
        whole = all(entry in kept or (entry.kind, entry.path) in left_out for entry in part.entries)
        return part.sha256 if whole else member.sha256

    def _listing(self) -> bytes:
        if self.layout == "manifest":
            return (self.root / MANIFEST).read_bytes()
        rows = (f"{e.path},{e.kind},{e.split},{e.speaker_or_type},{e.minus}" for e in self.entries)
        return "\n".join((self.layout, *rows)).encode()


def load_corpus(
    folder: str | os.PathLike[str],
    noise: str | os.PathLike[str] | None = None,
    split_seed: int = 0,
    refuse_copies: bool = True,
) -> Corpus:
    """Recognise, read and check the corpus in `folder`, with a folder of noises where its layout has none.

    Splits that a layout lacks are drawn from `split_seed`; use the same seed to train and to evaluate. Speech that is
    longer than a minute counts as several utterances, which bounds the memory of a mixture.

    BlshError when a folder is missing or unreadable, fits no layout (see find_layout) or has no training speech or
    noise. BlshError, too, when a speaker or a recording is in two splits: the evaluation must not repeat the training.
    Without `refuse_copies` recordings in two splits are accepted here and left to check_corpus, which names them all.
    """
    return checked(read_corpus(Path(folder), None if noise is None else Path(noise), split_seed), refuse_copies)


def read_corpus(root: Path, noise: Path | None, split_seed: int) -> Corpus:
    """Return the corpus in the folder `root`, its long speech in parts, before anything is checked across its files.

    BlshError when a folder is missing or unreadable, or fits no layout.
    """
    require_folder(root, f"there is no corpus folder {root}; check the path or make one with `blsh corpus make`")
    if noise is not None:
        require_folder(noise, f"there is no folder of noises {noise}; check the path")
    layout = find_layout(root, noise, split_seed)
    apart = None if layout.noise_root == layout.root else layout.noise_root
    whole = Corpus(root.resolve().name, layout.root, layout.entries, layout.name, apart)
    return replace(whole, entries=tuple(piece for entry in whole.entries for piece in _pieces(whole, entry)))


def checked(corpus: Corpus, refuse_copies: bool = True) -> Corpus:
    """Return `corpus` without what an earlier part has, too, in the same split.

    BlshError when a speaker or a recording is in two splits, when a part has nothing of its own, and when there is no
    training speech or noise. Without `refuse_copies` recordings that are there twice stay.
    """
    _check_speakers(corpus)
    if refuse_copies:
        corpus = _without_repeats(corpus)
    for kind in KINDS:
        corpus.select(kind, "train")
    return corpus


def _pieces(corpus: Corpus, entry: Entry) -> tuple[Entry, ...]:
    """Return `entry`, or equal parts of long speech."""
    if entry.kind != "speech" or corpus.path(entry).stat().st_size < _LONG_BYTES:
        return (entry,)
    try:
        samples = probe_audio(corpus.path(entry)).samples
    except BlshError:
        return (entry,)  # the later reading of the file raises the error
    count = -(-samples // LONGEST_UTTERANCE)
    if count < 2:
        return (entry,)
    at = [samples * number // count for number in range(count + 1)]
    return tuple(replace(entry, start=start, length=stop - start) for start, stop in pairwise(at))


def _check_speakers(corpus: Corpus) -> None:
    first_of: dict[str, Entry] = {}
    for entry in corpus.entries:
        if entry.kind != "speech":
            continue
        label = entry.speaker_or_type
        first = first_of.setdefault(label, entry)
        if first.split == entry.split:
            continue
        root, other = (corpus.members[each.part].root for each in (first, entry))
        if first.part == entry.part:
            raise BlshError(
                f"speaker {label!r} of {root} is in splits {first.split} and {entry.split}; "
                "keep each speaker in one split"
            )
        raise BlshError(
            f"speaker {label!r} is in split {first.split} of {root} ({first.path}) and in split {entry.split} of "
            f"{other} ({entry.path}); move one to the other's split, or, if they are two people, rename one"
        )


def _without_repeats(corpus: Corpus) -> Corpus:
    repeats = []
    for first, again in copies(corpus.files()):
        both = f"{_told(corpus, first)} and {_told(corpus, again)} are the same recording"
        if first.split != again.split:
            apart = "" if first.part == again.part else ": take it out of one of the two corpora"
            raise BlshError(f"{both}; keep each recording in one split{apart}")
        if any(entry.minus for each in (first, again) for entry in corpus.members[each.part].entries):
            raise BlshError(f"{both}, and one of them is of a recorded pair; take it out of one of the two corpora")
        repeats.append((first, again))
    gone = {corpus.path(again) for _, again in repeats}
    left = tuple(entry for entry in corpus.entries if corpus.path(entry) not in gone)
    for number in {again.part for _, again in repeats}:
        if all(entry.part != number for entry in left):
            raise BlshError(f"{corpus.parts[number].root} has only recordings of the other corpora; leave it out")
    return replace(corpus, entries=left, repeats=tuple(repeats)) if repeats else corpus


def _told(corpus: Corpus, entry: Entry) -> str:
    label = f", {entry.speaker_or_type!r}" if corpus.parts else ""
    return f"{corpus.path(entry)} (split {entry.split}{label})"
