"""Audio files: anything soundfile reads becomes 16 kHz mono; WAV goes out whole or not at all."""

import io
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import ArrayLike, NDArray

from blsh_trainer.arrays import FloatArray, check_signal
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing, require_file
from blsh_trainer.spectra import SAMPLE_RATE_HZ

FULL_SCALE = 32768
_UNKNOWN_FRAMES = 1 << 62  # libsndfile's count of a stream whose header leaves it open is the largest it has
_SPHERE_HEADER = 1024
_SEEK_IS_INEXACT = ("OGG", "MP3")  # near the end of a Vorbis file libsndfile misses the place
_SKIPPED_FRAMES = 1 << 18


@dataclass(frozen=True)
class Audio:
    """One recording: `samples` float64 (n,) in [-1, 1) at 16 kHz, and what the file had."""

    samples: FloatArray
    source_rate_hz: int
    source_channels: int
    source_frames: int


@dataclass(frozen=True)
class AudioShape:
    """What a file's header says: its rate, channels and frames, and the `samples` these are at 16 kHz."""

    rate_hz: int
    channels: int
    frames: int

    @property
    def samples(self) -> int:
        """The length at 16 kHz, rounded as soxr rounds it."""
        return int(self.frames * SAMPLE_RATE_HZ / self.rate_hz + 0.5)


def read_audio(path: str | os.PathLike[str]) -> Audio:
    """Read a WAV, FLAC, SPHERE or other file of soundfile's; average its channels; resample (soxr VHQ) to 16 kHz.

    Silence is valid (see require_sound). BlshError when the file is missing or may not be read, is not audio,
    has no samples or holds NaN or infinite samples.
    """
    file = Path(path)
    with _opened(file) as sound:
        shape = _shape(sound, file)
        samples = _resampled(_mono(_frames(sound, file, 0, 0, shape.frames), file, 0), shape.rate_hz)
    return Audio(samples, shape.rate_hz, shape.channels, shape.frames)


def probe_audio(path: str | os.PathLike[str]) -> AudioShape:
    """Return what the header of an audio file says; BlshError as of read_audio, but no sample is read."""
    file = Path(path)
    with _opened(file) as sound:
        return _shape(sound, file)


