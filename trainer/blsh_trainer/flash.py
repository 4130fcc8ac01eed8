"""What a model takes of a part's flash, as the trainer plans with it; codegen's estimate counts the built firmware."""

from blsh_trainer.errors import BlshError
from blsh_trainer.signals.masks import MaskKind

KIB = 1024
CODE_BYTES = 16 * KIB
"""The core with the server, built for size and speed."""
TABLE_BYTES = 5 * KIB
"""Window, twiddles and mel filters."""
BLOCK = 32
"""Entries lie in blocks of so many: one word for each bit of the code."""
_WORD = 4
_PLANES_BESIDE = 10
"""Of a block, at most, for the number of zeros of its entries."""


def model_bytes(bits: int, features: int, entries: int, masks: MaskKind) -> int:
    """Return the bytes of flash that firmware takes with a dictionary of so many entries.

    Projections of 8 bits (L, D), biases of 16, the bit-sliced codes and the bounds that a search prunes by
    (SPEC.md, 3), and a mask of whole words for each entry.
    """
    blocks = -(-entries // BLOCK)
    planes = bits + _PLANES_BESIDE
    codes = blocks * planes * _WORD
    bounds = -(-blocks // BLOCK) * planes * 2 * _WORD
    words = -(-masks.width * masks.level_bits // (8 * _WORD))
    return CODE_BYTES + TABLE_BYTES + bits * features + 2 * bits + codes + bounds + entries * words * _WORD


def entries_within(budget: int, bits: int, features: int, masks: MaskKind, most: int, least: int) -> int:
    """Return the most entries, at most `most`, whole blocks below it, that `budget` bytes hold.

    BlshError where not even `least` fit.
    """
    if model_bytes(bits, features, most, masks) <= budget:
        return most
    low, high = 0, -(-most // BLOCK)  # blocks that fit, blocks that do not
    while high - low > 1:
        middle = (low + high) // 2
        if model_bytes(bits, features, middle * BLOCK, masks) <= budget:
            low = middle
        else:
            high = middle
    if low * BLOCK < least:
        needed = model_bytes(bits, features, least, masks)
        raise BlshError(
            f"{budget} bytes of flash; {least} entries of {bits} bits with {masks.name} masks take {needed}: "
            f"give {needed} or more, or choose a shorter code or coarser masks"
        )
    return low * BLOCK
