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
    """

    name: str
    root: Path
    entries: tuple[Entry, ...]
    layout: str = "manifest"
    noise_root: Path | None = None

    @property
    def paired(self) -> bool:
        """Whether the corpus holds recorded mixtures, each noise the difference of a noisy and a clean recording."""
        return any(entry.minus for entry in self.entries)

    def select(self, kind: str, split: str) -> tuple[Entry, ...]:
        """Return the entries of one kind and split, in their order; BlshError when there are none."""
        chosen = tuple(entry for entry in self.entries if entry.kind == kind and entry.split == split)
        if not chosen:
            where = f"add some to its {MANIFEST}" if self.layout == "manifest" else f"layout {self.layout}; add some"
            why = f"; it holds {described(self.unread)}; {CONVERT}" if self.unread else ""
            raise BlshError(f"corpus {self.root} has no {kind} in split {split!r}{why}; {where}")
        return chosen

    def has(self, split: str) -> bool:
        """Return whether mixtures of `split` can be made: it has speech and noise."""
        return {entry.kind for entry in self.entries if entry.split == split} == set(KINDS)

    def path(self, entry: Entry) -> Path:
        """Return where the recording of `entry` lies."""
        return (self.noise_root or self.root if entry.kind == "noise" else self.root) / entry.path

    def files(self) -> list[tuple[Path, Entry]]:
        """Return the recordings, each once, and the first entry of each."""
        by_path: dict[Path, Entry] = {}
        for entry in self.entries:
            by_path.setdefault(self.path(entry), entry)
        return list(by_path.items())

    @cached_property
    def unread(self) -> dict[str, tuple[str, ...]]:
        """The recordings in its folders that cannot be read, by kind: a format's suffix, or "links to nothing"."""
        folders = dict.fromkeys([self.root, self.noise_root or self.root])
        return unread_recordings(folders, map(self.path, self.entries))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 in hex over the manifest, or the splits that were found, and every file's name, length and bytes."""
        digest = hashlib.sha256(self._listing())
        for path, file in {(entry.path, self.path(entry)): None for entry in self.entries}:
            digest.update(f"\n{path} {file.stat().st_size}\n".encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()

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
    root = Path(folder)
    require_folder(root, f"there is no corpus folder {root}; check the path or make one with `blsh corpus make`")
    noises = None if noise is None else Path(noise)
    if noises is not None:
        require_folder(noises, f"there is no folder of noises {noises}; check the path")
    layout = find_layout(root, noises, split_seed)
    apart = None if layout.noise_root == layout.root else layout.noise_root
    whole = Corpus(root.resolve().name, layout.root, layout.entries, layout.name, apart)
    _check_speakers(whole)
    if refuse_copies:
        _check_copies(whole)
    for kind in KINDS:
        whole.select(kind, "train")
    pieces = tuple(piece for entry in whole.entries for piece in _pieces(whole, entry))
    return Corpus(whole.name, whole.root, pieces, whole.layout, whole.noise_root)


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


def _check_copies(corpus: Corpus) -> None:
    for first, again in copies(corpus.files()):
        raise BlshError(
            f"{corpus.path(first)} (split {first.split}) and {corpus.path(again)} (split {again.split}) are the same "
            "recording; keep each recording in one split"
        )
