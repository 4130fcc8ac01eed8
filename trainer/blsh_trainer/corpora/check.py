# SPDX-License-Identifier: Apache-2.0
"""Look through a corpus before hours are spent on it: open and read every file."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.corpus_entry import KINDS, SPLITS, Entry
from blsh_trainer.corpora.duplicates import copies
from blsh_trainer.corpora.unread_files import CONVERT, foreign_suffix
from blsh_trainer.errors import BlshError
from blsh_trainer.progress import Progress
from blsh_trainer.signals.audio import AudioShape, measure_level, probe_audio
from blsh_trainer.signals.levels import LOUDEST, LOUDEST_DBFS, Level
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ, WINDOW

_QUIET_DBFS = -60.0


@dataclass(frozen=True)
class Finding:
    """A finding about a corpus: a `level` of "error" stops training or spoils its figures, "remark" does not."""

    level: str
    text: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """The amount of one kind of recording in one split; `labels` counts its speakers or noise types."""

    split: str
    kind: str
    files: int
    labels: int
    minutes: float


@dataclass(frozen=True)
class Report:
    """The findings of `check_corpus`."""

    name: str
    layout: str
    paired: bool
    sha256: str
    parts: tuple[Part, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that must be mended."""
        return tuple(finding for finding in self.findings if finding.level == "error")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {**asdict(self), "errors": len(self.errors)}


def check_corpus(corpus: Corpus, progress: Progress | None = None) -> Report:
    """Open and read every file of a loaded corpus, block by block, and report its content and its faults.

    A merged corpus is read as one; load it without refuse_copies, so that all recordings are named that it has twice.

    Errors:
    - Files that cannot be read or were cut short, or that hold NaN or infinities.
    - Silent or constant files, and files above LOUDEST_DBFS.
    - Speech shorter than one window, pairs of unequal length, and the same recording in two splits.

    Remarks:
    - Files that are resampled or whose channels are averaged, rates under 16 kHz, headers that leave the length open.
    - Faint files, files beyond full scale, and channels that cancel each other.
    - Recordings that two corpora have, in the same split.
    - Long speech, short noises, splits without speech or noise, and recordings in formats that are not read.
    """
    files = {(entry.kind, corpus.listed(entry)): entry for entry in corpus.entries}
    found: dict[tuple[str, str], list[str]] = {}
    minutes: dict[tuple[str, str], float] = {}
    for done, entry in enumerate(files.values(), start=1):
        try:
            shape = probe_audio(corpus.path(entry))
            judged = list(_judge(corpus, entry, shape, measure_level(corpus.path(entry))))
        except BlshError as error:
            suffix = foreign_suffix(corpus.path(entry))
            text = f"of a format that is not read, {suffix}: {CONVERT}" if suffix else str(error)
            found.setdefault(("error", text), []).append(corpus.listed(entry))
        else:
            key = (entry.split, entry.kind)
            minutes[key] = minutes.get(key, 0.0) + shape.frames / shape.rate_hz / 60
            for weight, text in judged:
                found.setdefault((weight, text), []).append(corpus.listed(entry))
        if progress is not None:
            progress("checking", done, len(files))
    for first, again in copies(corpus.files()):
        finding = ("error", f"the same recording in the splits {first.split} and {again.split}")
        if first.split == again.split:
            finding = ("remark", f"the same recording in two corpora, split {first.split}: the first one counts")
        found.setdefault(finding, []).append(f"{corpus.listed(first)} = {corpus.listed(again)}")
    for split in SPLITS:
        if not corpus.has(split):
            use = "nothing can be evaluated on it" if split == "test" else "no figures of it go into a model's card"
            found[("remark", f"split {split} has no speech or no noise: {use}")] = []
    for kind, paths in corpus.unread.items():
        found[("remark", f"recordings left out, {kind} ({len(paths)}): {CONVERT}")] = list(paths)
    parts = tuple(
        part
        for split in SPLITS
        for kind in KINDS
        if (part := _part(split, kind, list(files.values()), minutes.get((split, kind), 0.0))).files
    )
    findings = tuple(Finding(level, text, tuple(paths)) for (level, text), paths in sorted(found.items()))
    return Report(corpus.name, corpus.layout, corpus.paired, corpus.sha256, parts, findings)


def _part(split: str, kind: str, entries: list[Entry], minutes: float) -> Part:
    chosen = [entry for entry in entries if (entry.split, entry.kind) == (split, kind)]
    return Part(split, kind, len(chosen), len({entry.speaker_or_type for entry in chosen}), round(minutes, 2))


def _judge(corpus: Corpus, entry: Entry, shape: AudioShape, level: Level) -> Iterator[tuple[str, str]]:
    if level.peak == 0.0:
        cause = f"its {level.channels} channels cancel each other" if level.apart else "all samples are 0"
        yield "error", f"silent: {cause}"
    elif level.peak > LOUDEST:
        yield "error", f"louder than {LOUDEST_DBFS:+g} dBFS: in another scale than -1 to 1, as that of int16"
    elif level.constant:
        yield "error", "constant: an offset (DC) and next to no sound"
    elif level.peak > 1:
        yield "remark", "beyond full scale: its peak is above 0 dBFS"
    elif level.energy / level.frames < 10 ** (_QUIET_DBFS / 10):
        yield "remark", f"fainter than {_QUIET_DBFS:g} dBFS"
    if level.peak > 0.0 and level.cancelled:
        yield "remark", level.cancelled
    if shape.open_ended:
        yield "remark", "its header leaves the length open: read to the end of the file"
    if entry.kind == "speech" and shape.samples < WINDOW:
        yield "error", f"shorter than one window, {WINDOW} samples at 16 kHz"
    if entry.kind == "noise" and shape.samples < WINDOW:
        yield "remark", f"shorter than one window, {WINDOW} samples at 16 kHz: repeated until it is a tone"
    if clean_path := corpus.clean_path(entry):
        clean = probe_audio(clean_path)
        if (clean.frames, clean.rate_hz) != (shape.frames, shape.rate_hz):
            yield "error", "not of the length and rate of its clean recording"
    if entry.kind == "speech" and entry.length is not None:
        yield "remark", "longer than a minute: counts as several utterances"
    if shape.channels > 1:
        yield "remark", f"{shape.channels} channels: averaged"
    if shape.rate_hz < SAMPLE_RATE_HZ:
        yield "remark", f"{shape.rate_hz} Hz: resampled to 16 kHz, nothing above {shape.rate_hz / 2000:g} kHz"
    elif shape.rate_hz > SAMPLE_RATE_HZ:
        yield "remark", f"{shape.rate_hz} Hz: resampled to 16 kHz"
