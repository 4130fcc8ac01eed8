# SPDX-License-Identifier: Apache-2.0
"""The layout "folders": speech/SPEAKER/ and noise/TYPE/, or speech/ alone with the noises elsewhere."""

from blsh_trainer.corpora.folders import noise_splits, speaker_splits, subfolders
from blsh_trainer.corpora.layouts.place import Finding, Layout, Place, entries_of


def look_for_speech_and_noise(place: Place) -> Finding:
    """Return the corpus of a folder that has a folder speech; or why it is not this layout."""
    below = {path.name.lower(): path for path in subfolders(place.root)}
    speech, noise = below.get("speech"), below.get("noise")
    if speech is None:
        return "no folder speech"
    speakers = speaker_splits(speech, place.root, place.seed)
    if noise is None:
        return place.with_given_noise(speakers)
    place.refuse_noise(f"{noise} holds the noises of this corpus")
    noises = noise_splits(noise, place.root, place.seed)
    return Layout(place.layout, place.root, place.root, entries_of("speech", speakers) + entries_of("noise", noises))
