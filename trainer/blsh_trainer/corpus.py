"""A corpus: recordings of speech and noise in splits, whatever the layout of its folder."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from blsh_trainer.audio import probe_audio
from blsh_trainer.entries import KINDS, SPLITS, Entry
from blsh_trainer.errors import BlshError
from blsh_trainer.files import require_folder
from blsh_trainer.layouts import find_layout
from blsh_trainer.manifest import COLUMNS, MANIFEST
from blsh_trainer.spectra import SAMPLE_RATE_HZ

__all__ = ["COLUMNS", "KINDS", "LONGEST_UTTERANCE", "MANIFEST", "SPLITS", "Corpus", "Entry", "copies", "load_corpus"]

LONGEST_UTTERANCE = 60 * SAMPLE_RATE_HZ  # what a mixture may hold in memory; longer speech counts as several
_LONG_BYTES = 1 << 18  # less than a minute of any format, so that short files need not be opened
_EDGE_BYTES = 1 << 16


@dataclass(frozen=True)
class Corpus:
    """A checked corpus; `entries` are in the order of its manifest, or by split and name.

    Paths of noise are relative to `noise_root`, which is `root` unless None, and those of speech to `root`.
    """

    name: str
    root: Path
    entries: tuple[Entry, ...]
    layout: str = "manifest"
    noise_root: Path | None = None

    @property
    def paired(self) -> bool:
        """Whether it holds recorded mixtures: its noises are what noisy recordings have over clean ones."""
        return any(entry.minus for entry in self.entries)

    def select(self, kind: str, split: str) -> tuple[Entry, ...]:
        """Return the entries of one kind and split, in their order; BlshError when there are none."""
        chosen = tuple(entry for entry in self.entries if entry.kind == kind and entry.split == split)
        if not chosen:
            where = f"add some to its {MANIFEST}" if self.layout == "manifest" else f"layout {self.layout}; add some"
            raise BlshError(f"corpus {self.root} has no {kind} in split {split!r}; {where}")
        return chosen

    def has(self, split: str) -> bool:
        """Return whether mixtures of `split` can be made: it has speech and noise."""
        return {entry.kind for entry in self.entries if entry.split == split} == set(KINDS)

    def path(self, entry: Entry) -> Path:
        """Return where the recording of `entry` lies."""
        return (self.noise_root or self.root if entry.kind == "noise" else self.root) / entry.path

    @cached_property
    def sha256(self) -> str:
        """SHA-256 in hex over the manifest's bytes, or the splits found, and every file's name, length and bytes."""
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
    folder: str | os.PathLike[str], noise: str | os.PathLike[str] | None = None, split_seed: int = 0
) -> Corpus:
    """Recognise, read and check the corpus in `folder`, with a folder of noises where its layout has none.

    Splits that a layout lacks are drawn from `split_seed`; to train and to evaluate, use the same. Speech that is
    longer than a minute counts as several utterances, so that no mixture needs more memory than that.

    BlshError when a folder is missing or unreadable, fits no layout (see layouts.find_layout), has no training
    speech or noise, or when a speaker or a noise recording is in two splits (the evaluation would not be on
    unseen ones).
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
    _check_noises(whole)
    for kind in KINDS:
        whole.select(kind, "train")
    pieces = tuple(piece for entry in whole.entries for piece in _pieces(whole, entry))
    return Corpus(whole.name, whole.root, pieces, whole.layout, whole.noise_root)


def copies(corpus: Corpus, entries: Iterable[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """Yield pairs of entries whose files have the same bytes but not the same split.

    Only files of one length are opened, and read to the end only when their beginnings and ends agree.
    """
    by_size: dict[int, list[Entry]] = {}
    for entry in {entry.path: entry for entry in entries}.values():
        by_size.setdefault(corpus.path(entry).stat().st_size, []).append(entry)
    for same_size in by_size.values():
        if len({entry.split for entry in same_size}) < 2:
            continue
        by_edges: dict[bytes, list[Entry]] = {}
        for entry in same_size:
            by_edges.setdefault(_edges(corpus.path(entry)), []).append(entry)
        for alike in by_edges.values():
            first_of: dict[str, Entry] = {}
            for entry in alike if len({entry.split for entry in alike}) > 1 else ():
                with corpus.path(entry).open("rb") as stream:
                    first = first_of.setdefault(hashlib.file_digest(stream, "sha256").hexdigest(), entry)
                if first.split != entry.split:
                    yield first, entry


def _edges(file: Path) -> bytes:
    with file.open("rb") as stream:
        start = stream.read(_EDGE_BYTES)
        stream.seek(-min(_EDGE_BYTES, file.stat().st_size), os.SEEK_END)
        return start + stream.read()


def _pieces(corpus: Corpus, entry: Entry) -> tuple[Entry, ...]:
    """Return `entry`, or equal parts of long speech."""
    if entry.kind != "speech" or corpus.path(entry).stat().st_size < _LONG_BYTES:
        return (entry,)
    try:
        samples = probe_audio(corpus.path(entry)).samples
    except BlshError:
        return (entry,)  # whoever reads it will say what is wrong with it
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


def _check_noises(corpus: Corpus) -> None:
    for first, again in copies(corpus, (entry for entry in corpus.entries if entry.kind == "noise")):
        raise BlshError(
            f"{corpus.path(first)} (split {first.split}) and {corpus.path(again)} (split {again.split}) are the same "
            "recording; keep each noise in one split"
        )
