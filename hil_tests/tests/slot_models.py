# SPDX-License-Identifier: Apache-2.0
"""Models with random contents for the tests of slots and pushes."""

from dataclasses import replace

import numpy as np

from blsh_codegen.emit.model_image import encode_image
from blsh_codegen.model.quantise import IntegerModel
from blsh_codegen.spec.hard_signals import edge_signal
from blsh_hil.link.client import BoardClient
from blsh_hil.prove.push import send_image, try_image
from blsh_hil.prove.recipes import Recipe


def slot_model(
    seed: int,
    kind: str = "mel",
    bits: int = 40,
    entries: int = 200,
    neighbours: int = 5,
    masks: str = "bands",
    smoothing: int = 3,
    name: str | None = None,
) -> IntegerModel:
    """Return a recipe's model under a name that differs from others at a glance."""
    recipe = Recipe(seed, kind, bits, neighbours, entries, masks, smoothing, floor=5)
    return replace(recipe.model(), name=name or f"slot-{seed}")


def tiny_model(seed: int) -> IntegerModel:
    """Return a model whose image has some three kilobytes: for sweeps over all of its words and bits."""
    return slot_model(seed, "stft", bits=3 + seed % 3, entries=32 + seed, neighbours=2, masks="bands1", smoothing=0)


FACTORY = slot_model(1, name="factory")
"""The model that the firmware is built with."""

ONE = slot_model(2, bits=33, entries=150, neighbours=4, masks="bands2", name="one")
OTHER = slot_model(3, "tracked", 40, 90, 5, "bands1", 0, name="other")
IMAGE = encode_image(ONE)
HOP = ONE.geometry.hop
SAMPLES = edge_signal("speech_like", 24 * HOP, np.random.default_rng(4))


def try_model(client: BoardClient, model: IntegerModel) -> None:
    """Let the board run a model until its next start."""
    send_image(client, encode_image(model))
    try_image(client)
