# SPDX-License-Identifier: Apache-2.0
"""The layout "speakers": SPEAKER/..., or train-clean-5/SPEAKER/... as LibriSpeech has it; the noises lie elsewhere."""

from blsh_trainer.corpora.folders import audio_here, speaker_splits, subfolders
from blsh_trainer.corpora.layouts.place import Finding, Place
from blsh_trainer.corpora.unread_files import CONVERT, described, unread_recordings


def look_for_speakers(place: Place) -> Finding:
    """Return the corpus of folders of speakers, if noises were given; or why it is not this layout."""
    if place.noise is None:
        return "no folder of noises given (--noise DIR) to go with folders of speakers"
    if audio_here(place.root) or not subfolders(place.root):
        return "no folders of speakers"
    speakers = speaker_splits(place.root, place.root, place.seed)
    if not speakers["train"]:
        unread = unread_recordings([place.root], ())
        return f"no recordings in folders of speakers{f'; {described(unread)}; {CONVERT}' if unread else ''}"
    return place.with_given_noise(speakers)
