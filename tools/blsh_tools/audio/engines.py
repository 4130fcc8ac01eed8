# SPDX-License-Identifier: Apache-2.0
"""Denoise samples in three ways: in floats, in the firmware's integers, and on the board itself."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from blsh_codegen.emit.generate import GenerateOptions, integer_model, reduced_model
from blsh_codegen.pipeline.vectorised import VectorisedDenoiser, padded_to_hops
from blsh_hil.link.client import BoardClient
from blsh_hil.wire.protocol import ATTENUATION_OF_MODEL
from blsh_trainer.arrays import FloatArray
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.float_denoiser import FloatDenoiser
from blsh_trainer.progress import Progress
from blsh_trainer.signals.audio import from_int16, to_int16

ENGINES = ("float", "fixed", "device")
_PIECE: Final = 1024  # hops that are streamed at once; between two pieces the link runs empty

Samples = npt.NDArray[np.int16]


class Engine(Protocol):
    """A denoiser: it takes samples in [-1, 1), (n,), and returns n samples that are aligned with them in time.

    Each takes an `attenuation`: the limit, 0 to 60 dB or ATTENUATION_OFF; None: the model's own.
    """

    def denoise(self, samples: FloatArray) -> FloatArray: ...


class FloatEngine:
    """Denoise in double precision, with the dictionary that the firmware would hold."""

    def __init__(self, model: AnyModel, options: GenerateOptions, attenuation: int | None = None) -> None:
        self._denoiser = FloatDenoiser(reduced_model(model, options), attenuation)

    def denoise(self, samples: FloatArray) -> FloatArray:
        """Return samples (n,) in [-1, 1) denoised: (n,), aligned in time."""
        return self._denoiser.denoise(samples)

    def stream(self, blocks: Iterable[FloatArray]) -> Iterator[Samples]:
        """Yield the blocks of samples in [-1, 1) denoised: as many samples in int16, aligned in time, in pieces."""
        return map(to_int16, self._denoiser.stream(blocks))


class FixedEngine:
    """Denoise in the firmware's integers, computed here."""

    def __init__(self, model: AnyModel, options: GenerateOptions, attenuation: int | None = None) -> None:
        integers = integer_model(model, options)
        self.reference = VectorisedDenoiser(
            integers if attenuation is None else replace(integers, attenuation=attenuation)
        )

    def denoise(self, samples: FloatArray) -> FloatArray:
        """Return samples (n,) in [-1, 1) denoised: (n,), aligned in time, and rounded to int16 on both ends."""
        return from_int16(self.reference.denoise(to_int16(samples)))

    def stream(self, hops: Iterable[Samples], length: int) -> Iterator[Samples]:
        """Yield hops, int16 (H,), denoised: the `length` samples that they hold. See DeviceEngine.stream."""
        outputs = (part.output.ravel().astype(np.int16) for part in self.reference.stream(hops))
        return _in_time(outputs, self.reference.model.geometry.lag, length)


class DeviceEngine:
    """Denoise on the board at the other end of `client`."""

    def __init__(self, client: BoardClient, progress: Progress | None = None, attenuation: int | None = None) -> None:
        self._client = client
        self._progress = progress
        self._limit = ATTENUATION_OF_MODEL if attenuation is None else attenuation

    def denoise(self, samples: FloatArray) -> FloatArray:
        """Return samples (n,) in [-1, 1) denoised: (n,), aligned in time, and rounded to int16 on both ends."""
        pcm = to_int16(samples)
        geometry = self._client.geometry
        hops = padded_to_hops(pcm, geometry).reshape(-1, geometry.hop)
        return from_int16(np.concatenate(list(self.stream(hops, len(hops), len(pcm)))))

    def stream(self, hops: Iterable[Samples], count: int, length: int) -> Iterator[Samples]:
        """Yield `count` hops, int16 (H,), denoised: the `length` samples that they hold, aligned in time, in pieces.

        The hops must end with the silence that pushes the last sample out of the core. At most _PIECE hops are held.
        """
        self._client.reset_stream()
        return _in_time(self._outputs(hops, count), self._client.geometry.lag, length)

    def _outputs(self, hops: Iterable[Samples], count: int) -> Iterator[Samples]:
        done = 0
        for piece in _pieces(hops):
            yield self._client.stream(piece, self._advance(done, count), self._limit)
            done += len(piece) // self._client.geometry.hop

    def _advance(self, before: int, count: int) -> Callable[[int, int], None]:
        def advance(done: int, _hops: int) -> None:
            if self._progress is not None:
                self._progress("streaming", before + done, count)

        return advance


def _in_time(outputs: Iterable[Samples], lag: int, length: int) -> Iterator[Samples]:
    """Yield the `length` samples of the recording: the core's output without its first `lag` samples."""
    at = -lag
    for output in outputs:
        yield output[max(0, -at) : max(0, length - at)]
        at += len(output)


def _pieces(hops: Iterable[Samples]) -> Iterator[Samples]:
    rest = iter(hops)
    while piece := list(islice(rest, _PIECE)):
        yield np.concatenate(piece)
