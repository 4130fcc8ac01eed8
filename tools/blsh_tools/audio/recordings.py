"""A recording in and out in pieces, so that hours of it need no more memory than minutes."""

import math
import shutil
import struct
import sys
import tempfile
import wave
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from blsh_codegen.spec.constants import HISTORY, HOP
from blsh_tools.console import say
from blsh_trainer.arrays import FloatArray
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing
from blsh_trainer.signals.audio import (
    FULL_SCALE,
    AudioShape,
    audio_blocks,
    measure_level,
    probe_audio,
    resampled_blocks,
    to_int16,
)
from blsh_trainer.signals.levels import LOUDEST, Level, dbfs
from blsh_trainer.signals.spectra import SAMPLE_RATE_HZ

STANDARD_INPUT = ("-", "/dev/stdin")
STANDARD_OUTPUT = ("-", "/dev/stdout")
MOST_SAMPLES = ((1 << 32) - 1 - 36) // 2
"""What a WAV file of 16 bits can hold: 37 hours."""

_STANDARD_INPUT_NAME = "standard input"
_INTEGER_SCALES = (1 << 15, 1 << 23, 1 << 31)

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Recording:
    """A recording that can be read: `samples` at 16 kHz, and the rate and channels that the file has.

    `remarks` say what was done to it, or should be known of it.
    """

    path: Path
    samples: int
    rate_hz: int
    channels: int
    gain: float
    remarks: tuple[str, ...]

    def sound(self) -> Iterator[FloatArray]:
        """Samples in [-1, 1) at 16 kHz, mono, piece by piece."""
        blocks = audio_blocks(self.path, whole=False)
        return resampled_blocks(blocks if self.gain == 1 else (self.gain * block for block in blocks), self.rate_hz)

    def blocks(self) -> Iterator[Samples]:
        """int16 samples at 16 kHz, mono, piece by piece."""
        return map(to_int16, self.sound())

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


def open_recording(path: Path, gain_db: float | None = None) -> Recording:
    """The recording at `path`, looked through once and made louder by `gain_db`; one cut short is as long as it is.

    Raises BlshError if it cannot be read, is silent, or its peak is above +24 dBFS and no gain is given.
    """
    shape = probe_audio(path, whole=False)
    level = measure_level(path, whole=False)
    there = replace(shape, frames=level.frames)
    gain = 10 ** ((gain_db or 0.0) / 20)
    _require_level(path, level, gain, told=gain_db is not None)
    remarks = (*_lengths(shape, there), *_conversions(shape), *_loudness(level, gain))
    return Recording(path, there.samples, shape.rate_hz, shape.channels, gain, remarks)


def _require_level(path: Path, level: Level, gain: float, told: bool) -> None:
    """Raise BlshError for a level that leaves nothing to denoise; `told`: the gain was given."""
    if level.frames == 0:
        raise BlshError(f"{path} is cut short before its first sample; give a recording that is not empty")
    if level.peak == 0 or (level.peak > LOUDEST and not told):
        advice = "" if level.peak == 0 else f"; scale it with --gain {_gain_to_fit(level.peak)}"
        raise BlshError(f"{path} {'is ' if level.peak == 0 else ''}{level.fault}{advice}")
    if level.peak * gain * FULL_SCALE < 0.5:
        raise BlshError(
            f"{path} is silent in 16 bits: its peak is {level.peak * gain:g} ({dbfs(level.peak) + dbfs(gain):.1f} "
            f"dBFS); raise it with --gain {_gain_to_fit(level.peak)}"
        )


def _gain_to_fit(peak: float) -> str:
    """The gain in dB that brings a peak to full scale; of what looks like integers, that of their scale."""
    scales = [scale for scale in _INTEGER_SCALES if LOUDEST < peak <= scale]
    return f"{math.floor(-100 * dbfs(scales[0] if scales else peak)) / 100:.2f}"


def _lengths(shape: AudioShape, there: AudioShape) -> Iterator[str]:
    if shape.open_ended:
        yield f"its header leaves the length open: read to the end of the file, {there.frames} samples"
    if shape.shortfall:
        yield f"cut short: {shape.shortfall}; what is there is used"
    elif there.frames < shape.frames:
        yield f"cut short: its header promises {shape.frames} samples, {there.frames} are there; these are used"


def _conversions(shape: AudioShape) -> Iterator[str]:
    if shape.rate_hz != SAMPLE_RATE_HZ:
        yield f"resampled from {shape.rate_hz} Hz to {SAMPLE_RATE_HZ} Hz"
    if shape.channels != 1:
        yield f"{shape.channels} channels averaged"


def _loudness(level: Level, gain: float) -> Iterator[str]:
    if level.cancelled:
        yield level.cancelled
    if (peak := level.peak * gain) > 1:
        yield (
            f"its peak is {peak:g} ({dbfs(peak):+.1f} dBFS), beyond full scale: what is above is clipped; "
            f"--gain {_gain_to_fit(level.peak)} prevents it"
        )


def say_remarks(source: Path, recording: Recording) -> None:
    """Tell of what was done to the recording `source` before it was denoised, and of what should be known of it."""
    name = _STANDARD_INPUT_NAME if str(source) in STANDARD_INPUT else source
    for remark in recording.remarks:
        say(f"{name}: {remark}")


@contextmanager
def as_file(source: Path) -> Iterator[Path]:
    """`source`, or a file that holds what standard input brings, if it is that: a recording is read twice.

    Raises BlshError when nothing comes, or a terminal is to be typed into; its own words for what was read, too.
    """
    if str(source) not in STANDARD_INPUT:
        yield source
        return
    if sys.stdin is None or sys.stdin.buffer.isatty():
        raise BlshError(f"{source}: standard input is a terminal or closed; pipe a WAV or FLAC file into it")
    with tempfile.NamedTemporaryFile(prefix="blsh-") as spool:
        try:
            shutil.copyfileobj(sys.stdin.buffer, spool)
            spool.flush()
        except OSError as error:
            raise BlshError(
                f"cannot keep standard input in {spool.name}: {error.strerror}; name a roomy folder in TMPDIR"
            ) from error
        if not spool.tell():
            raise BlshError(f"{source}: standard input is empty; pipe a WAV or FLAC file into it")
        try:
            yield Path(spool.name)
        except BlshError as error:
            raise BlshError(str(error).replace(spool.name, _STANDARD_INPUT_NAME)) from error


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


def pipe_wav_blocks(blocks: Iterable[Samples], samples: int) -> int:
    """Write int16 blocks, `samples` in all, to standard output as a WAV file; returns `samples`.

    Its header is right from the start: nobody can go back in a pipe.
    """
    pipe = sys.stdout.buffer
    if pipe.isatty():
        raise BlshError("standard output is a terminal; send it to a file or a pipe")
    form = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE_HZ, 2 * SAMPLE_RATE_HZ, 2, 16)
    head = struct.pack("<4sI8sI", b"RIFF", 36 + 2 * samples, b"WAVEfmt ", len(form)) + form
    _pipe(pipe, head + struct.pack("<4sI", b"data", 2 * samples))
    for block in blocks:
        _pipe(pipe, block.astype("<i2").tobytes())
    return samples


def _pipe(pipe: BinaryIO, data: bytes) -> None:
    """Write to standard output at once. A reader that has gone is not ours to tell of: BrokenPipeError passes."""
    try:
        pipe.write(data)
        pipe.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BlshError(f"cannot write standard output: {error.strerror or error}; free some space") from error
