"""The dictionary as the search reads it: blocks of 32 entries, tight in Hamming space, bit-sliced (SPEC.md, 3).

Integers only, so every machine makes the same dictionary of the same codes.
"""

import numpy as np
import numpy.typing as npt

from blsh_codegen.spec.constants import BLOCK, LONG_CODE_BITS, ZERO_BITS_LONG, ZERO_BITS_SHORT

Bits = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]

_SPAN = 4096  # entries ordered together: what a search bounds at once, and what keeps the order's cost linear beyond
_CANDIDATES = 128  # entries tried as the middle of the next block
_KEPT = 4  # of them that are moved into the middle of their block
_MOVES = 2


def tight_order(bits: Bits) -> Ints:
    """The order of entries, (N,), that makes their blocks of 32 tight, for codes (N, L).

    Greedily: each block is the smallest ball of 32 entries found among those that are left, so the last blocks hold
    what lies far from all else. More than 4 096 entries are first halved, and again, by the nearer of two centres.
    """
    parts = [np.arange(len(bits), dtype=np.int64)]
    while max(map(len, parts)) > _SPAN:
        parts = [half for part in parts for half in (_halves(bits, part) if len(part) > _SPAN else [part])]
    # whole blocks first: only the very last block of the dictionary may be short
    parts.sort(key=lambda part: len(part) % BLOCK != 0)
    return np.concatenate([_balls(bits, part) for part in parts])


def zero_bits(length: int) -> int:
    """Planes of a block for the number of zeros of each entry, Z, for codes of L bits (SPEC.md, 3)."""
    return ZERO_BITS_SHORT if length < LONG_CODE_BITS else ZERO_BITS_LONG


def planes_of(length: int) -> int:
    """Planes of a block in all, Z + L + 1."""
    return zero_bits(length) + length + 1


def bit_planes(bits: Bits) -> Words:
    """Codes (N, L) as the search reads them, (ceil(N / 32), Z + L + 1): bit j of [b, :] is of entry 32 b + j.

    First the number of zeros of each code, lowest bit first; then the codes; then a plane of zeros. Beyond the last
    entry all are 0.
    """
    zeros = bits.shape[1] - bits.sum(axis=1, dtype=np.int64)
    padding = np.zeros((len(bits), 1), np.bool_)
    return _sliced(np.concatenate([_binary(zeros, zero_bits(bits.shape[1])), bits, padding], axis=1))


def bounds_table(bits: Bits) -> tuple[Words, int]:
    """What rules blocks out: (ceil(B / 32), bits(R) + Z + L + 1) planes, and R, for codes (N, L) in blocks of 32.

    Bit j of each row is of block b = 32 s + j, with the centre c and radius r, so that no entry is nearer to a query q
    than |q - c| - r. The first bits(R) planes are R - r, lowest bit first; the others are of c, as of an entry. R is
    the largest r.
    """
    entries, length = bits.shape
    full = entries // BLOCK
    middles, radii = _middles(bits[: full * BLOCK].reshape(full, BLOCK, length))
    if entries % BLOCK:
        last, radius = _middles(bits[None, full * BLOCK :])
        middles, radii = np.concatenate([middles, last]), np.concatenate([radii, radius])
    largest = int(radii.max())
    slack = _sliced(_binary(largest - radii, largest.bit_length()))
    return np.concatenate([slack, bit_planes(middles)], axis=1), largest


def _binary(numbers: Ints, bits: int) -> Bits:
    """Numbers (N,) as bits, (N, bits), the lowest first."""
    return (numbers[:, None] >> np.arange(bits) & 1).astype(np.bool_)


