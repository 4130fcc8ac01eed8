# SPDX-License-Identifier: Apache-2.0
"""The TIMIT layout: TRAIN/DR1/FCJF0/SA1.WAV, in capitals or not, NIST SPHERE or RIFF; the noises lie elsewhere."""

from pathlib import Path

from blsh_trainer.corpora.folders import audio_below, is_dialect, subfolders
from blsh_trainer.corpora.layouts.place import Finding, Place
from blsh_trainer.corpora.splits import Recordings, hold_out


def look_for_timit(place: Place) -> Finding:
    """Return TIMIT with speakers for `valid` held out of TRAIN, or why it is not TIMIT."""
    parts = {path.name.lower(): path for path in subfolders(place.root)}
    if "train" not in parts:
        return "no folder TRAIN"
    given: dict[str, dict[str, Recordings]] = {}
    for split in ("train", "test"):
        dialects = [path for path in subfolders(parts[split]) if is_dialect(path.name)] if split in parts else []
        if not dialects:
            return f"no folders DR1 to DR8 in {split.upper()}"
        given[split] = {
            speaker.name.upper(): Recordings(speaker.name.upper(), paths)
            for dialect in dialects
            for speaker in subfolders(dialect)
            if (paths := _utterances(speaker, place.root))
        }
    return place.with_given_noise(hold_out(given, place.seed))


def _utterances(speaker: Path, root: Path) -> list[str]:
    """Return a speaker's utterances, each once: some copies of TIMIT hold SA1.WAV and, as RIFF, SA1.WAV.wav."""
    chosen = {path.name.lower().removesuffix(".wav").removesuffix(".wav"): path for path in audio_below(speaker)}
    return [path.relative_to(root).as_posix() for path in chosen.values()]
