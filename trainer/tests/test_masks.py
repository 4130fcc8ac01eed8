# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blsh_trainer.errors import BlshError
from blsh_trainer.signals.geometry import RECORDER
from blsh_trainer.signals.masks import (
    MASK_KINDS,
    band_edges,
    ideal_band_levels,
    ideal_binary_mask,
    pack_bits,
    unpack_bits,
)


def test_ibm_is_one_where_speech_is_louder_and_not_where_equal():
    speech = np.zeros((1, 513), dtype=complex)
    noise = np.ones((1, 513), dtype=complex)
    speech[0, 3] = 2j
    speech[0, 4] = -1
    mask = ideal_binary_mask(speech, noise)
    assert mask.dtype == np.bool_ and np.flatnonzero(mask[0]).tolist() == [3]


def test_ibm_refuses_spectra_of_different_lengths():
    with pytest.raises(BlshError, match="noise spectrum has shape"):
        ideal_binary_mask(np.zeros((2, 513)), np.zeros((3, 513)))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_packing_is_undone(bits, rows, seed):
    codes = np.random.default_rng(seed).random((rows, bits)) < 0.5
    np.testing.assert_array_equal(unpack_bits(pack_bits(codes), bits), codes)


def test_bit_zero_is_the_lowest_of_the_first_byte():
    codes = np.zeros((1, 10), dtype=bool)
    codes[0, [0, 9]] = True
    assert pack_bits(codes).tolist() == [[1, 2]]


def test_damaged_packing_is_refused():
    with pytest.raises(BlshError, match="padding bit"):
        unpack_bits(np.array([[0, 4]], dtype=np.uint8), 10)
    with pytest.raises(BlshError, match=r"expected uint8 \(rows, 2\)"):
        unpack_bits(np.zeros((1, 3), dtype=np.uint8), 10)
    with pytest.raises(BlshError, match="expected bool"):
        pack_bits(np.zeros((1, 3)))


def test_bands_are_bins_below_500_hz_and_logarithmic_above():
    logarithmic = np.round(np.geomspace(32, 513, 49)).astype(int)
    assert list(band_edges(RECORDER)) == [*range(32), *logarithmic]
    assert MASK_KINDS["bands"].width == 80 and MASK_KINDS["bands"].packed_width == 40


@pytest.mark.parametrize("kind", MASK_KINDS.values(), ids=MASK_KINDS)
def test_packed_levels_come_back(kind, rng):
    levels = rng.integers(0, kind.top + 1, (7, kind.width)).astype(np.uint8)
    packed = kind.pack(levels)
    assert packed.shape == (7, kind.packed_width)
    unpacked = kind.unpack(packed)
    assert unpacked.dtype == np.uint8
    np.testing.assert_array_equal(unpacked, levels)


def test_ibm_levels_are_packed_as_bits_and_bands_as_nibbles():
    bits = np.random.default_rng(3).random((5, 513)) < 0.5
    np.testing.assert_array_equal(MASK_KINDS["ibm"].pack(bits.astype(np.uint8)), pack_bits(bits))
    assert MASK_KINDS["bands"].pack(np.arange(80, dtype=np.uint8)[None] % 16)[0, :3].tolist() == [0x10, 0x32, 0x54]


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        (np.zeros((2, 79), np.uint8), r"shape \(2, 79\).*expected uint8 \(rows, 80\)"),
        (np.zeros((2, 80)), "dtype float64"),
        (np.full((2, 80), 16, np.uint8), "go up to 16; expected 0 to 15"),
    ],
)
def test_levels_that_do_not_fit_are_refused(levels, words):
    with pytest.raises(BlshError, match=words):
        MASK_KINDS["bands"].pack(levels)


def test_each_bin_gets_the_gain_of_its_band():
    gains = MASK_KINDS["bands"].to_bins(np.arange(80.0)[None])[0]
    assert gains.shape == (513,)
    for band in range(80):
        assert (gains[band_edges(RECORDER)[band] : band_edges(RECORDER)[band + 1]] == band).all()


def test_band_levels_are_the_best_gains_weighted_by_energy():
    mixture = np.ones((1, 513), dtype=complex)
    speech = mixture * 0.4  # 0.4 of 15 is level 6
    speech[0, :4] = [1, -1, 1j, 5]  # gains 1, below 0, none in phase, above 1
    mixture[0, 32], speech[0, 32] = 3, 3  # bins 32 and 33 share a band: (9 + 0.4) / 10 of 15
    mixture[0, 484:] = 0
    levels = ideal_band_levels(speech, mixture, MASK_KINDS["bands"])
    assert levels.dtype == np.uint8 and levels[0, :4].tolist() == [15, 0, 0, 15]
    assert levels[0, 32] == 14 and levels[0, 40] == 6 and levels[0, 79] == 0
    with pytest.raises(BlshError, match="expected that of the speech"):
        ideal_band_levels(speech, mixture[:, :5], MASK_KINDS["bands"])
