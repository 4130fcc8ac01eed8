"""The layouts in which corpora come, each recognised by what lies in its folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from blsh_trainer.corpora.corpus_entry import SPLITS, Entry
from blsh_trainer.corpora.folders import audio_here, descend, noise_splits, speaker_splits, subfolders
from blsh_trainer.corpora.layouts.manifest import COLUMNS, MANIFEST, read_manifest
from blsh_trainer.corpora.layouts.timit import timit_splits
from blsh_trainer.corpora.layouts.voicebank import voicebank_entries
from blsh_trainer.corpora.splits import Units
from blsh_trainer.corpora.unread_files import CONVERT, described, unread_recordings
from blsh_trainer.errors import BlshError
from blsh_trainer.files import require_file


@dataclass(frozen=True)
class Layout:
    """A recognised corpus: its layout's name, where paths of speech and of noise begin, and its recordings."""

    name: str
    root: Path
    noise_root: Path
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class _Place:
    """Where to look: the folder given, the same without folders that only wrap one, and a folder of noises."""

    given: Path
    root: Path
    noise: Path | None
    seed: int


_Finding = Layout | str
"""A layout, or why it does not fit."""


def find_layout(folder: Path, noise: Path | None, seed: int) -> Layout:
    """Return the layout of `folder`, whose noises are in the folder `noise` where it has none of its own.

    BlshError when no layout fits, with the reason for each; when `noise` is needed and missing, or given and
    not needed; or when the recordings of a layout that fits are not in order.
    """
    place = _Place(folder, descend(folder), None if noise is None else descend(noise), seed)
    reasons = []
    for name, look in _LAYOUTS:
        found = look(place)
        if isinstance(found, Layout):
            return found
        reasons.append(f"{name}: {found}")
    listed = "\n  ".join(reasons)
    raise BlshError(f"{folder} fits none of the layouts of a corpus; arrange it as one of these\n  {listed}")


def _manifest(place: _Place) -> _Finding:
    """The table decides; it lies in the folder given, or in the only one there."""
    root = place.given if (place.given / MANIFEST).exists() else place.root
    manifest = root / MANIFEST
    if not manifest.exists():
        return f"no {MANIFEST}, which would list the files, columns {', '.join(COLUMNS)}"
    _refuse_noise(place, f"{manifest} lists its noises")
    require_file(manifest, f"{manifest} is no file; put a table there")
    return Layout("manifest", root, root, read_manifest(manifest))


def _voicebank(place: _Place) -> _Finding:
    """Pairs: clean_trainset_28spk_wav with noisy_trainset_28spk_wav, clean_testset_wav with noisy_testset_wav."""
    found = voicebank_entries(place.root, place.seed)
    if isinstance(found, str):
        return found
    _refuse_noise(place, f"{place.root} has recorded pairs, whose noises are noisy - clean")
    return Layout("VoiceBank-DEMAND", place.root, place.root, found)


def _timit(place: _Place) -> _Finding:
    """TRAIN/DR1/SPEAKER/SA1.WAV, in capitals or not; the noises come from elsewhere."""
    found = timit_splits(place.root, place.seed)
    if isinstance(found, str):
        return found
    return _with_noise("TIMIT", place, found)


def _folders(place: _Place) -> _Finding:
    """speech/SPEAKER/ and noise/TYPE/, or speech/ alone with the noises elsewhere."""
    below = {path.name.lower(): path for path in subfolders(place.root)}
    speech, noise = below.get("speech"), below.get("noise")
    if speech is None:
        return "no folder speech"
    speakers = speaker_splits(speech, place.root, place.seed)
    if noise is None:
        return _with_noise("folders", place, speakers)
    _refuse_noise(place, f"{noise} holds the noises of this corpus")
    noises = noise_splits(noise, place.root, place.seed)
    return Layout("folders", place.root, place.root, _entries("speech", speakers) + _entries("noise", noises))


def _speakers(place: _Place) -> _Finding:
    """SPEAKER/... or train-clean-5/SPEAKER/..., as LibriSpeech has it, with the noises elsewhere."""
    if place.noise is None:
        return "no folder of noises given (--noise DIR) to go with folders of speakers"
    if audio_here(place.root) or not subfolders(place.root):
        return "no folders of speakers"
    speakers = speaker_splits(place.root, place.root, place.seed)
    if not speakers["train"]:
        unread = unread_recordings([place.root], ())
        return f"no recordings in folders of speakers{f'; {described(unread)}; {CONVERT}' if unread else ''}"
    return _with_noise("speakers", place, speakers)


def _with_noise(name: str, place: _Place, speakers: Mapping[str, Units]) -> Layout:
    if place.noise is None:
        raise BlshError(f"{place.given} ({name}) has speech and no noise; give a folder of noises, --noise DIR")
    noises = noise_splits(place.noise, place.noise, place.seed)
    return Layout(name, place.root, place.noise, _entries("speech", speakers) + _entries("noise", noises))


def _entries(kind: str, splits: Mapping[str, Units]) -> tuple[Entry, ...]:
    return tuple(
        Entry(path, kind, split, unit.label)
        for split in SPLITS
        for unit in splits.get(split, {}).values()
        for path in unit.paths
    )


def _refuse_noise(place: _Place, why: str) -> None:
    if place.noise is not None:
        raise BlshError(f"{place.noise} is given as noise, but {why}; leave out --noise")


_LAYOUTS: tuple[tuple[str, Callable[[_Place], _Finding]], ...] = (
    ("manifest", _manifest),
    ("VoiceBank-DEMAND", _voicebank),
    ("TIMIT", _timit),
    ("folders", _folders),
    ("speakers", _speakers),
)
