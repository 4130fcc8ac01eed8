import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blsh_trainer.errors import BlshError
from blsh_trainer.masks import ideal_binary_mask, pack_bits, unpack_bits
from blsh_trainer.metrics import si_sdr


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


def test_si_sdr_of_orthogonal_noise_is_the_energy_ratio():
    speech = np.array([1.0, 0.0, 1.0, 0.0])
    noise = np.array([0.0, 0.1, 0.0, -0.1])
    assert si_sdr(speech, speech + noise) == pytest.approx(20.0)


def test_si_sdr_does_not_remove_the_mean():
    speech = np.array([1.0, -1.0])
    assert si_sdr(speech, speech + 0.1) == pytest.approx(20.0)


@pytest.mark.parametrize("scale", [1e-3, 0.5, -2.0, 1e4])
def test_si_sdr_ignores_the_scale_of_either(scale):
    rng = np.random.default_rng(3)
    s, e = rng.standard_normal((2, 500))
    assert si_sdr(s, scale * e) == pytest.approx(si_sdr(s, e))
    assert si_sdr(scale * s, e) == pytest.approx(si_sdr(s, e))


def test_si_sdr_at_its_ends():
    assert si_sdr(np.array([1.0, 0.0]), np.array([2.0, 0.0])) == np.inf
    assert si_sdr(np.array([1.0, 0.0]), np.zeros(2)) == -np.inf
    assert si_sdr(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == -np.inf


def test_si_sdr_refuses_silence_and_other_lengths():
    with pytest.raises(BlshError, match="reference is silent"):
        si_sdr(np.zeros(4), np.ones(4))
    with pytest.raises(BlshError, match="has 3 samples, the reference 4"):
        si_sdr(np.ones(4), np.ones(3))
    with pytest.raises(BlshError, match="the estimate holds nan"):
        si_sdr(np.ones(2), np.array([1.0, np.nan]))
