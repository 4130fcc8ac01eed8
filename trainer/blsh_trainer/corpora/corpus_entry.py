"""What a corpus is made of: recordings of speech or noise, each in one split."""

from dataclasses import dataclass

KINDS = ("speech", "noise")
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Entry:
    """One recording; `path` is relative to the root of its kind, `speaker_or_type` the speaker or noise type.

    `minus` is set for the noise of a recorded pair: the clean recording, relative to the corpus root, that leaves
    the noise when it is subtracted from `path`. A part of a long recording has `start` and `length`, in samples at
    16 kHz; without `length` the entry reaches to the recording's end.
    """

    path: str
    kind: str
    split: str
    speaker_or_type: str
    minus: str = ""
    start: int = 0
    length: int | None = None
