# SPDX-License-Identifier: Apache-2.0
"""Read recordings in pieces, so that hours of sound need no more memory than minutes."""

import math
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from blsh_tools.audio.engines import Samples
from blsh_tools.console import say
from blsh_trainer.arrays import FloatArray
from blsh_trainer.errors import BlshError
from blsh_trainer.files import full_temporary
from blsh_trainer.signals.audio import (
    FULL_SCALE,
    AudioShape,
    audio_blocks,
    measure_level,
    probe_audio,
    resampled_blocks,
    to_int16,
)
from blsh_trainer.signals.geometry import Geometry
from blsh_trainer.signals.levels import LOUDEST, Level, dbfs

STANDARD_INPUT = ("-", "/dev/stdin")
_STANDARD_INPUT_NAME = "standard input"
_INTEGER_SCALES = (1 << 15, 1 << 23, 1 << 31)


@dataclass(frozen=True)
class Recording:
    """A recording that can be read.

    geometry: of the model that it is for, at whose rate it is read. samples: their number at this rate. rate_hz,
    channels: those of the file. gain: the factor that samples are multiplied by. remarks: the changes to the recording,
    and its oddities.
    """

    path: Path
    geometry: Geometry
    samples: int
    rate_hz: int
    channels: int
    gain: float
    remarks: tuple[str, ...]

    def sound(self) -> Iterator[FloatArray]:
        """Yield samples in [-1, 1), mono, piece by piece."""
        blocks = audio_blocks(self.path, whole=False)
        amplified = blocks if self.gain == 1 else (self.gain * block for block in blocks)
        return resampled_blocks(amplified, self.rate_hz, self.geometry.rate_hz)

    def blocks(self) -> Iterator[Samples]:
        """Yield int16 samples, mono, piece by piece."""
        return map(to_int16, self.sound())

    def hops(self) -> Iterator[Samples]:
        """Yield hops, int16 (H,), with silence at the end: the core's output lags."""
        hop = self.geometry.hop
        rest = np.zeros(0, np.int16)
        for block in self.blocks():
            rest = np.concatenate([rest, block])
            whole = len(rest) // hop * hop
            yield from rest[:whole].reshape(-1, hop)
            rest = rest[whole:]
        tail = np.zeros(self.geometry.hops_of(len(rest)) * hop, np.int16)
        tail[: len(rest)] = rest
        yield from tail.reshape(-1, hop)

    @property
    def hop_count(self) -> int:
        """The number of hops that hops() yields."""
        return self.geometry.hops_of(self.samples)


def open_recording(path: Path, geometry: Geometry, gain_db: float | None = None) -> Recording:
    """Read the file at `path` once, and return it as a Recording for `geometry` that is made louder by `gain_db`.

    A file that was cut short has the length of what is there. Raises BlshError for a file that cannot be read, that is
    silent, or whose peak is above +24 dBFS while no gain is given.
    """
    shape = probe_audio(path, whole=False)
    level = measure_level(path, whole=False)
    there = replace(shape, frames=level.frames)
    gain = 10 ** ((gain_db or 0.0) / 20)
    _require_level(path, level, gain, told=gain_db is not None)
    remarks = (*_lengths(shape, there), *_conversions(shape, geometry.rate_hz), *_loudness(level, gain))
    samples = there.samples_at(geometry.rate_hz)
    if samples == 0:
        raise BlshError(f"{path} is shorter than one sample at {geometry.rate_hz} Hz; give a longer recording")
    return Recording(path, geometry, samples, shape.rate_hz, shape.channels, gain, remarks)


def _require_level(path: Path, level: Level, gain: float, told: bool) -> None:
    """Raise BlshError for a level that leaves nothing to denoise. told: whether the user gave the gain."""
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
    """Return the gain in dB that brings `peak`, or the full scale of integers that it suggests, to full scale."""
    scales = [scale for scale in _INTEGER_SCALES if LOUDEST < peak <= scale]
    return f"{math.floor(-100 * dbfs(scales[0] if scales else peak)) / 100:.2f}"


def _lengths(shape: AudioShape, there: AudioShape) -> Iterator[str]:
    if shape.open_ended:
        yield f"its header leaves the length open: read to the end of the file, {there.frames} samples"
    if shape.shortfall:
        yield f"cut short: {shape.shortfall}; what is there is used"
    elif there.frames < shape.frames:
        yield f"cut short: its header promises {shape.frames} samples, {there.frames} are there; these are used"


def _conversions(shape: AudioShape, rate_hz: int) -> Iterator[str]:
    if shape.rate_hz != rate_hz:
        yield f"resampled from {shape.rate_hz} Hz to {rate_hz} Hz"
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
    """Print the remarks on the recording `source` on stderr."""
    name = _STANDARD_INPUT_NAME if str(source) in STANDARD_INPUT else source
    for remark in recording.remarks:
        say(f"{name}: {remark}")


@contextmanager
def as_file(source: Path) -> Iterator[Path]:
    """Yield `source`, or a temporary file with the content of standard input: a recording is read twice.

    Raises BlshError for an empty standard input and for a terminal. An error of the block that names the temporary file
    names standard input instead.
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
            raise full_temporary("keep standard input", error) from error
        if not spool.tell():
            raise BlshError(f"{source}: standard input is empty; pipe a WAV or FLAC file into it")
        try:
            yield Path(spool.name)
        except BlshError as error:
            raise BlshError(str(error).replace(spool.name, _STANDARD_INPUT_NAME)) from error
