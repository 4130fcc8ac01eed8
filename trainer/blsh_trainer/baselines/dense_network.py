# SPDX-License-Identifier: Apache-2.0
"""A dense network on the features of voting models: two layers of int8 weights, learned as a voting model is.

It shows what multiplications buy: where a look-up of the same cost is worse, a network should be used in its place.
"""

import hashlib
from dataclasses import dataclass, fields

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from blsh_trainer.arrays import FloatArray
from blsh_trainer.learning.joint.network import Arrays, Learnable, Parameters, Scaling
from blsh_trainer.learning.joint.options import JointOptions
from blsh_trainer.learning.joint.scene_frames import SceneFrames
from blsh_trainer.model.float_denoiser import MaskedStream
from blsh_trainer.model.gain_rules import GainRules, Settling
from blsh_trainer.model.voting_model import VOTE_BANDS, VOTING_FEATURES
from blsh_trainer.signals.features import steady_frames
from blsh_trainer.signals.masks import find_mask_kind
from blsh_trainer.signals.spectra import filter_frames

_INT8 = 127


@dataclass(frozen=True, eq=False)
class DenseNetwork:
    """A hidden layer of H rectified units on the 257 `memory` features, and a layer of the log odds of 80 gains.

    hidden: int8 (H, 257). hidden_scale, hidden_bias: float64 (H,); a unit is its scale times the sum of its products,
    plus its bias, or 0. output: int8 (80, H); output_scale, output_bias: float64 (80,). smoothing, smoothing_down,
    start_odds, steady_odds, shift_odds, floor_db: as of JointOptions, int64 () and float64 ().
    """

    hidden: NDArray[np.int8]
    hidden_scale: FloatArray
    hidden_bias: FloatArray
    output: NDArray[np.int8]
    output_scale: FloatArray
    output_bias: FloatArray
    smoothing: NDArray[np.int64]
    smoothing_down: NDArray[np.int64]
    start_odds: FloatArray
    steady_odds: FloatArray
    shift_odds: FloatArray
    floor_db: FloatArray

    @classmethod
    def of(cls, learned: Arrays, scaling: Scaling, options: JointOptions) -> "DenseNetwork":
        """Return the network of learned parameters: each row of weights scaled to a peak of 127 and rounded."""
        W = learned["hidden"].T.astype(np.float64) / scaling.deviation
        hidden, hidden_scale = _int8(W)
        output, output_scale = _int8(learned["output"].T.astype(np.float64))
        return cls(
            hidden=hidden,
            hidden_scale=hidden_scale,
            hidden_bias=learned["hidden_bias"] - hidden_scale * (hidden @ scaling.mean.astype(np.float64)),
            output=output,
            output_scale=output_scale,
            output_bias=learned["output_bias"].astype(np.float64),
            smoothing=np.array(options.smoothing),
            smoothing_down=np.array(options.smoothing_down),
            start_odds=np.array(options.start_odds),
            steady_odds=np.array(options.steady_odds),
            shift_odds=np.array(options.shift_odds),
            floor_db=np.array(options.floor_db),
        )

    @property
    def width(self) -> int:
        """H, the hidden units."""
        return len(self.hidden)

    @property
    def sha256(self) -> str:
        """The SHA-256 of all numbers, in hexadecimal."""
        return hashlib.sha256(b"".join(array.tobytes() for array in self.arrays().values())).hexdigest()

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the fields by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @property
    def rules(self) -> GainRules:
        """How log odds settle before they become gains."""
        return GainRules(int(self.smoothing), int(self.smoothing_down), float(self.start_odds), float(self.steady_odds))

    def log_odds(self, features: ArrayLike) -> FloatArray:
        """Return the log odds of the gains of the bands, float64 (T, 80), for features (T, 257)."""
        sums = np.asarray(features, dtype=np.float64) @ self.hidden.T.astype(np.float64)
        units = np.maximum(self.hidden_scale * sums + self.hidden_bias, 0.0)
        odds: FloatArray = self.output_scale * (units @ self.output.T.astype(np.float64)) + self.output_bias
        return odds

    def gains(self, odds: FloatArray) -> FloatArray:
        """Return the gains float64 (T, 80) for settled log odds."""
        wanted = 1.0 / (1.0 + np.exp(-odds - float(self.shift_odds)))
        floored: FloatArray = np.maximum(wanted, 10.0 ** (float(self.floor_db) / 20.0))
        return floored


class DenseDenoiser:
    """A denoiser by a dense network, in floats but for the weights."""

    def __init__(self, network: DenseNetwork) -> None:
        self.network = network

    def denoise(self, x: ArrayLike) -> FloatArray:
        """Return the denoised signal float64 (n,), aligned in time with x (n,). BlshError if x is unfit."""
        return filter_frames(x, _DenseStream(self.network).masked)


class _DenseStream(MaskedStream):
    """A signal on its way through a dense network."""

    def __init__(self, network: DenseNetwork) -> None:
        self._network = network
        self._settle = Settling(network.rules)
        super().__init__(VOTING_FEATURES, find_mask_kind("bands"))

    def _band_masks(self, features: FloatArray) -> FloatArray:
        return self._network.gains(self._settle(self._network.log_odds(features), steady_frames(features)))


def dense_layers(width: int) -> Learnable:
    """Return what a joint fit learns for a network of `width` hidden units."""

    def first(_options: JointOptions, frames: SceneFrames, _scaling: Scaling, rng: np.random.Generator) -> Arrays:
        """Return random weights, of the variance with which rectified layers keep their inputs' (He et al., 2015)."""
        features = frames.features.shape[1]
        parameters = {
            "hidden": rng.standard_normal((features, width)) * np.sqrt(2.0 / features),
            "hidden_bias": np.zeros(width),
            "output": rng.standard_normal((width, VOTE_BANDS)) * np.sqrt(2.0 / width),
            "output_bias": np.zeros(VOTE_BANDS),
        }
        return {name: value.astype(np.float32) for name, value in parameters.items()}

    return Learnable(f"dense network of {width} units", first, dense_log_odds)


def dense_log_odds(parameters: Parameters, x: jax.Array) -> jax.Array:
    """Return the log odds of the gains (n, 80) for scaled features x (n, 257)."""
    units = jax.nn.relu(x @ parameters["hidden"] + parameters["hidden_bias"])
    return units @ parameters["output"] + parameters["output_bias"]


def _int8(rows: FloatArray) -> tuple[NDArray[np.int8], FloatArray]:
    """Return rows (n, m) as int8, each with a peak of 127, and the scales (n,) that undo it."""
    scale = np.maximum(np.abs(rows).max(axis=1), 1e-30) / _INT8
    return np.round(rows / scale[:, None]).astype(np.int8), scale
