"""A recording in and out in pieces, so that hours of it need no more memory than minutes."""

import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from blsh_codegen.fixed import HISTORY, HOP
from blsh_tools.console import say
from blsh_trainer.audio import audio_blocks, probe_audio, read_audio, require_sound, to_int16
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing
from blsh_trainer.spectra import SAMPLE_RATE_HZ

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Recording:
    """A recording that can be read: `samples` at 16 kHz, and the rate and channels that the file has."""

    path: Path
    samples: int
    rate_hz: int
    channels: int

    def blocks(self) -> Iterator[Samples]:
        """int16 samples at 16 kHz, mono, piece by piece. A file of another rate is resampled in one."""
        if self.rate_hz == SAMPLE_RATE_HZ:
            for block in audio_blocks(self.path):
                yield to_int16(block)
        else:
            yield to_int16(read_audio(self.path).samples)

    def hops(self) -> Iterator[Samples]:
        """int16 (256,) each; silence follows the last sample until the core has put out that as well."""
        rest = np.zeros(0, np.int16)
        for block in self.blocks():
            rest = np.concatenate([rest, block])
            whole = len(rest) // HOP * HOP
            yield from rest[:whole].reshape(-1, HOP)
            rest = rest[whole:]
        tail = np.zeros(-(-(len(rest) + HISTORY) // HOP) * HOP, np.int16)
        tail[: len(rest)] = rest
        yield from tail.reshape(-1, HOP)

    @property
    def hop_count(self) -> int:
        """How many hops() gives."""
        return -(-(self.samples + HISTORY) // HOP)


def open_recording(path: Path) -> Recording:
    """The recording at `path`, looked through once. Raises BlshError if it cannot be read or is silent."""
    shape = probe_audio(path)
    if shape.rate_hz == SAMPLE_RATE_HZ:
        if not any([block.any() for block in audio_blocks(path)]):  # a list: damage at its end is found now
            raise BlshError(f"{path} is silent: all {shape.samples} samples are 0; give one with sound")
    else:
        require_sound(read_audio(path), path)
    return Recording(path, shape.samples, shape.rate_hz, shape.channels)


def say_conversion(path: Path, rate_hz: int, channels: int) -> None:
    """Tell of what was done to a recording before it was denoised."""
    if rate_hz != SAMPLE_RATE_HZ:
        say(f"{path}: resampled from {rate_hz} Hz to {SAMPLE_RATE_HZ} Hz")
    if channels != 1:
        say(f"{path}: {channels} channels averaged")


class WavWriter:
    """A WAV file, 16 kHz, mono, 16 bits, that grows; as a context manager, its header is right at the end."""

    def __init__(self, path: Path) -> None:
        self.samples = 0
        self._file = wave.open(str(path), "wb")  # noqa: SIM115
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(SAMPLE_RATE_HZ)

    def write(self, samples: Samples) -> None:
        """Append int16 samples."""
        self._file.writeframes(samples.astype("<i2").tobytes())
        self.samples += len(samples)

    def close(self) -> None:
        """Finish the header."""
        self._file.close()

    def __enter__(self) -> "WavWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_wav_blocks(path: Path, blocks: Iterable[Samples]) -> int:
    """Write int16 blocks as a WAV file that appears whole or not at all; returns the number of samples."""
    with replacing(path) as temporary, WavWriter(temporary) as file:
        for block in blocks:
            file.write(block)
        return file.samples
