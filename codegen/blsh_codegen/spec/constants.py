# SPDX-License-Identifier: Apache-2.0
"""Constants, rounding and quantised tables of the pipeline (SPEC.md, 2 and 3)."""

from enum import IntFlag
from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_trainer.model import gain_rules, projection, voting_model
from blsh_trainer.signals import features, masks, spectra

SAMPLE_RATE_HZ: Final = spectra.SAMPLE_RATE_HZ
WINDOW: Final = spectra.WINDOW
HOP: Final = spectra.HOP
HISTORY: Final = spectra.HISTORY
BINS: Final = spectra.BINS
HOPS_PER_SECOND: Final = SAMPLE_RATE_HZ / HOP
HOP_S: Final = HOP / SAMPLE_RATE_HZ
DELAY_S: Final = (HISTORY + HOP) / SAMPLE_RATE_HZ  # the wait for a full hop, and the lag of the output
FFT_POINTS: Final = WINDOW // 2

Q14_ONE: Final = 1 << 14
PEAK_BITS: Final = 28  # bits of the bound of a windowed frame's peak, after its shift
PEAK_BLOCK: Final = 64  # samples that share one bound of their peak
FEATURE_BITS: Final = 14  # bits of a spectrum's parts that a magnitude is computed from
MAGNITUDE_Q14: Final = ((16_314, 2_148), (15_202, 6_297), (13_054, 10_017))  # (c, d) of c a + d b: SPEC.md, 5
NORM_BITS: Final = 15  # bits of the norm that a bias is multiplied by
BIAS_FRACTION_BITS: Final = 3
TRACKED_BANDS: Final = features.TRACKED_BANDS
TRACKED_BITS: Final = 14  # bits of tracked features: rounding the largest up still fits int16
TRACKED_FRACTION_BITS: Final = 8  # bits of levels and noise floors: enough for the slow rate to move a floor
TRACKING_START: Final = features.TRACKING_START
TRACKING_FAST_SHIFT: Final = 2  # a floor moves by 1/4 of its distance from the level
TRACKING_SLOW_SHIFT: Final = 7  # a floor that rises slowly moves by 1/128
MEMORY_PAIRS: Final = features.MEMORY_PAIRS
MEMORY_FEATURES: Final = features.FEATURE_KINDS["memory"].count()
STEADY_RISE: Final = features.STEADY_RISE  # of two bands above their slow mean, in a hop that counts as steady
STEADY_DEVIATION: Final = features.STEADY_DEVIATION
MEMORY_START: Final = features.MEMORY_START  # hops in which means adapt faster, and to which hops are counted
MEMORY_FRACTION_BITS: Final = 6  # bits of a pair's state below a step of its level
MEMORY_FAST_SHIFT, MEMORY_MIDDLE_SHIFT, MEMORY_SLOW_SHIFT = features.MEMORY_SHIFTS
LOG_FRACTION_BITS: Final = 5  # bits of a binary logarithm: 32 steps an octave
LOG_INDEX_BITS: Final = 6  # bits behind the leading one that a logarithm is looked up by
LOG_ORIGIN: Final = 702  # the logarithm, in steps, of the level that counts as 0: features.MEMORY_ORIGIN
OVERLAP_FRACTION_BITS: Final = 8  # bits of the sums of overlap-add
THIRD_Q16: Final = 21_845  # 1/3: squared Hann windows sum to 3/2, and the last shift is one bit less
MAX_MEL_BANDS: Final = features.MEL_BANDS  # more bands could overflow the norm of the features: SPEC.md, 7
MEL_SUM_MAX: Final = 65_536  # the sum of a mel band's weights, at most: no feature exceeds the band's largest magnitude
BLOCK: Final = 32  # entries of a block, one bit of a word each, and blocks of a group
LONG_CODE_BITS: Final = 64  # codes of this length or longer have ZERO_BITS_LONG planes for their number of zeros
ZERO_BITS_SHORT: Final = 6
ZERO_BITS_LONG: Final = 9
MAX_BITS: Final = projection.MAX_BITS
MAX_SMOOTHING: Final = masks.MAX_SMOOTHING  # sixteenths of a mask that may come from the mask of the hop before
MAX_NEIGHBOURS: Final = 32
MAX_FOUND: Final = 256  # neighbours of all dictionaries, in a core that is compiled for any model
MAX_ENTRIES: Final = 1 << 20  # more than any flash holds; every offset into the dictionary fits 32 bits

