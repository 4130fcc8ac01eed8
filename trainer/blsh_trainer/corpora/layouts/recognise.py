# SPDX-License-Identifier: Apache-2.0
"""Recognise the layout of a corpus by what lies in its folder.

To add a layout: a module of this package with a function that takes a Place and returns a Finding, and a row below.
"""

from collections.abc import Callable
from pathlib import Path

from blsh_trainer.corpora.folders import descend
from blsh_trainer.corpora.layouts.manifest import look_for_manifest
from blsh_trainer.corpora.layouts.place import Finding, Layout, Place
from blsh_trainer.corpora.layouts.speaker_folders import look_for_speakers
from blsh_trainer.corpora.layouts.speech_and_noise import look_for_speech_and_noise
from blsh_trainer.corpora.layouts.timit import look_for_timit
from blsh_trainer.corpora.layouts.voicebank import look_for_pairs
from blsh_trainer.errors import BlshError

LAYOUTS: tuple[tuple[str, Callable[[Place], Finding]], ...] = (
    ("manifest", look_for_manifest),
    ("VoiceBank-DEMAND", look_for_pairs),
    ("TIMIT", look_for_timit),
    ("folders", look_for_speech_and_noise),
    ("speakers", look_for_speakers),
)
"""The layouts in the order in which they are tried: the first that fits is taken."""


def find_layout(folder: Path, noise: Path | None, seed: int) -> Layout:
    """Return the layout of `folder`, whose noises are in the folder `noise` where it has none of its own.

    BlshError when no layout fits, with the reason for each; when `noise` is needed and missing, or given and
    not needed; or when the recordings of a layout that fits are not in order.
    """
    root, noises = descend(folder), None if noise is None else descend(noise)
    reasons = []
    for name, look in LAYOUTS:
        found = look(Place(name, folder, root, noises, seed))
        if isinstance(found, Layout):
            return found
        reasons.append(f"{name}: {found}")
    listed = "\n  ".join(reasons)
    raise BlshError(f"{folder} fits none of the layouts of a corpus; arrange it as one of these\n  {listed}")
