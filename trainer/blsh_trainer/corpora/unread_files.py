# SPDX-License-Identifier: Apache-2.0
"""Find recordings in a corpus's folders that cannot be read: formats that libsndfile lacks, and links to nothing."""

from collections.abc import Iterable
from pathlib import Path

from blsh_trainer.corpora.folders import SUFFIXES, files_below

_FOREIGN = (  # suffixes of sound, and of films with sound, that no other kind of file has
    ".3g2 .3ga .3gp .aac .aax .ac3 .adts .alac .amr .ape .asf .at3 .avi .awb .dff .dsf .dss .dts .eac3 .f4a .flv .gsm "
    ".m2a .m4a .m4b .m4p .m4r .m4v .mka .mkv .mov .mp+ .mp1 .mp2 .mp4 .mpa .mpc .mpeg .mpg .mpp .ofr .ogv .ogx .oma "
    ".pcm .qcp .ra .ram .raw .rm .shn .spx .tak .tta .vox .weba .webm .wma .wmv .wv .wv1 .wv2"
)
_FOREIGN_SUFFIXES = frozenset(_FOREIGN.split())
CONVERT = "convert them to WAV or FLAC, restore what links lead to, or take them away"
_BROKEN = "links to nothing"
_HEAD_BYTES = 12
_MOST_NAMED = 3


def unread_recordings(folders: Iterable[Path], listed: Iterable[Path]) -> dict[str, tuple[str, ...]]:
    """Return the recordings below `folders` that are not read, by suffix, or by "links to nothing".

    The files in `listed` are read. A file with an unknown suffix counts when it begins as a recording does.
    BlshError for a folder that cannot be read.
    """
    known = set(listed)
    found: dict[str, list[str]] = {}
    for folder in folders:
        for path in files_below(folder):
            if path not in known and (kind := _kind(path)):
                found.setdefault(kind, []).append(path.relative_to(folder).as_posix())
    return {kind: tuple(paths) for kind, paths in sorted(found.items())}


def described(unread: dict[str, tuple[str, ...]]) -> str:
    """Return in words how many recordings are not read, of which kinds, and some of their names."""
    paths = [path for kind in unread.values() for path in kind]
    kinds = ", ".join(f"{kind} ({len(files)})" for kind, files in unread.items())
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return f"recordings of kinds that are not read, {kinds}: {', '.join(paths[:_MOST_NAMED])}{more}"


def foreign_suffix(path: Path) -> str:
    """Return the suffix of a file in small letters if it is that of a format that is not read, else ""."""
    suffix = path.suffix.lower()
    return suffix if suffix in _FOREIGN_SUFFIXES else ""


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return "" if path.is_file() else _BROKEN
    if foreign_suffix(path):
        return suffix
    return (suffix or "without a suffix") if _begins_as_sound(path) else ""


def _begins_as_sound(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError:
        return False  # no sign that it is a recording
    form = head[:4], head[8:12]
    whole = (b"fLaC", b"OggS", b"NIST", b"RF64", b"caff", b"ID3")
    return form in ((b"RIFF", b"WAVE"), (b"FORM", b"AIFF"), (b"FORM", b"AIFC")) or head.startswith(whole)
