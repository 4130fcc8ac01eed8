# SPDX-License-Identifier: Apache-2.0
"""Write WAV files, mono, 16 bits: into a file that appears whole, or through a pipe."""

import io
import struct
import sys
import wave
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from blsh_tools.audio.engines import Samples
from blsh_tools.options.outputs import check_output
from blsh_trainer.errors import BlshError
from blsh_trainer.files import landing, replacing

MOST_SAMPLES = ((1 << 32) - 1 - 36) // 2
"""The most samples that a WAV file of 16 bits can hold: 37 hours at 16 kHz. Its header counts bytes in 32 bits."""


def is_standard_output(target: Path) -> bool:
    """Return whether `target` is a name of standard output: the WAV is piped, and no file is written."""
    return str(target) in ("-", "/dev/stdout")


def check_wav_output(path: Path, source: Path | None) -> None:
    """Raise BlshError unless a WAV file can be written at `path`, and `path` is not the recording `source` itself."""
    check_output(path, input=source)
    if path.suffix.lower() != ".wav" and not landing(path)[1]:
        raise BlshError(f"output {path} would be a WAV file by another name; end its name in .wav")


class WavWriter:
    """A WAV file that grows. Use it as a context manager: the header is complete when the block ends."""

    def __init__(self, target: Path | BinaryIO, rate_hz: int) -> None:
        self.samples = 0
        self._file = wave.open(str(target) if isinstance(target, Path) else target, "wb")  # noqa: SIM115
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(rate_hz)

    def write(self, samples: Samples) -> None:
        """Append int16 samples."""
        self._file.writeframes(samples.astype("<i2").tobytes())
        self.samples += len(samples)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def wav_bytes(samples: Samples, rate_hz: int) -> bytes:
    """Return int16 samples, (n,), as the content of a WAV file."""
    content = io.BytesIO()
    with WavWriter(content, rate_hz) as writer:
        writer.write(samples)
    return content.getvalue()


@contextmanager
def kept_wav(path: Path, rate_hz: int) -> Iterator[WavWriter]:
    """Yield a writer for the WAV file `path` of `rate_hz`, which is replaced when the block ends.

    After a BlshError of the block, too, the samples until then are kept, and the error says where. Nothing is replaced
    if there are none, or if anything else breaks the block off.
    """
    failure: BlshError | None = None
    with replacing(path) as temporary, WavWriter(temporary, rate_hz) as file:
        try:
            yield file
        except BlshError as error:
            if not file.samples:
                raise
            failure = error
    if failure is not None:
        seconds = file.samples / rate_hz
        raise BlshError(f"{failure}; {path} keeps what came until then, {seconds:.2f} s") from failure


def write_wav_blocks(path: Path, blocks: Iterable[Samples], rate_hz: int) -> int:
    """Write int16 blocks of `rate_hz` as a WAV file that appears whole or not at all. Return the number of samples."""
    with replacing(path) as temporary, WavWriter(temporary, rate_hz) as file:
        for block in blocks:
            file.write(block)
        return file.samples


def pipe_wav_blocks(blocks: Iterable[Samples], samples: int, rate_hz: int) -> int:
    """Write int16 blocks of `rate_hz`, `samples` in all, to standard output as a WAV file. Return `samples`.

    A pipe cannot be rewound, so the header comes first and has the length already.
    """
    pipe = sys.stdout.buffer
    if pipe.isatty():
        raise BlshError("standard output is a terminal; send it to a file or a pipe")
    form = struct.pack("<HHIIHH", 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    head = struct.pack("<4sI8sI", b"RIFF", 36 + 2 * samples, b"WAVEfmt ", len(form)) + form
    _pipe(pipe, head + struct.pack("<4sI", b"data", 2 * samples))
    for block in blocks:
        _pipe(pipe, block.astype("<i2").tobytes())
    return samples


def _pipe(pipe: BinaryIO, data: bytes) -> None:
    """Write to standard output at once. BrokenPipeError passes: a reader that has gone is no fault of ours."""
    try:
        pipe.write(data)
        pipe.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BlshError(f"cannot write standard output: {error.strerror or error}; free some space") from error
