# SPDX-License-Identifier: Apache-2.0
"""Take the steps of a joint training: batches of sequences, Adam, and a checkpoint to go on from."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from blsh_trainer.errors import BlshError
from blsh_trainer.learning.joint.checkpoint import JointCheckpoint
from blsh_trainer.learning.joint.devices import Devices
from blsh_trainer.learning.joint.network import VOTING, Arrays, Learnable, Parameters, Scaling, loss
from blsh_trainer.learning.joint.options import JointOptions
from blsh_trainer.learning.joint.scene_frames import SceneFrames
from blsh_trainer.progress import Progress

_TOLD_STEPS = 50
_KEPT_S = 60.0
_CLIP = 1.0
_SECOND_DECAY = 0.99


def fit_jointly(
    frames: SceneFrames,
    options: JointOptions,
    seed: int,
    devices: Devices,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    learnable: Learnable = VOTING,
) -> tuple[Arrays, Scaling]:
    """Return the parameters that `options.steps` steps lead to, and the scaling of the features that they expect.

    On one machine the same frames, options and seed give the same parameters; on the devices of several processes,
    each with the same frames, they are the same up to the order of sums. What has been learned is kept in `checkpoint`
    (that of rank 0) each minute, and a fit goes on from it. BlshError for a checkpoint of another fit, frames of scenes
    that are too short, or a batch that cannot be shared.
    """
    scaling = Scaling.of(frames.features)
    starts = frames.starts(options.span)
    part = devices.part(options.sequences)
    begin_seed, batch_seed = np.random.SeedSequence(seed).spawn(2)
    drawn_from = int(batch_seed.generate_state(1)[0])
    parameters: Any = learnable.first(options, frames, scaling, np.random.default_rng(begin_seed))
    optimiser = _optimiser(options)
    kept = None
    if checkpoint is not None and devices.rank == 0:
        kept = JointCheckpoint(checkpoint, learnable.name, options, frames)
    with jax.default_device(devices.own):
        state = (parameters, optimiser.init(parameters))
        found = (0, state) if kept is None else kept.load(state)
        whole = devices.everywhere(found)
        done, state = int(whole[0]), whole[1]
        advance = jax.jit(partial(_step, partial(loss, learnable.log_odds, options), optimiser))
        saved = time.monotonic()
        for number in range(done, options.steps):
            rng = np.random.default_rng([drawn_from, number])
            batch = devices.shared(draw_batch(frames, scaling, starts, options, rng, part))
            state, error = advance(state, batch)
            if (number + 1) % _TOLD_STEPS == 0 or number + 1 == options.steps:
                if not np.isfinite(float(error)):
                    raise BlshError(f"the training diverged at step {number + 1}; choose a lower --rate")
                if progress is not None:
                    progress("learning", number + 1, options.steps)
            if kept is not None and time.monotonic() - saved > _KEPT_S:
                kept.save(number + 1, state)
                saved = time.monotonic()
        if kept is not None:
            kept.save(options.steps, state)
    return {name: np.asarray(value) for name, value in state[0].items()}, scaling


def draw_batch(
    frames: SceneFrames,
    scaling: Scaling,
    starts: np.ndarray[Any, np.dtype[np.int64]],
    options: JointOptions,
    rng: np.random.Generator,
    part: slice,
) -> Arrays:
    """Return a batch as the loss takes it, or the `part` of it, of sequences drawn at random."""
    first = rng.choice(starts, options.sequences)[part]
    rows = (first[:, None] + np.arange(options.span)).ravel()
    shape = (len(first), options.span)
    return {
        "x": scaling.scaled(frames.features[rows]).reshape(*shape, -1),
        "sums": frames.sums[rows].astype(np.float32).reshape(*shape, *frames.sums.shape[1:]),
        "rest": frames.rest[rows].reshape(*shape, -1),
    }


def _optimiser(options: JointOptions) -> optax.GradientTransformation:
    return optax.chain(
        optax.clip_by_global_norm(_CLIP),
        optax.adam(optax.cosine_decay_schedule(options.rate, options.steps), b2=_SECOND_DECAY),
    )


def _step(
    objective: Callable[[Parameters, Parameters], jax.Array],
    optimiser: optax.GradientTransformation,
    state: Any,
    batch: Parameters,
) -> tuple[Any, jax.Array]:
    parameters, moments = state
    error, slope = jax.value_and_grad(objective)(parameters, batch)
    changes, moments = optimiser.update(slope, moments, parameters)
    return (optax.apply_updates(parameters, changes), moments), error
