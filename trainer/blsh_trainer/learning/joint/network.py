# SPDX-License-Identifier: Apache-2.0
"""The voting model as a function that can be differentiated, and the loss that any model of gains is trained by.

Codes and entries are true signs going forward; their derivative is taken to be that of tanh. All entries of a
dictionary vote, weighted by exp(-2 tau distance): the nearest K have nearly all of the weight.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from blsh_trainer.learning.joint.options import JointOptions
from blsh_trainer.learning.joint.scene_frames import COMPRESSION, SceneFrames
from blsh_trainer.model.gain_rules import LEAST_ODDS, MOST_ODDS, GainRules
from blsh_trainer.signals.geometry import Geometry
from blsh_trainer.signals.masks import band_edges

Parameters: TypeAlias = dict[str, jax.Array]
Arrays: TypeAlias = dict[str, NDArray[np.float32]]
LogOdds: TypeAlias = Callable[[Parameters, jax.Array], jax.Array]
"""Returns the log odds of the gains (n, W) that parameters give to scaled features (n, 257)."""

_LEAST_GAIN = 1e-4
_FIRST_TAU = 10.24
"""Tau times the bits at the start: 0.08 for codes of 128 bits."""
_FIRST_LEVELS = 0.7
_WIDEST_THRESHOLD = 1.0
_LOWEST_CENTRE_HZ, _THIRD_OCTAVES = 150.0, 15
_SPOKEN = 0.1  # of the energy of the scene's mean frame of speech: a sequence with less has no speech
_LEAST_ENERGY = 1e-6


@dataclass(frozen=True)
class Scaling:
    """The mean and the deviation of each feature, float32 (257,), by which the learner sees features near 0 and 1."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.int16]) -> "Scaling":
        """Return the scaling of features (T, 257)."""
        mean, deviation = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
        return cls(mean.astype(np.float32), (deviation + 1.0).astype(np.float32))

    def scaled(self, features: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return features (n, 257) as the learner sees them."""
        return (features.astype(np.float32) - self.mean) / self.deviation


@dataclass(frozen=True)
class Learnable:
    """A kind of model that can be fitted: its name, the parameters to begin with, and the gains that they give."""

    name: str
    first: Callable[[JointOptions, SceneFrames, Scaling, np.random.Generator], Arrays]
    log_odds: LogOdds


def group_edges(dictionaries: int, bands: int) -> NDArray[np.int16]:
    """Return the first band of each group of about as many bands, and the number of bands, int16 (G + 1,)."""
    return np.round(np.linspace(0, bands, dictionaries + 1)).astype(np.int16)


def first_parameters(options: JointOptions, frames: SceneFrames, scaling: Scaling, rng: np.random.Generator) -> Arrays:
    """Return parameters to begin with: random projections, entries and votes of frames drawn at random."""
    groups, entries = options.dictionaries, options.entries
    width, bands = frames.features.shape[1], frames.sums.shape[2]
    W = rng.standard_normal((width, options.projections)) / np.sqrt(width)
    thresholds = np.tile(_spread(options.thresholds), (options.projections, 1))
    rows = np.sort(rng.integers(len(frames.features), size=groups * entries))
    rng.shuffle(rows)
    z = (scaling.scaled(frames.features[rows]) @ W)[:, :, None] - thresholds
    sums = frames.sums[rows].astype(np.float64)
    ideal = np.clip(sums[:, 1] / np.maximum(sums[:, 0], 1e-9), 0.02, 0.98)
    levels = _FIRST_LEVELS * np.log(ideal / (1.0 - ideal)).reshape(groups, entries, bands)
    edges = group_edges(groups, bands)
    votes = np.concatenate([levels[g, :, a:b] for g, (a, b) in enumerate(pairwise(edges))], axis=1)
    first = {
        "projections": W,
        "thresholds": thresholds,
        "entries": 0.7 * np.clip(z, -1.0, 1.0).reshape(groups, entries, options.bits),
        "votes": votes,
        "log_tau": np.full(groups, np.log(_FIRST_TAU / options.bits)),
    }
    if options.bit_votes:
        first["bit_votes"] = np.zeros((options.bits, bands))
    return {name: value.astype(np.float32) for name, value in first.items()}


def _spread(thresholds: int) -> NDArray[np.float64]:
    return np.linspace(-_WIDEST_THRESHOLD, _WIDEST_THRESHOLD, thresholds) if thresholds > 1 else np.zeros(1)


def signs(z: jax.Array) -> jax.Array:
    """Return -1 or 1 by the sign of z; 0 gives 1, as on the device. The derivative is that of tanh(z) (eq. 6)."""
    soft = jnp.tanh(z)
    return soft + jax.lax.stop_gradient(jnp.where(z >= 0, 1.0, -1.0) - soft)


def codes(parameters: Parameters, x: jax.Array) -> jax.Array:
    """Return the codes (n, L) of -1 and 1 of scaled features x (n, 257)."""
    z = x @ parameters["projections"]
    return signs(z[:, :, None] - parameters["thresholds"]).reshape(len(x), -1)


def log_odds(parameters: Parameters, x: jax.Array) -> jax.Array:
    """Return the sums of votes (n, W) for scaled features x (n, 257): the log odds of the gain of each band."""
    code = codes(parameters, x)
    entries = signs(parameters["entries"])
    groups = entries.shape[0]
    tau = jnp.exp(parameters["log_tau"])
    found = []
    bands = parameters["votes"].shape[1]
    for g, (first, end) in enumerate(pairwise(group_edges(groups, bands).tolist())):
        shares = jax.nn.softmax(tau[g] * (code @ entries[g].T), axis=1)
        found.append(shares @ parameters["votes"][:, first:end])
    sums = jnp.concatenate(found, axis=1)
    return sums + code @ parameters["bit_votes"] if "bit_votes" in parameters else sums


VOTING = Learnable("voting", first_parameters, log_odds)


def settled(odds: jax.Array, rules: GainRules) -> jax.Array:
    """Return log odds (sequences, span, W) as they settle long after the start, in no steady frame (gain_rules).

    The frames are a tick apart: of each, as much is kept as over all hops of a tick.
    """
    rising, falling = ((each / 16) ** rules.hops_per_tick for each in (rules.smoothing, rules.smoothing_down))

    def move(before: jax.Array, raw: jax.Array) -> tuple[jax.Array, jax.Array]:
        kept = jnp.where(raw >= before, rising, falling)
        now = kept * before + (1.0 - kept) * raw
        return now, now

    limited = jnp.moveaxis(jnp.clip(odds, LEAST_ODDS, MOST_ODDS), 1, 0)
    return jnp.moveaxis(jax.lax.scan(move, limited[0], limited)[1], 0, 1)


def loss(odds: LogOdds, options: JointOptions, parameters: Parameters, batch: Parameters) -> jax.Array:
    """Return the mean over the sequences of the log of the error of their spectra, and of compressed spectra.

    batch: "x" (sequences, span, 257), "sums" (sequences, span, 5, W), "rest" (sequences, span, 2): see SceneFrames.
    The log makes a sequence count by the share of its error that is left, as SI-SDR does; so clean speech and pauses
    weigh as much as loud noise. `easy` bounds that. The clarity of the sequences is taken off.
    """
    count, span, width = batch["x"].shape
    raw = odds(parameters, batch["x"].reshape(-1, width)).reshape(count, span, -1)
    gains = jax.nn.sigmoid(settled(raw, options.rules))
    A, B, C, A6, B6 = (batch["sums"][:, :, i] for i in range(5))
    error = (gains**2 * A - 2.0 * gains * B).sum(axis=2) + batch["rest"][:, :, 0]
    soft = jnp.maximum(gains, _LEAST_GAIN) ** COMPRESSION
    heard = (soft**2 * A6 - 2.0 * soft * B6).sum(axis=2) + batch["rest"][:, :, 1]
    logs = [jnp.log(jnp.maximum(each.mean(axis=1), 0.0) + options.easy).mean() for each in (error, heard)]
    return logs[0] + options.hearing * logs[1] - options.clarity * clarity(gains**2 * A, C, options.geometry)


def clarity(found: jax.Array, wanted: jax.Array, geometry: Geometry) -> jax.Array:
    """Return how alike the envelopes of energies (sequences, span, W) are, from -1 to 1: ESTOI in the bands of a mask.

    Energies are summed over third-octaves. Their roots are normalised over time, then over the third-octaves, and
    correlated (Jensen and Taal, 2016, eq. 3 to 6). Sequences without speech do not count.
    """
    spoken = (wanted.sum(axis=2).mean(axis=1) > _SPOKEN).astype(jnp.float32)
    alike = (_normalised(found, geometry) * _normalised(wanted, geometry)).sum(axis=2).mean(axis=1)
    return (alike * spoken).sum() / jnp.maximum(spoken.sum(), 1.0)


def _normalised(energies: jax.Array, geometry: Geometry) -> jax.Array:
    rows = jnp.sqrt(energies @ _third_octaves(geometry) + _LEAST_ENERGY)
    for axis in (1, 2):
        rows = rows - rows.mean(axis=axis, keepdims=True)
        rows = rows / jnp.sqrt((rows**2).sum(axis=axis, keepdims=True) + _LEAST_ENERGY)
    return rows


@cache
def _third_octaves(geometry: Geometry) -> NDArray[np.float32]:
    """Return which of ESTOI's 15 third-octaves the centre of each band lies in, float32 (W, 15)."""
    edges = np.array(band_edges(geometry))
    centres_hz = (edges[:-1] + edges[1:] - 1) / 2 * (geometry.rate_hz / geometry.window)
    place = np.round(3 * np.log2(np.maximum(centres_hz, 1.0) / _LOWEST_CENTRE_HZ))
    shares: NDArray[np.float32] = (place[:, None] == np.arange(_THIRD_OCTAVES)).astype(np.float32)
    return shares