def _sliced(bits: Bits) -> Words:
    """Rows of bits (N, M) turned round, (ceil(N / 32), M): bit j of [b, m] is bit m of row 32 b + j."""
    rows, count = bits.shape
    blocks = -(-rows // BLOCK)
    padded = np.zeros((blocks * BLOCK, count), np.bool_)
    padded[:rows] = bits
    octets = np.packbits(padded.reshape(blocks, BLOCK, count).transpose(0, 2, 1), axis=2, bitorder="little")
    return np.ascontiguousarray(octets).view("<u4").astype(np.uint32).reshape(blocks, count)


def _halves(bits: Bits, part: Ints) -> list[Ints]:
    """`part` in two by whether the one or the other centre is nearer, the first a whole number of spans or blocks."""
    codes = bits[part].astype(np.int64)
    span = _SPAN if len(part) > 2 * _SPAN else BLOCK
    size = max(1, len(part) // 2 // span) * span
    one = codes[np.argmax((codes != _majority(codes)).sum(axis=1))]
    other = codes[np.argmax((codes != one).sum(axis=1))]
    for _ in range(8):
        nearer = np.argsort((codes != one).sum(axis=1) - (codes != other).sum(axis=1), kind="stable")
        one, other = _majority(codes[nearer[:size]]), _majority(codes[nearer[size:]])
    return [part[np.sort(nearer[:size])], part[np.sort(nearer[size:])]]


def _balls(bits: Bits, part: Ints) -> Ints:
    order = []
    while len(part) > BLOCK:
        ball = _smallest_ball(bits[part])
        order.append(part[ball])
        part = np.delete(part, ball)
    return np.concatenate([*order, part])


def _smallest_ball(bits: Bits) -> Ints:
    """Positions, ascending, of 32 entries that lie close together."""
    words = _words(bits)
    tried = min(_CANDIDATES, len(bits))
    centres = bits[np.arange(tried) * len(bits) // tried]
    balls, sizes = [], []
    for move in range(_MOVES + 1):
        near, size = _nearest(centres, words)
        ranked = np.argsort(size, kind="stable")
        balls.append(near[ranked[0]])
        sizes.append(int(size[ranked[0]]))
        centres = _middles(bits[near[ranked[: _KEPT << (_MOVES - move)]]])[0]
    return np.sort(balls[int(np.argmin(sizes))])


def _nearest(centres: Bits, words: npt.NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """For each centre the 32 nearest of all entries, ties by position, and (radius, sum of distances) as one number."""
    distances = np.bitwise_count(_words(centres)[:, None] ^ words).sum(axis=2, dtype=np.int64)
    ranks = distances * len(words) + np.arange(len(words))
    near = np.argpartition(ranks, BLOCK - 1, axis=1)[:, :BLOCK]  # no two ranks are equal, so the set is unique
    kept = np.take_along_axis(distances, near, axis=1)
    return near, kept.max(axis=1) * (1 << 20) + kept.sum(axis=1)


def _middles(blocks: Bits) -> tuple[Bits, Ints]:
    """Centres (B, L) and radii (B,) of blocks (B, n, L): the majority, moved while that brings the farthest nearer."""
    centres = blocks.sum(axis=1) * 2 > blocks.shape[1]
    away = (blocks != centres[:, None]).astype(np.int64)
    rows = np.arange(len(blocks))
    while True:
        radii = away.sum(axis=2)
        moved = radii[:, :, None] + 1 - 2 * away  # distances after each bit of the centre has been turned
        farthest = moved.max(axis=1)
        cost = farthest * blocks.shape[1] + (moved == farthest[:, None]).sum(axis=1)
        now = radii.max(axis=1)
        cost_now = now * blocks.shape[1] + (radii == now[:, None]).sum(axis=1)
        turn = cost.argmin(axis=1)
        better = cost[rows, turn] < cost_now
        if not better.any():
            return centres, now
        at = rows[better], turn[better]
        centres[at] ^= True
        away[at[0], :, at[1]] ^= 1


def _majority(codes: Ints) -> Ints:
    majority: Ints = (codes.sum(axis=0) * 2 > len(codes)).astype(np.int64)
    return majority


def _words(bits: Bits) -> npt.NDArray[np.uint64]:
    rows, length = bits.shape
    padded = np.zeros((rows, -(-length // 64) * 64), np.bool_)
    padded[:, :length] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)
