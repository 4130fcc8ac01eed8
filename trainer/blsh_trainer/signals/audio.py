# SPDX-License-Identifier: Apache-2.0
"""Read audio files of any format of soundfile's as mono at 16 kHz, and write WAV and FLAC files."""

import io
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import ArrayLike, NDArray

from blsh_trainer.arrays import FloatArray, check_signal
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing
from blsh_trainer.signals.levels import LOUDEST, Level, averaged, beyond_scale, silence
from blsh_trainer.signals.sound_file import SoundFile, opened
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ

FULL_SCALE = 32768


@dataclass(frozen=True)
class Audio:
    """One recording: `samples` float64 (n,) in [-1, 1) at 16 kHz; rate, channels and frames are those of its file."""

    samples: FloatArray
    source_rate_hz: int
    source_channels: int
    source_frames: int


@dataclass(frozen=True)
class AudioShape:
    """The shape of a file's audio as its header gives it: rate, channels and frames.

    `open_ended`: the header leaves the length open, and the file is read to its end. `shortfall`: a phrase that says
    what the file lacks of what its header promises; empty when it lacks nothing.
    """

    rate_hz: int
    channels: int
    frames: int
    open_ended: bool = False
    shortfall: str = ""

    @property
    def samples(self) -> int:
        """The length in samples at 16 kHz."""
        return self.samples_at(SAMPLE_RATE_HZ)

    def samples_at(self, rate_hz: int) -> int:
        """Return the length in samples at another rate, rounded as soxr rounds it."""
        return int(self.frames * rate_hz / self.rate_hz + 0.5)


def read_audio(path: str | os.PathLike[str]) -> Audio:
    """Read an audio file, average its channels and resample it to 16 kHz (soxr VHQ).

    WAV, FLAC, SPHERE and all other formats of soundfile are read. Silence is valid (see require_sound). BlshError when
    the file is missing or may not be read, is not audio, has no samples or fewer than its header promises, or holds
    samples that are NaN, infinite or above LOUDEST_DBFS.
    """
    with opened(Path(path)) as sound:
        shape = _shape(sound)
        samples = _resampled(_joined(sound, 0, shape.frames), shape.rate_hz)
    return Audio(samples, shape.rate_hz, shape.channels, shape.frames)


def probe_audio(path: str | os.PathLike[str], whole: bool = True) -> AudioShape:
    """Return the shape of a file's audio from its header, without reading a sample. BlshError as of read_audio.

    If `whole` is false, a file that was cut short is no error: see AudioShape.shortfall.
    """
    with opened(Path(path), whole) as sound:
        return _shape(sound)


def read_cut(path: str | os.PathLike[str], start: int, length: int) -> FloatArray:
    """Return samples `start` to `start + length` of what read_audio gives, without reading the rest of the file.

    For a file at 16 kHz they are the same to the bit (MP3: to 1e-7, as its decoder gives them). At another rate the
    cut is resampled with a margin of a second on either side, and they are the same to 1e-9 of full scale. BlshError as
    of read_audio, and when the cut is not in the file.
    """
    file = Path(path)
    with opened(file) as sound:
        shape = _shape(sound)
        if start < 0 or length < 1 or start + length > shape.samples:
            raise BlshError(f"{file} has {shape.samples} samples at 16 kHz; {start} to {start + length} are not in it")
        common = math.gcd(shape.rate_hz, SAMPLE_RATE_HZ)
        ours, theirs = SAMPLE_RATE_HZ // common, shape.rate_hz // common  # ours samples last as long as theirs frames
        margin = 0 if ours == theirs else SAMPLE_RATE_HZ
        blocks = max(0, start - margin) // ours
        first = blocks * theirs
        last = min(shape.frames, -(-(start + length + margin) * theirs // ours))
        samples = _resampled(_joined(sound, first, last - first), shape.rate_hz)
    return samples[start - blocks * ours :][:length].copy()


def audio_blocks(path: str | os.PathLike[str], whole: bool = True) -> Iterator[FloatArray]:
    """Yield the mean of a file's channels, at its own rate, block by block, float64 (n,), however loud it is.

    BlshError as of read_audio. If `whole` is false, a file that was cut short just ends.
    """
    with opened(Path(path), whole) as sound:
        for block in sound.blocks():
            yield averaged(block)


def measure_level(path: str | os.PathLike[str], whole: bool = True) -> Level:
    """Return how loud a file is; all of it is read, block by block. BlshError as of audio_blocks."""
    level = Level()
    with opened(Path(path), whole) as sound:
        for block in sound.blocks():
            level = level.with_block(block, averaged(block))
    return level


def resampled_blocks(blocks: Iterable[FloatArray], rate_hz: int, to_hz: int = SAMPLE_RATE_HZ) -> Iterator[FloatArray]:
    """Yield blocks (n,) of samples at `rate_hz` resampled to `to_hz`.

    At 16 kHz they hold the bits that read_audio would return; memory is that of a block.
    """
    if rate_hz == to_hz:
        yield from blocks
        return
    resampler = soxr.ResampleStream(rate_hz, to_hz, 1, dtype="float64", quality="VHQ")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0), last=True)


