"""Models with random contents for the tests of slots and pushes."""

from dataclasses import replace

from blsh_codegen.model.quantise import IntegerModel
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
    """A recipe's model, by a name that is told apart at a glance."""
    recipe = Recipe(seed, kind, bits, neighbours, entries, masks, smoothing, floor=5)
    return replace(recipe.model(), name=name or f"slot-{seed}")


def tiny_model(seed: int) -> IntegerModel:
    """A model whose image has some three kilobytes: for sweeps over all of its words and bits."""
    return slot_model(seed, "stft", bits=3 + seed % 3, entries=32 + seed, neighbours=2, masks="bands1", smoothing=0)
