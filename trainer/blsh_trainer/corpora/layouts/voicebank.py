# SPDX-License-Identifier: Apache-2.0
"""The VoiceBank-DEMAND layout: folders of clean and of noisy recordings with equal names."""

import re
from pathlib import Path

from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.corpora.folders import audio_below, subfolders
from blsh_trainer.corpora.layouts.place import Finding, Layout, Place
from blsh_trainer.corpora.splits import Recordings, hold_out
from blsh_trainer.errors import BlshError

_SET = re.compile(r"(clean|noisy)_(train|valid|test)set(.*)", re.IGNORECASE)
_UNKNOWN_TYPE = "recorded"


def look_for_pairs(place: Place) -> Finding:
    """Return speech (the clean files) and noise (noisy - clean) of all pairs, or why this is not the layout.

    The speaker is the name up to the first "_". Speakers for a missing valid or test split are held out of the
    training ones. A noise's type comes from log_*.txt (lines "p226_001 cafeteria 15") where there are such files.
    BlshError when a clean folder lacks its noisy one, a recording its counterpart, or when noises were given.
    """
    sets = _sets(place.root)
    if not any(split == "train" for split, _ in sets):
        return "no folders clean_trainset_... and noisy_trainset_..."
    given: dict[str, dict[str, Recordings]] = {}
    noisy_of: dict[str, str] = {}
    for (split, suffix), pair in sets.items():
        if len(pair) != 2:
            (there,) = pair.values()
            other = "noisy" if "clean" in pair else "clean"
            raise BlshError(f"{there} lacks its counterpart {other}_{split}set{suffix} beside it; unpack both")
        clean, noisy = (_by_name(pair[side]) for side in ("clean", "noisy"))
        _check_pairs(pair["clean"], clean, pair["noisy"], noisy)
        given.setdefault(split, {})
        for name, path in clean.items():
            speaker = name.split("_")[0]
            relative = path.relative_to(place.root).as_posix()
            given[split].setdefault(speaker, Recordings(speaker)).paths.append(relative)
            noisy_of[relative] = noisy[name].relative_to(place.root).as_posix()
    place.refuse_noise(f"{place.root} has recorded pairs, whose noises are noisy - clean")
    types = _noise_types(place.root)
    entries: list[Entry] = []
    for split, units in hold_out(given, place.seed).items():
        paths = [(unit.label, path) for unit in units.values() for path in unit.paths]
        entries += [Entry(path, "speech", split, speaker) for speaker, path in paths]
        entries += [
            Entry(noisy_of[path], "noise", split, types.get(Path(path).stem, _UNKNOWN_TYPE), path) for _, path in paths
        ]
    return Layout(place.layout, place.root, place.root, tuple(entries))


def _sets(root: Path) -> dict[tuple[str, str], dict[str, Path]]:
    """Return the folders of each set: by its split and the rest of its name, then by "clean" and "noisy"."""
    sets: dict[tuple[str, str], dict[str, Path]] = {}
    for folder in subfolders(root):
        match = _SET.fullmatch(folder.name)
        if match:
            sets.setdefault((match[2].lower(), match[3].lower()), {})[match[1].lower()] = folder
    return sets


def _by_name(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in audio_below(folder):
        first = files.setdefault(path.stem, path)
        if first != path:
            raise BlshError(f"{folder} holds {first.name} and {path.name} of one name; keep one of them")
    return files


def _check_pairs(clean: Path, cleans: dict[str, Path], noisy: Path, noisies: dict[str, Path]) -> None:
    lonely = [f"{clean}/{cleans[name].name}" for name in cleans if name not in noisies]
    lonely += [f"{noisy}/{noisies[name].name}" for name in noisies if name not in cleans]
    if lonely:
        more = f" and {len(lonely) - 3} more" if len(lonely) > 3 else ""
        raise BlshError(
            f"{', '.join(lonely[:3])}{more}: no recording of that name in the other folder of "
            f"{clean.name} and {noisy.name}; restore it or remove this one"
        )


def _noise_types(root: Path) -> dict[str, str]:
    """Return noise types by the recording's name, as far as there are logs that tell them."""
    types = {}
    for log in sorted([*root.glob("log_*.txt"), *root.glob("*/log_*.txt")]):
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) == 3:
                types[words[0]] = words[1]
    return types