def require_sound(audio: Audio, path: str | os.PathLike[str]) -> None:
    """Raise BlshError when `audio`, read from `path`, is digital silence, which has no level to set."""
    if not audio.samples.any():
        raise BlshError(f"{os.fspath(path)} is {silence(audio.samples.size, audio.source_channels)}")


def to_int16(x: ArrayLike) -> NDArray[np.int16]:
    """Return samples in [-1, 1) times 2^15 as int16, rounded half up and saturated."""
    samples = check_signal(x, "the signal")
    return np.clip(np.floor(samples * FULL_SCALE + 0.5), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def from_int16(x: NDArray[np.int16]) -> FloatArray:
    """Return int16 samples as float64 in [-1, 1)."""
    if x.dtype != np.int16:
        raise BlshError(f"samples have dtype {x.dtype}; expected int16")
    return x.astype(np.float64) / FULL_SCALE


def write_wav(path: str | os.PathLike[str], samples: NDArray[Any], rate_hz: int = SAMPLE_RATE_HZ) -> None:
    """Write mono 16-bit PCM WAV at `rate_hz` from int16 samples, or from float samples in [-1, 1).

    The file appears whole or not at all. BlshError for other dtypes, samples that are not finite, a folder
    that cannot be written or a full disk.
    """
    write_pcm(path, samples, "WAV", rate_hz)


def write_pcm(
    path: str | os.PathLike[str], samples: NDArray[Any], container: str, rate_hz: int = SAMPLE_RATE_HZ
) -> None:
    """Write mono 16-bit samples at `rate_hz` in a "WAV" or "FLAC" container; see write_wav."""
    array = np.asarray(samples)
    if array.dtype != np.int16 and not np.issubdtype(array.dtype, np.floating):
        raise BlshError(f"samples have dtype {array.dtype}; expected int16 or float")
    if array.ndim != 1:
        raise BlshError(f"samples have shape {array.shape}; expected one channel, shape (samples,)")
    pcm = array if array.dtype == np.int16 else to_int16(array)
    # By way of memory: libsndfile keeps silent about a disk that fills up while it closes a FLAC file.
    content = io.BytesIO()
    soundfile.write(content, pcm, rate_hz, subtype="PCM_16", format=container)
    with replacing(path) as temporary:
        temporary.write_bytes(content.getvalue())  # a view, in the traceback of an error, can crash Python 3.12.1


def _shape(sound: SoundFile) -> AudioShape:
    frames = sound.frames
    if frames is None:  # only decoding tells the length of a compressed stream
        with opened(sound.path, sound.whole) as again:
            frames = sum(len(block) for block in again.blocks())
    shape = AudioShape(sound.rate_hz, sound.channels, frames, sound.open_ended, sound.shortfall)
    if frames == 0:
        lacks = f"is cut short: {sound.shortfall}, no sample is whole" if sound.shortfall else "has no samples"
        raise BlshError(f"{sound.path} {lacks}; give a recording that is not empty")
    if shape.samples == 0:
        raise BlshError(f"{sound.path} is shorter than one sample at {SAMPLE_RATE_HZ} Hz; give a longer recording")
    return shape


def _joined(sound: SoundFile, first: int, count: int) -> FloatArray:
    """Return `count` frames of a file from `first` on, mono, float64 (count,); BlshError where one is above LOUDEST."""
    parts = []
    for block in sound.blocks(first, count):
        samples = averaged(block)
        loudest = float(np.abs(samples).max())
        if loudest > LOUDEST:
            raise BlshError(f"{sound.path} {beyond_scale(loudest)}; scale the recording to -1 to 1")
        parts.append(samples)
    return np.concatenate(parts)


def at_rate(signal: FloatArray, rate_hz: int) -> FloatArray:
    """Return a signal (n,) at 16 kHz at another rate, aligned with it in time (soxr VHQ)."""
    if rate_hz == SAMPLE_RATE_HZ:
        return signal
    return np.asarray(soxr.resample(signal, SAMPLE_RATE_HZ, rate_hz, quality="VHQ"), dtype=np.float64)


def _resampled(samples: FloatArray, rate_hz: int) -> FloatArray:
    if rate_hz == SAMPLE_RATE_HZ:
        return samples
    return np.asarray(soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ, quality="VHQ"), dtype=np.float64)
