# SPDX-License-Identifier: Apache-2.0
"""Lay the dictionary out for the search: blocks of 32 entries that lie close together, bit-sliced (SPEC.md, 3).

All of it is in integers, so every machine makes the same dictionary of the same codes. A *ball* is a set of entries
around a centre; its *radius* is the largest Hamming distance of an entry from the centre.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.spec.constants import BLOCK, LONG_CODE_BITS, ZERO_BITS_LONG, ZERO_BITS_SHORT

Bits = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

_PART_ENTRIES: Final = 4096
"""Entries that are ordered together: as many as a search bounds at once. Beyond them the cost stays linear."""

_HALVING_ROUNDS: Final = 8
_CENTRES: Final = 128
"""Entries that are tried as the centre of the next block."""

_MOVES: Final = 2
"""Times that centres are moved to the middle of their balls."""

_KEPT: Final = 4
"""Centres that go into the last move; each move before takes twice as many as the next."""

_RADIUS_UNIT: Final = 1 << 20
"""More than any sum of distances in a ball: so sizes are ordered by radius first."""


def tight_order(bits: Bits) -> Ints:
    """Return the order of the entries, (N,), in which blocks of 32 are tight, for codes (N, L).

    It is greedy: the next block is the smallest ball of 32 entries that is found among the entries left. So the last
    blocks hold the entries that lie far from all others. More than 4 096 entries are first split in halves, and these
    again, by which of two centres is nearer.
    """
    parts = [np.arange(len(bits), dtype=np.int64)]
    while max(map(len, parts)) > _PART_ENTRIES:
        parts = [half for part in parts for half in (_halves(bits, part) if len(part) > _PART_ENTRIES else [part])]
    # whole blocks first: only the very last block of the dictionary may be short
    parts.sort(key=lambda part: len(part) % BLOCK != 0)
    return np.concatenate([_order_by_balls(bits, part) for part in parts])


def zero_bits(length: int) -> int:
    """Return the planes of a block that hold the number of zeros of each entry, Z, for codes of `length` bits."""
    return ZERO_BITS_SHORT if length < LONG_CODE_BITS else ZERO_BITS_LONG


def planes_of(length: int) -> int:
    """Return all planes of a block, Z + L + 1, for codes of `length` bits."""
    return zero_bits(length) + length + 1


def bit_planes(bits: Bits) -> Words:
    """Return codes (N, L) as the search reads them, (ceil(N / 32), Z + L + 1): bit j of [b, :] is of entry 32 b + j.

    The first planes are the number of zeros of each code, the lowest bit first; then come the codes, then a plane of
    zeros. Bits beyond the last entry are 0.
    """
    zeros = bits.shape[1] - bits.sum(axis=1, dtype=np.int64)
    padding = np.zeros((len(bits), 1), np.bool_)
    return _sliced(np.concatenate([_binary(zeros, zero_bits(bits.shape[1])), bits, padding], axis=1))


def bounds_table(bits: Bits) -> tuple[Words, int]:
    """Return `bounds_tables` of one dictionary of codes (N, L)."""
    return bounds_tables(bits[None])


def bounds_tables(dictionaries: Bits) -> tuple[Words, int]:
    """Return the tables by which searches leave blocks out, and the largest radius R of a block.

    dictionaries: codes (G, N, L), those of a dictionary in blocks of 32. The tables are (G ceil(B / 32),
    bits(R) + Z + L + 1) for B blocks in a dictionary, bits(R) the length of R. Bit j of row s of a dictionary belongs
    to its block b = 32 s + j. Let c be its centre and r its radius: no entry of the block is nearer to a query q than
    |q - c| - r. The first bits(R) planes are R - r, the lowest bit first; the others are the planes that `bit_planes`
    makes of c.
    """
    found = [_all_centres(bits) for bits in dictionaries]
    largest = max(int(radii.max()) for _, radii in found)
    tables = [
        np.concatenate([_sliced(_binary(largest - radii, largest.bit_length())), bit_planes(centres)], axis=1)
        for centres, radii in found
    ]
    return np.concatenate(tables), largest


def _all_centres(bits: Bits) -> tuple[Bits, Ints]:
    """Return centres (B, L) and radii (B,) of the blocks of codes (N, L)."""
    entries, length = bits.shape
    full = entries // BLOCK
    centres, radii = _centres(bits[: full * BLOCK].reshape(full, BLOCK, length))
    if entries % BLOCK:
        last, radius = _centres(bits[None, full * BLOCK :])
        centres, radii = np.concatenate([centres, last]), np.concatenate([radii, radius])
    return centres, radii


def _binary(numbers: Ints, bits: int) -> Bits:
    """Return numbers (N,) as bits, (N, bits), the lowest first."""
    return (numbers[:, None] >> np.arange(bits) & 1).astype(np.bool_)


def _sliced(bits: Bits) -> Words:
    """Transpose rows of bits (N, M) in blocks, (ceil(N / 32), M): bit j of [b, m] is bit m of row 32 b + j."""
    rows, count = bits.shape
    blocks = -(-rows // BLOCK)
    padded = np.zeros((blocks * BLOCK, count), np.bool_)
    padded[:rows] = bits
    octets = np.packbits(padded.reshape(blocks, BLOCK, count).transpose(0, 2, 1), axis=2, bitorder="little")
    return np.ascontiguousarray(octets).view("<u4").astype(np.uint32).reshape(blocks, count)


def _halves(bits: Bits, part: Ints) -> list[Ints]:
    """Split `part` by which of two centres is nearer; the first half is a whole number of parts, or of blocks."""
    codes = bits[part].astype(np.int64)
    unit = _PART_ENTRIES if len(part) > 2 * _PART_ENTRIES else BLOCK
    size = max(1, len(part) // 2 // unit) * unit
    one = codes[np.argmax((codes != _majority(codes)).sum(axis=1))]
    other = codes[np.argmax((codes != one).sum(axis=1))]
    for _ in range(_HALVING_ROUNDS):
        nearer = np.argsort((codes != one).sum(axis=1) - (codes != other).sum(axis=1), kind="stable")
        one, other = _majority(codes[nearer[:size]]), _majority(codes[nearer[size:]])
    return [part[np.sort(nearer[:size])], part[np.sort(nearer[size:])]]


def _order_by_balls(bits: Bits, part: Ints) -> Ints:
    """Return the entries of `part` ball by ball, the smallest that is left first."""
    order = []
    while len(part) > BLOCK:
        ball = _smallest_ball(bits[part])
        order.append(part[ball])
        part = np.delete(part, ball)
    return np.concatenate([*order, part])


def _smallest_ball(bits: Bits) -> Ints:
    """Return the positions, ascending, of 32 entries that lie close together."""
    words = _words(bits)
    tried = min(_CENTRES, len(bits))
    centres = bits[np.arange(tried) * len(bits) // tried]
    balls, sizes = [], []
    for move in range(_MOVES + 1):
        near, size = _nearest(centres, words)
        ranked = np.argsort(size, kind="stable")
        balls.append(near[ranked[0]])
        sizes.append(int(size[ranked[0]]))
        centres = _centres(bits[near[ranked[: _KEPT << (_MOVES - move)]]])[0]
    return np.sort(balls[int(np.argmin(sizes))])


def _nearest(centres: Bits, words: npt.NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """Return the 32 entries nearest to each centre, (C, 32), ties by position, and the size of that ball, (C,).

    The size is one number that orders balls by radius, then by the sum of their distances.
    """
    distances = np.bitwise_count(_words(centres)[:, None] ^ words).sum(axis=2, dtype=np.int64)
    ranks = distances * len(words) + np.arange(len(words))
    near = np.argpartition(ranks, BLOCK - 1, axis=1)[:, :BLOCK]  # no two ranks are equal, so the set is unique
    kept = np.take_along_axis(distances, near, axis=1)
    return near, kept.max(axis=1) * _RADIUS_UNIT + kept.sum(axis=1)


def _centres(blocks: Bits) -> tuple[Bits, Ints]:
    """Return centres (B, L) and radii (B,) of blocks (B, n, L).

    A centre begins as the majority of its entries. Then that bit is turned, again and again, which most reduces the
    radius, or else the number of entries that lie at the radius.
    """
    centres = blocks.sum(axis=1) * 2 > blocks.shape[1]
    away = (blocks != centres[:, None]).astype(np.int64)
    rows = np.arange(len(blocks))
    while True:
        distances = away.sum(axis=2)
        turned = distances[:, :, None] + 1 - 2 * away  # the distances after each bit of the centre has been turned
        farthest = turned.max(axis=1)
        cost = farthest * blocks.shape[1] + (turned == farthest[:, None]).sum(axis=1)
        radii = distances.max(axis=1)
        cost_now = radii * blocks.shape[1] + (distances == radii[:, None]).sum(axis=1)
        turn = cost.argmin(axis=1)
        better = cost[rows, turn] < cost_now
        if not better.any():
            return centres, radii
        at = rows[better], turn[better]
        centres[at] ^= True
        away[at[0], :, at[1]] ^= 1


def _majority(codes: Ints) -> Ints:
    """Return, for each bit, whether more than half of the codes have it, (L,)."""
    majority: Ints = (codes.sum(axis=0) * 2 > len(codes)).astype(np.int64)
    return majority


def _words(bits: Bits) -> npt.NDArray[np.uint64]:
    """Return codes (N, L) in words of 64 bits, zeros behind the last bit."""
    rows, length = bits.shape
    padded = np.zeros((rows, -(-length // 64) * 64), np.bool_)
    padded[:, :length] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)
