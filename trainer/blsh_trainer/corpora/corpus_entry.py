# SPDX-License-Identifier: Apache-2.0
"""The entries of a corpus: recordings of speech or noise, each in one split."""

from dataclasses import dataclass

KINDS = ("speech", "noise")
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Entry:
    """A recording or a part of one; `path` is relative to the root of its kind.

    `speaker_or_type` is the speaker or the noise type. `minus` is set for the noise of a recorded pair: the clean
    recording, relative to the corpus root, which subtracted from `path` leaves the noise. A part of a long recording
    has `start` and `length`, in samples at 16 kHz; with a `length` of None the entry reaches to the recording's end.
    """

    path: str
    kind: str
    split: str
    speaker_or_type: str
    minus: str = ""
    start: int = 0
    length: int | None = None
