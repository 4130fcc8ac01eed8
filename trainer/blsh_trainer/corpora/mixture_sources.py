# SPDX-License-Identifier: Apache-2.0
"""Read the parts of a mixture: an utterance, and the part of a noise that goes with it."""

import numpy as np

from blsh_trainer.arrays import FloatArray
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.errors import BlshError
from blsh_trainer.signals.audio import AudioShape, probe_audio, read_audio, read_cut, require_sound
from blsh_trainer.signals.levels import is_constant, silence

_DRAWS = 20  # offsets that are drawn before the loudest part of a sparse noise is taken
_BLOCK = 1 << 20


def read_speech(corpus: Corpus, entry: Entry) -> FloatArray:
    """Return the utterance of `entry`, float64 (n,) at 16 kHz; BlshError when it cannot be read or is silent."""
    path = corpus.path(entry)
    if entry.length is None:
        audio = read_audio(path)
        require_sound(audio, path)
        return audio.samples
    samples = read_cut(path, entry.start, entry.length)
    if not samples.any():
        raise BlshError(
            f"{path} is silent from sample {entry.start} to {entry.start + entry.length} (at 16 kHz); "
            "cut long pauses out of the recording"
        )
    return samples


class NoiseSource:
    """A noise of a corpus, `size` samples long at 16 kHz; only the parts that are asked for are read.

    The noise of a recorded pair is the noisy recording less the clean one. BlshError when a file cannot be read, or
    when the recordings of a pair differ in length or rate.
    """

    def __init__(self, corpus: Corpus, entry: Entry) -> None:
        self.path = corpus.path(entry)
        self._clean = corpus.clean_path(entry)
        shape = probe_audio(self.path)
        if self._clean is not None:
            _check_alike(f"{self._clean} and {self.path}", probe_audio(self._clean), shape)
        self.size, self._channels = shape.samples, shape.channels

    def cut(self, offset: int, length: int) -> FloatArray:
        """Return `length` samples from `offset` on, starting over at the noise's end."""
        if length >= self.size:
            return loop_from(self._read(0, self.size), offset, length)
        head = min(length, self.size - offset)
        cut = self._read(offset, head)
        return cut if head == length else np.concatenate([cut, self._read(0, length - head)])

    def sounding_cut(self, length: int, rng: np.random.Generator) -> tuple[int, FloatArray]:
        """Draw an offset until the cut there is not constant, and return both: events may have silence between them.

        BlshError when all of the noise is silent or constant.
        """
        for _ in range(_DRAWS):
            offset = int(rng.integers(self.size))
            cut = self.cut(offset, length)
            if _sounds(cut):
                return offset, cut
        level = 0.0
        for _ in range(2):  # the loudest sample; if the noise has an offset (DC), the sample farthest from it
            offset = self._farthest(level)
            cut = self.cut(offset, length)
            if _sounds(cut):
                return offset, cut
            level = float(cut[0])
        raise BlshError(
            f"{self.path} is constant where it is loud: an offset (DC) and next to no sound; give one with sound"
        )

    def recorded(self, start: int, length: int) -> FloatArray:
        """Return `length` samples of the recorded noise, from sample `start` of the clean recording on."""
        return self._read(start, length)

    def _read(self, start: int, length: int) -> FloatArray:
        samples = read_cut(self.path, start, length)
        return samples if self._clean is None else samples - read_cut(self._clean, start, length)

    def _farthest(self, level: float) -> int:
        """Return the sample that is farthest from `level`, read block by block. BlshError where all are at `level`."""
        farthest, at = 0.0, 0
        for start in range(0, self.size, _BLOCK):
            block = np.abs(self._read(start, min(_BLOCK, self.size - start)) - level)
            if block.max() > farthest:
                farthest, at = float(block.max()), start + int(block.argmax())
        if farthest == 0.0:
            fault = f"constant: all {self.size} samples are {level:g}; give one with sound"
            raise BlshError(f"{self.path} is {fault if level else silence(self.size, self._channels)}")
        return at


def loop_from(signal: FloatArray, offset: int, length: int) -> FloatArray:
    """Return `length` samples of `signal` from `offset` on, starting over at its end."""
    return signal[(offset + np.arange(length)) % signal.size]


def _sounds(cut: FloatArray) -> bool:
    return not is_constant(float(cut.sum()), float(cut @ cut), cut.size)


def _check_alike(names: str, first: AudioShape, second: AudioShape) -> None:
    if (first.rate_hz, first.frames) != (second.rate_hz, second.frames):
        raise BlshError(
            f"{names} have {first.frames} and {second.frames} samples at {first.rate_hz} and {second.rate_hz} Hz; "
            "a pair must be of one length and rate"
        )
