"""Three ways to denoise the same samples: in floats, in the firmware's integers, and on the board itself."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from blsh_codegen.fixed import HISTORY
from blsh_codegen.generate import GenerateOptions, integer_model, reduced_model
from blsh_codegen.vectorised import VectorisedDenoiser, padded_to_hops
from blsh_hil.client import BoardClient
from blsh_trainer.arrays import FloatArray, Progress
from blsh_trainer.artifact import Model
from blsh_trainer.audio import from_int16, to_int16
from blsh_trainer.denoise import FloatDenoiser

ENGINES = ("float", "fixed", "device")


class Engine(Protocol):
    """Samples in [-1, 1), (n,), to as many, aligned in time."""

    def denoise(self, samples: FloatArray) -> FloatArray: ...


class FloatEngine:
    """Double precision, with the dictionary that the firmware would hold."""

    def __init__(self, model: Model, options: GenerateOptions) -> None:
        self._denoiser = FloatDenoiser(reduced_model(model, options))

    def denoise(self, samples: FloatArray) -> FloatArray:
        """Samples in [-1, 1), (n,), to as many, aligned in time."""
        return self._denoiser.denoise(samples)


class FixedEngine:
    """The firmware's integers, computed here."""

    def __init__(self, model: Model, options: GenerateOptions) -> None:
        self.reference = VectorisedDenoiser(integer_model(model, options))

    def denoise(self, samples: FloatArray) -> FloatArray:
        """Samples in [-1, 1), (n,), to as many, aligned in time; through int16 on both ends."""
        return from_int16(self.reference.denoise(to_int16(samples)))


class DeviceEngine:
    """The board at the other end of `client`."""

    def __init__(self, client: BoardClient, progress: Progress | None = None) -> None:
        self._client = client
        self._progress = progress

    def denoise(self, samples: FloatArray) -> FloatArray:
        """Samples in [-1, 1), (n,), to as many, aligned in time; through int16 on both ends."""
        return from_int16(self.denoise_int16(to_int16(samples)))

    def denoise_int16(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """int16 samples (n,) to as many, aligned in time."""

        def advance(done: int, hops: int) -> None:
            if self._progress is not None:
                self._progress("streaming", done, hops)

        self._client.reset_stream()
        output = self._client.stream(padded_to_hops(samples), advance)
        return output[HISTORY : HISTORY + len(samples)]