MAX_THRESHOLDS: Final = voting_model.MAX_THRESHOLDS  # of a projection
MAX_DICTIONARIES: Final = voting_model.VOTE_BANDS  # one for each band
VOTE_BANDS: Final = voting_model.VOTE_BANDS
VOTE_LEVEL_BITS: Final = 8
VOTE_WEIGHTS: Final = voting_model.VOTE_WEIGHTS  # a neighbour farther behind the nearest has no weight
VOTE_RECIPROCAL_BITS: Final = 23  # bits of 1 / the sum of weights
VOTE_SHIFT: Final = 21  # from a vote times the reciprocal to 1/64 of a unit
LEAST_VOTES: Final = int(gain_rules.LEAST_ODDS * voting_model.BIT_VOTES_A_UNIT)  # limits of a band's sum
MOST_VOTES: Final = int(gain_rules.MOST_ODDS * voting_model.BIT_VOTES_A_UNIT)
START_SHIFT: Final = MEMORY_START.bit_length() - 1  # the votes of a start fade within MEMORY_START hops
MAX_RULE_VOTES: Final = voting_model.MAX_RULE_VOTES
RESPONSE_SHIFT: Final = 2  # from 1/64 of a unit to a step of the response
RESPONSE_ORIGIN: Final = voting_model.RESPONSE_ORIGIN  # the index of a sum of 0
RESPONSES: Final = voting_model.RESPONSES

SMALL_ENTRIES: Final = 128  # of a voting model's dictionary whose entries are all put in order


class ModelKind(IntFlag):
    """The kinds of models by what code they need; a core may be compiled for some of them only."""

    MASKS = 1
    SMALL_VOTES = 2  # voting models whose dictionaries have at most SMALL_ENTRIES each
    LARGE_VOTES = 4


ALL_KINDS: Final = ModelKind.MASKS | ModelKind.SMALL_VOTES | ModelKind.LARGE_VOTES


def voting_kind(entries: int) -> ModelKind:
    """Return the kind of a voting model with dictionaries of `entries` entries."""
    return ModelKind.SMALL_VOTES if entries <= SMALL_ENTRIES else ModelKind.LARGE_VOTES


RUNTIME_FORMAT: Final = 5  # the format of blsh_model_t and the arithmetic: firmware refuses another


def rounded_shift(value: int, bits: int) -> int:
    """Return value / 2**bits, rounded half up; bits >= 0."""
    return (value + (1 << bits >> 1)) >> bits


def shifted(value: int, left: int) -> int:
    """Return value * 2**left; a negative `left` divides and rounds half up."""
    return value << left if left >= 0 else rounded_shift(value, -left)


def mul_q16(value: int, factor: int) -> int:
    """Return floor(value * factor / 2**16), `factor` an int16: the one multiplication of the transforms."""
    return value * factor >> 16


def window_q14() -> npt.NDArray[np.int16]:
    """Return samples 0 to 512 of the periodic Hann window, (513,), Q1.14; sample n > 512 equals sample 1024 - n."""
    n = np.arange(BINS)
    return np.floor((0.5 - 0.5 * np.cos(2 * np.pi * n / WINDOW)) * Q14_ONE + 0.5).astype(np.int16)


def sine_q14() -> npt.NDArray[np.int16]:
    """Return sin(2 pi i / 1024), (1024,), Q1.14, built from one quarter so that the symmetries are exact."""
    quarter = np.floor(np.sin(2 * np.pi * np.arange(257) / 1024) * Q14_ONE + 0.5).astype(np.int16)
    half = np.concatenate([quarter, quarter[255:0:-1]])  # 0 .. 511
    return np.concatenate([half, -half])


def log2_q5() -> npt.NDArray[np.uint8]:
    """Return log2(1 + (i + 0.5) / 64) for i = 0 to 63, (64,), in steps of 1/32."""
    places = 1 << LOG_INDEX_BITS
    steps = np.log2(1 + (np.arange(places) + 0.5) / places) * (1 << LOG_FRACTION_BITS)
    return np.floor(steps + 0.5).astype(np.uint8)


def turns_q14(indices: npt.NDArray[np.int_]) -> npt.NDArray[np.uint32]:
    """Return cosine (low half) and sine (high half) of 2 pi i / 1024 for each index i, as the C core reads them."""
    sine = sine_q14().view(np.uint16).astype(np.uint32)
    packed: npt.NDArray[np.uint32] = sine[indices + 256 & 1023] | sine[indices & 1023] << np.uint32(16)
    return packed


def stage_turns_q14() -> npt.NDArray[np.uint32]:
    """Return the turns of the last radix-4 stage, (128, 3): indices 2 k, 4 k and 6 k; other stages take every nth."""
    return turns_q14(np.outer(np.arange(128), [2, 4, 6]))


def split_turns_q14() -> npt.NDArray[np.uint32]:
    """Return the turns of the real split, (256,): indices 0 to 255."""
    return turns_q14(np.arange(256))


def digit_reversed(index: int) -> int:
    """Return the place of sample `index` before the 4-4-2-4-4 transform of 512 points; the map is its own inverse."""
    return (index & 3) << 7 | (index >> 2 & 3) << 5 | (index >> 4 & 1) << 4 | (index >> 5 & 3) << 2 | (index >> 7 & 3)
