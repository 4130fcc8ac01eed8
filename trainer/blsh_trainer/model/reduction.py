# SPDX-License-Identifier: Apache-2.0
"""Reduce a model without its corpus: to fewer entries, shorter codes or coarser masks.

The arithmetic is that of integers and seeds, so the same model and arguments give the same model, bit by bit.
"""

from dataclasses import replace

from blsh_trainer.model.artifact import Model
from blsh_trainer.signals.masks import MASK_KINDS, find_mask_kind


def reduce_model(
    model: Model,
    entries: int | None = None,
    bits: int | None = None,
    mask_kind: str | None = None,
    seed: int = 0,
) -> Model:
    """Return `model` with the first `bits` of its codes, `entries` of its dictionary and masks of `mask_kind`.

    None leaves a part as it is. Which entries are kept says Model.subsample, with `seed`. Each change is written on
    the card. BlshError for more bits or entries than there are, fewer entries than K, an unknown mask kind, or one
    that the masks cannot be turned into.
    """
    if bits is not None and bits != model.bits:
        model = model.truncate(bits)
    if entries is not None and entries != model.entries:
        model = model.subsample(entries=entries, seed=seed)
    if mask_kind is not None and mask_kind != model.mask_kind:
        levels = model.masks.requantised(model.mask_levels, find_mask_kind(mask_kind, model.geometry))
        origin = {"parent_sha256": model.sha256, "masks": mask_kind, "of": model.mask_kind}
        card = {**model.card, "requantise": origin}
        model = replace(model, mask_kind=mask_kind, mask_levels=levels, card=card)
    return model


def mask_choices(model: Model) -> tuple[str, ...]:
    """Return the names of the mask kinds that `model` can be reduced to: its own, then the coarser ones in order."""
    own = model.masks
    coarser = [k for k in MASK_KINDS.values() if k.edges_of is own.edges_of and k.level_bits < own.level_bits]
    return own.name, *(kind.name for kind in sorted(coarser, key=lambda kind: -kind.level_bits))