def read_cut(path: str | os.PathLike[str], start: int, length: int) -> FloatArray:
    """Return samples `start` to `start + length` of what read_audio gives, and read no more than these.

    Of a file at 16 kHz they are the same to the bit (MP3: to its decoder's 1e-7). Of another they are resampled
    with a margin of a second on either side: the same to 1e-9 of full scale. BlshError as of read_audio, and when
    the cut is not in the file.
    """
    file = Path(path)
    with _opened(file) as sound:
        shape = _shape(sound, file)
        if start < 0 or length < 1 or start + length > shape.samples:
            raise BlshError(f"{file} has {shape.samples} samples at 16 kHz; {start} to {start + length} are not in it")
        common = math.gcd(shape.rate_hz, SAMPLE_RATE_HZ)
        ours, theirs = SAMPLE_RATE_HZ // common, shape.rate_hz // common  # ours samples last as long as theirs frames
        margin = 0 if ours == theirs else SAMPLE_RATE_HZ
        blocks = max(0, start - margin) // ours
        first = blocks * theirs
        last = min(shape.frames, -(-(start + length + margin) * theirs // ours))
        samples = _resampled(_mono(_frames(sound, file, 0, first, last - first), file, first), shape.rate_hz)
    return samples[start - blocks * ours :][:length].copy()


def audio_blocks(path: str | os.PathLike[str], frames: int = 1 << 18) -> Iterator[FloatArray]:
    """Yield a file's channels averaged, at its own rate, in blocks of `frames`; BlshError as of read_audio."""
    file = Path(path)
    with _opened(file) as sound:
        shape = _shape(sound, file)
        for first in range(0, shape.frames, frames):
            yield _mono(_frames(sound, file, first, first, min(frames, shape.frames - first)), file, first)


def require_sound(audio: Audio, path: str | os.PathLike[str]) -> None:
    """Raise BlshError when `audio`, read from `path`, is digital silence: it has no level to set."""
    if not audio.samples.any():
        raise BlshError(f"{os.fspath(path)} is silent: all {audio.samples.size} samples are 0; give one with sound")


def to_int16(x: ArrayLike) -> NDArray[np.int16]:
    """Return [-1, 1) samples as int16 by 2^15: round half up, saturate."""
    samples = check_signal(x, "the signal")
    return np.clip(np.floor(samples * FULL_SCALE + 0.5), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def from_int16(x: NDArray[np.int16]) -> FloatArray:
    """Return int16 samples as float64 in [-1, 1)."""
    if x.dtype != np.int16:
        raise BlshError(f"samples have dtype {x.dtype}; expected int16")
    return x.astype(np.float64) / FULL_SCALE


def write_wav(path: str | os.PathLike[str], samples: NDArray[Any]) -> None:
    """Write mono 16-bit PCM WAV at 16 kHz from int16 samples, or from float samples in [-1, 1).

    The file appears whole or not at all. BlshError for other dtypes, samples that are not finite, a folder
    that cannot be written or a full disk.
    """
    write_pcm(path, samples, "WAV")


def write_pcm(path: str | os.PathLike[str], samples: NDArray[Any], container: str) -> None:
    """Write mono 16-bit samples at 16 kHz in a "WAV" or "FLAC" container; see write_wav."""
    array = np.asarray(samples)
    if array.dtype != np.int16 and not np.issubdtype(array.dtype, np.floating):
        raise BlshError(f"samples have dtype {array.dtype}; expected int16 or float")
    if array.ndim != 1:
        raise BlshError(f"samples have shape {array.shape}; expected one channel, shape (samples,)")
    pcm = array if array.dtype == np.int16 else to_int16(array)
    # By way of memory: libsndfile keeps silent about a disk that fills up while it closes a FLAC file.
    content = io.BytesIO()
    soundfile.write(content, pcm, SAMPLE_RATE_HZ, subtype="PCM_16", format=container)
    with replacing(path) as temporary:
        temporary.write_bytes(content.getbuffer())


@contextmanager
def _opened(file: Path) -> Iterator[soundfile.SoundFile]:
    require_file(file, f"there is no audio file {file}; check the path")
    try:
        with soundfile.SoundFile(file) as sound:
            if sound.format in _SEEK_IS_INEXACT:
                # soundfile seeks to where it is after each read, and libmpg123 then lacks bits of earlier frames.
                sound.seekable = lambda: False
            yield sound
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        # TypeError: samples without a header (.raw). ValueError: a header without a length (a FLAC cut short).
        _refuse_compressed_sphere(file)
        raise BlshError(f"{file} is not audio that can be read ({error}); give a WAV or FLAC file") from error


def _shape(sound: soundfile.SoundFile, file: Path) -> AudioShape:
    shape = AudioShape(int(sound.samplerate), int(sound.channels), int(sound.frames))
    if shape.frames == 0:
        raise BlshError(f"{file} has no samples; give a recording that is not empty")
    if shape.samples == 0:
        raise BlshError(f"{file} is shorter than one sample at {SAMPLE_RATE_HZ} Hz; give a longer recording")
    if shape.frames >= _UNKNOWN_FRAMES:
        raise ValueError("its header does not say how long it is")
    return shape


def _frames(sound: soundfile.SoundFile, file: Path, at: int, first: int, count: int) -> FloatArray:
    """Return frames float64 (count, channels) from `first` on of a file that stands at frame `at`."""
    if sound.format in _SEEK_IS_INEXACT:
        for skipped in range(at, first, _SKIPPED_FRAMES):  # decoded and dropped: slower, and in as little memory
            sound.read(min(_SKIPPED_FRAMES, first - skipped))
    elif first != at:
        sound.seek(first)
    data: FloatArray = sound.read(count, dtype="float64", always_2d=True)
    if data.shape[0] != count:
        raise BlshError(f"{file} ends after {first + data.shape[0]} frames, its header has more; restore the recording")
    return data


def _mono(data: FloatArray, file: Path, first: int) -> FloatArray:
    """Average the channels of `data` (n, channels), which begins at frame `first`; BlshError for what is not finite."""
    finite = np.isfinite(data)
    if not finite.all():  # before the mean, which makes a NaN and a warning of two opposite infinities
        row, channel = (int(at) for at in np.argwhere(~finite)[0])
        raise BlshError(
            f"{file} holds {data[row, channel]} at sample {first + row}; all must be finite, repair the recording"
        )
    return np.asarray(data.mean(axis=1), dtype=np.float64)


def _resampled(samples: FloatArray, rate_hz: int) -> FloatArray:
    if rate_hz == SAMPLE_RATE_HZ:
        return samples
    return np.asarray(soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ, quality="VHQ"), dtype=np.float64)


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
