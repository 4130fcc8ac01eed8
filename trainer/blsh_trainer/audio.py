"""Audio files: anything soundfile reads becomes 16 kHz mono; WAV goes out whole or not at all."""

import io
import os
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


@dataclass(frozen=True)
class Audio:
    """One recording: `samples` float64 (n,) in [-1, 1) at 16 kHz, and what the file had."""

    samples: FloatArray
    source_rate_hz: int
    source_channels: int
    source_frames: int


def read_audio(path: str | os.PathLike[str]) -> Audio:
    """Read a WAV, FLAC or other file of soundfile's; average its channels; resample (soxr VHQ) to 16 kHz.

    Silence is valid (see require_sound). BlshError when the file is missing or may not be read, is not audio,
    has no samples or holds NaN or infinite samples.
    """
    file = Path(path)
    require_file(file, f"there is no audio file {file}; check the path")
    try:
        data, rate_hz = soundfile.read(file, dtype="float64", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as error:
        # TypeError: samples without a header (.raw). ValueError: a header without a length (a FLAC cut short).
        raise BlshError(f"{file} is not audio that can be read ({error}); give a WAV or FLAC file") from error
    if data.shape[0] == 0:
        raise BlshError(f"{file} has no samples; give a recording that is not empty")
    for channel in data.T:  # before the mean, which makes a NaN and a warning of two opposite infinities
        check_signal(channel, str(file))
    samples = np.asarray(data.mean(axis=1), dtype=np.float64)
    if rate_hz != SAMPLE_RATE_HZ:
        samples = np.asarray(soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ, quality="VHQ"), dtype=np.float64)
        if samples.size == 0:
            raise BlshError(f"{file} is shorter than one sample at {SAMPLE_RATE_HZ} Hz; give a longer recording")
    return Audio(samples, int(rate_hz), int(data.shape[1]), int(data.shape[0]))


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
