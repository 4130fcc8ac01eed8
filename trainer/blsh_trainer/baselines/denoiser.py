# SPDX-License-Identifier: Apache-2.0
"""Use a trained network as a system that evaluations compare."""

import os
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blsh_trainer.arrays import AnyArray, ComplexArray, FloatArray, check_signal
from blsh_trainer.baselines.architecture import FC, Architecture, architecture, require_torch
from blsh_trainer.baselines.network_file import load_arrays, save_arrays
from blsh_trainer.corpora.mixing import Mixture
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.systems import ModelSize
from blsh_trainer.signals.features import features
from blsh_trainer.signals.spectra import filter_frames, istft, stft

_KIND = "baseline network"
_VALUE_BYTES = 4


class NetworkDenoiser:
    """A network with its weights, the arrays of its PyTorch state_dict; `card` says how it was trained, as JSON values.

    Mask networks multiply the mixture's spectrum by the logistic of their outputs. Conv-TasNet's speech is scaled to
    fit the mixture best, because training for SI-SDR teaches it no scale. BlshError where PyTorch is missing or the
    weights are not those of the architecture.
    """

    def __init__(self, chosen: Architecture, weights: dict[str, AnyArray], card: dict[str, Any] | None = None) -> None:
        self.architecture = chosen
        self.weights = weights
        self.card = card or {}
        self._check()

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the network itself, which is made from the weights again after unpickling."""
        return {name: value for name, value in self.__dict__.items() if name != "_network"}

    @property
    def size(self) -> ModelSize:
        """The size of the parameters, with batch norms folded; there are no entries and no masks."""
        from blsh_trainer.baselines.networks import parameter_count

        return ModelSize(parameters=_VALUE_BYTES * parameter_count(self._network))

    def estimate(self, signals: Mixture) -> FloatArray:
        """Return the estimate (n,) from the mixture alone."""
        return self.denoise(signals.mixture)

    def denoise(self, x: FloatArray) -> FloatArray:
        """Return the denoised signal float64 (n,), aligned in time with x (n,). BlshError if x is unfit."""
        samples = check_signal(x, "the signal")
        if not self.architecture.is_mask:
            return self._separated(samples)
        if self.architecture.kind == FC:
            return filter_frames(samples, self._masked)
        return istft(self._masked(stft(samples)), samples.size)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network as an .npz. BlshError if the folder or the disk refuses it."""
        save_arrays(path, _KIND, self.weights, {"architecture": self.architecture.name, "training": self.card})

    @cached_property
    def _network(self) -> Any:
        torch = require_torch()
        from blsh_trainer.baselines.networks import build

        network = build(self.architecture)
        network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in self.weights.items()})
        return network.eval()

    def _check(self) -> None:
        require_torch()
        try:
            finite = all(np.isfinite(value).all() for value in self.weights.values())
            self._network  # noqa: B018  loading is the check
        except (RuntimeError, TypeError) as error:
            raise BlshError(f"the weights are not those of {self.architecture.name}: {error}; train it anew") from error
        if not finite:
            raise BlshError(f"weights of {self.architecture.name} are not finite; train it anew, more slowly")

    def _masked(self, X: ComplexArray) -> ComplexArray:
        outputs = self._run(features(X, "stft")[None] if self.architecture.kind != FC else features(X, "stft"))
        return X * (1.0 / (1.0 + np.exp(-outputs.astype(np.float64)))).reshape(X.shape)

    def _separated(self, samples: FloatArray) -> FloatArray:
        if samples.size == 0:
            return samples
        speech = self._run(samples[None])[0, 0].astype(np.float64)
        energy = float(speech @ speech)
        return speech * (float(speech @ samples) / energy) if energy > 0 else speech

    def _run(self, inputs: FloatArray) -> NDArray[np.float32]:
        """Return the network's outputs, computed in one thread: the last bits depend on the number of threads."""
        torch = require_torch()
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                outputs: NDArray[np.float32] = self._network(torch.from_numpy(inputs.astype(np.float32))).numpy()
        finally:
            torch.set_num_threads(threads)
        return outputs


def load_network(path: str | os.PathLike[str]) -> NetworkDenoiser:
    """Read a network that `save` wrote. BlshError for a file that is missing, damaged or something else."""
    weights, card = load_arrays(path, _KIND)
    return NetworkDenoiser(architecture(str(card.get("architecture"))), weights, card.get("training"))
