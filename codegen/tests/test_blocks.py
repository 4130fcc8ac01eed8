# SPDX-License-Identifier: Apache-2.0
"""The dictionary's layout: a tight order, planes that hold the codes, bounds that no entry exceeds."""

import numpy as np
import numpy.typing as npt
import pytest

from blsh_codegen.model.entry_order import bit_planes, bounds_table, planes_of, tight_order, zero_bits

pytestmark = pytest.mark.heavy

Bits = npt.NDArray[np.bool_]


def clustered(rng: np.random.Generator, entries: int, length: int, clusters: int = 12, rate: float = 0.1) -> Bits:
    """Return codes (N, L) around a few centres, in random order."""
    centres = rng.random((clusters, length)) < 0.5
    return centres[rng.integers(0, clusters, entries)] ^ (rng.random((entries, length)) < rate)


def unpacked_bounds(bits: Bits) -> tuple[npt.NDArray[np.int64], Bits]:
    """Return radii (B,) and centres (B, L), read bit by bit from the table."""
    table, largest = bounds_table(bits)
    blocks, slack = -(-len(bits) // 32), largest.bit_length()
    assert table.shape == (-(-blocks // 32), slack + planes_of(bits.shape[1]))
    rows = np.array([[table[b // 32, i] >> b % 32 & 1 for i in range(table.shape[1])] for b in range(blocks)])
    centres = rows[:, slack + zero_bits(bits.shape[1]) : -1].astype(np.bool_)
    assert np.array_equal(table[:, slack:], bit_planes(centres))
    return largest - rows[:, :slack] @ (1 << np.arange(slack)), centres


@pytest.mark.parametrize(
    ("entries", "length"), [(1, 1), (31, 5), (32, 64), (33, 7), (300, 50), (1100, 320), (4133, 20)]
)
def test_order_is_a_permutation_and_always_the_same(rng: np.random.Generator, entries: int, length: int) -> None:
    bits = clustered(rng, entries, length)
    order = tight_order(bits)
    assert np.array_equal(np.sort(order), np.arange(entries))
    assert np.array_equal(order, tight_order(bits.copy()))


def test_order_puts_a_cloud_into_one_block(rng: np.random.Generator) -> None:
    clouds = np.arange(16).repeat(32)[rng.permutation(512)]
    bits = (rng.random((16, 128)) < 0.5)[clouds]
    bits ^= rng.random(bits.shape) < 0.02
    assert all(len(set(block)) == 1 for block in clouds[tight_order(bits)].reshape(-1, 32))


def test_ordered_blocks_are_tighter(rng: np.random.Generator) -> None:
    bits = clustered(rng, 1000, 50, clusters=100, rate=0.2)
    as_they_come, _ = unpacked_bounds(bits)
    ordered, _ = unpacked_bounds(bits[tight_order(bits)])
    assert ordered.mean() < as_they_come.mean() - 3


def test_large_dictionaries_are_ordered_in_parts_of_whole_blocks(rng: np.random.Generator) -> None:
    bits = clustered(rng, 9001, 16, clusters=300)
    order = tight_order(bits)
    assert np.array_equal(np.sort(order), np.arange(9001))
    mean = unpacked_bounds(bits[order])[0].mean()
    assert mean < unpacked_bounds(bits)[0].mean() - 2


@pytest.mark.parametrize(("entries", "length"), [(1, 1), (32, 3), (45, 63), (33, 64), (1056, 40)])
def test_planes_hold_the_codes_and_their_zeros(rng: np.random.Generator, entries: int, length: int) -> None:
    bits = rng.random((entries, length)) < 0.5
    planes = bit_planes(bits)
    levels = 6 if length < 64 else 9
    assert planes.shape == (-(-entries // 32), levels + length + 1)
    for entry in (0, entries // 2, entries - 1):
        row = planes[entry // 32] >> entry % 32 & 1
        assert row[:levels] @ (1 << np.arange(levels)) == length - bits[entry].sum()
        assert np.array_equal(row[levels:-1], bits[entry])
        assert row[-1] == 0
    pads = 32 * len(planes) - entries
    assert pads == 0 or not np.any(planes[-1] >> np.uint32(32 - pads))


@pytest.mark.parametrize(("entries", "length"), [(1, 1), (40, 9), (700, 50), (1100, 130)])
def test_no_entry_is_beyond_the_radius_of_its_block(rng: np.random.Generator, entries: int, length: int) -> None:
    bits = clustered(rng, entries, length)
    radii, centres = unpacked_bounds(bits)
    farthest = [
        int((block != centre).sum(axis=1).max())
        for block, centre in zip(np.split(bits, np.arange(32, entries, 32)), centres, strict=True)
    ]
    assert radii.tolist() == farthest
    assert bounds_table(bits)[1] == max(farthest)


def test_equal_codes_have_no_radius() -> None:
    table, radius = bounds_table(np.ones((64, 10), np.bool_))
    assert radius == 0
    assert table.tolist() == [[0] * 6 + [3] * 10 + [0]]
