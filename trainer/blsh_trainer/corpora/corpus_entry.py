# SPDX-License-Identifier: Apache-2.0
"""The entries of a corpus: recordings of speech or noise, each in one split."""

from dataclasses import dataclass

KINDS = ("speech", "noise")
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Credit:
    """What a manifest says of the rights in a recording; empty text where its columns are missing or empty.

    `licence` is None where the manifest has no such column, or where there is no manifest.
    """

    licence: str | None = None
    licence_class: str = ""
    source: str = ""
    author: str = ""


@dataclass(frozen=True)
class Entry:
    """A recording or a part of one; `path` is relative to the root of its kind.

    `speaker_or_type` is the speaker or the noise type. `minus` is set for the noise of a recorded pair: the clean
    recording, relative to the corpus root, which subtracted from `path` leaves the noise. A part of a long recording
    has `start` and `length`, in samples at 16 kHz; with a `length` of None the entry reaches to the recording's end.
    In a merged corpus `part` is the number of the corpus that the recording lies in, from 0.
    """

    path: str
    kind: str
    split: str
    speaker_or_type: str
    minus: str = ""
    start: int = 0
    length: int | None = None
    credit: Credit = Credit()
    part: int = 0
