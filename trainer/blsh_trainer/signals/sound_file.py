# SPDX-License-Identifier: Apache-2.0
"""Open sound files by libsndfile and read their frames in blocks.

No header decides how much memory or time this takes.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from blsh_trainer.arrays import FloatArray
from blsh_trainer.errors import BlshError
from blsh_trainer.files import NOT_FETCHED, NOT_FETCHED_TEXT, require_file
from blsh_trainer.signals.containers import CorrectedFile, find_extent, ogg_shortfall
from blsh_trainer.signals.extents import Extent

SLOWEST_HZ, FASTEST_HZ = 1_000, 1_000_000
"""The sampling rates that are read. Below them no speech is left; above them no converter samples: a damaged header."""

_UNKNOWN_FRAMES = 1 << 62  # a stream whose header leaves the length open has this count or more in libsndfile
_SPHERE_HEADER = 1024
_SEEK_IS_INEXACT = ("OGG", "MP3")  # near the end of a Vorbis file libsndfile misses the place
_BLOCK_SAMPLES = 1 << 18  # samples of all channels together that are decoded at once
_RESTORE = "restore the recording"
_DECODER_FAILED = (soundfile.SoundFileError, RuntimeError)


@dataclass(frozen=True)
class SoundFile:
    """A file that is open.

    frames: the length that its header gives, None where the header leaves it open (open_ended). whole: whether it is
    an error if the file ends earlier. shortfall: a phrase that says what the container lacks of what its header
    promises; empty when it lacks nothing.
    """

    path: Path
    sound: soundfile.SoundFile
    frames: int | None
    open_ended: bool
    shortfall: str
    whole: bool

    @property
    def rate_hz(self) -> int:
        """Frames a second."""
        return int(self.sound.samplerate)

    @property
    def channels(self) -> int:
        """Samples a frame."""
        return int(self.sound.channels)

    def blocks(self, first: int = 0, count: int | None = None) -> Iterator[FloatArray]:
        """Yield `count` frames (None: all) from `first` on, float64 (n, channels). Can be called once.

        BlshError where a sample is not finite, where the file is damaged and goes on behind the damage, and, if the
        file has to be `whole`, where it ends before its header says.
        """
        most = max(1, _BLOCK_SAMPLES // self.channels)
        stop = first + count if count is not None else self.frames or _UNKNOWN_FRAMES
        at = self._go_to(first, most)
        ended = at < first
        while at < stop and not ended:
            data, ended = self._read(at, min(most, stop - at))
            if len(data):
                _check_finite(data, self.path, at)
                yield data
            at += len(data)
        if at < stop < _UNKNOWN_FRAMES and self.whole:
            raise BlshError(f"{self.path} ends after {at} frames, its header promises {self.frames}; {_RESTORE}")

    def _go_to(self, first: int, most: int) -> int:
        """Go to frame `first`; return the frame that is reached, an earlier one if the file ends before."""
        if self.sound.format not in _SEEK_IS_INEXACT:
            return self._seek(first) if first else 0
        at, ended = 0, False
        while at < first and not ended:  # frames are decoded and dropped: slower than a seek, in as little memory
            data, ended = self._read(at, min(most, first - at))
            at += len(data)
        return at

    def _seek(self, frame: int) -> int:
        try:
            return int(self.sound.seek(frame))
        except _DECODER_FAILED:
            raise BlshError(f"{self.path} ends before sample {frame}, its header has more; {_RESTORE}") from None

    def _read(self, at: int, count: int) -> tuple[FloatArray, bool]:
        """Return up to `count` frames from frame `at`, where the file stands, and whether the file ends there."""
        data = np.empty((count, self.channels))
        try:
            got = len(self.sound.read(count, always_2d=True, out=data))
        except _DECODER_FAILED:
            # The frames before the damage are in `data`. If the last frame can be read, the file does not end here.
            got = int(self.sound.tell()) - at
            if self._has(self.frames - 1) if self.frames is not None else self.whole:
                raise BlshError(f"{self.path} is damaged behind sample {at + got}; {_RESTORE}") from None
        return data[:got], got < count

    def _has(self, frame: int) -> bool:
        try:
            with soundfile.SoundFile(self.path) as again:  # the decoder that failed gives no more
                again.seek(frame)
                return len(again.read(1)) == 1
        except _DECODER_FAILED:
            return False


@contextmanager
def opened(file: Path, whole: bool = True) -> Iterator[SoundFile]:
    """Open an audio file, through a corrected header where its own leaves the length open or promises too much.

    BlshError when the file is missing, may not be read, is no audio or has a rate beyond SLOWEST_HZ to FASTEST_HZ.
    BlshError, too, when a file that has to be `whole` lacks bytes that its header promises.
    """
    _require_audio(file)
    with ExitStack() as closing:
        stream = closing.enter_context(file.open("rb"))
        extent = find_extent(stream)
        if extent is not None and extent.rate_hz is not None:
            _check_rate(file, extent.rate_hz)
        stream.seek(0)
        shortfall = ogg_shortfall(file) if extent is None else extent.shortfall
        source = CorrectedFile(stream, extent.fixes) if extent is not None and extent.fixed else file
        try:
            sound = closing.enter_context(soundfile.SoundFile(source))
        except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:  # TypeError: .raw
            _refuse_compressed_sphere(file)
            reason = _no_sound_in(file) or _reason(error, extent, shortfall)
            raise BlshError(f"{file} is not audio that can be read ({reason}); give a WAV or FLAC file") from error
        # After each read, soundfile seeks to where it is. libmpg123 then lacks bits of the frames before.
        sound.seekable = lambda: False
        _check_rate(file, sound.samplerate)
        frames = int(sound.frames) if sound.frames < _UNKNOWN_FRAMES else None
        open_ended = frames is None or (extent is not None and extent.promised is None)
        if shortfall and whole:
            raise BlshError(f"{file} is cut short: {shortfall}; {_RESTORE}")
        yield SoundFile(file, sound, frames, open_ended, shortfall, whole)


def _require_audio(file: Path) -> None:
    """Raise BlshError unless `file` is one that may be read, with advice for what only a pipe can give."""
    if str(file) == "-":
        raise BlshError("- is standard input, which only `blsh denoise` reads; name an audio file")
    with suppress(OSError):  # require_file raises the error
        if file.is_fifo():
            raise BlshError(f"{file} is a pipe, not a file; name an audio file, or run `blsh denoise - OUT < {file}`")
    require_file(file, f"there is no audio file {file}; check the path")


def _check_finite(data: FloatArray, file: Path, first: int) -> None:
    """Raise BlshError unless all frames `data` (n, channels), of which the first is `first` of the file, are finite."""
    finite = np.isfinite(data)
    if not finite.all():
        row, channel = (int(at) for at in np.argwhere(~finite)[0])
        raise BlshError(
            f"{file} holds {data[row, channel]} at sample {first + row}; all must be finite, repair the recording"
        )


def _check_rate(file: Path, rate_hz: int) -> None:
    if not SLOWEST_HZ <= rate_hz <= FASTEST_HZ:
        raise BlshError(
            f"the header of {file} gives a rate of {rate_hz} Hz; "
            f"{SLOWEST_HZ} to {FASTEST_HZ} Hz can be read, repair the header"
        )


def _no_sound_in(file: Path) -> str:
    """Return a phrase that says that `file` is empty or a pointer of Git LFS; "" if it is neither."""
    with file.open("rb") as stream:
        head = stream.read(len(NOT_FETCHED))
    if not head:
        return "it is empty"
    return f"it is {NOT_FETCHED_TEXT}: run git lfs pull" if head == NOT_FETCHED else ""


def _reason(error: Exception, extent: Extent | None, shortfall: str) -> str:
    """Return a phrase that tells the user why libsndfile refused a file."""
    said = str(getattr(error, "error_string", error)).rstrip(". ")
    if extent is not None and extent.chunks > 1:
        return "it has two chunks of samples, where one is allowed"
    if shortfall:
        return f"cut short: {shortfall}"
    if extent is not None and extent.channels == 0:
        return "its header gives 0 channels"
    if not said or "Internal error" in said or "unspecified" in said.lower():
        return "its header is damaged or cut short"
    return said


def _refuse_compressed_sphere(file: Path) -> None:
    """Raise BlshError when `file` is NIST SPHERE in a coding that libsndfile lacks, which a corpus of LDC may have."""
    with file.open("rb") as stream:
        header = stream.read(_SPHERE_HEADER)
    coding = re.search(rb"^sample_coding -s\d+ (\S*(shorten|shortpack|wavpack)\S*)", header, re.MULTILINE)
    if header.startswith(b"NIST_1A") and coding:
        raise BlshError(
            f"{file} is NIST SPHERE, compressed ({coding[1].decode('latin-1')}); "
            "convert the files first, with LDC's sph2pipe: sph2pipe -f wav IN OUT"
        )
