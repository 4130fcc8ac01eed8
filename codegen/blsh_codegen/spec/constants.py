# SPDX-License-Identifier: Apache-2.0
"""Constants, rounding and quantised tables of the pipeline (SPEC.md, 2 and 3)."""

from enum import IntFlag
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_trainer.model import attenuation, gain_rules, projection, voting_model
from blsh_trainer.signals import features, masks, spectra
from blsh_trainer.signals.geometry import Geometry

Q14_ONE: Final = 1 << 14
PEAK_BITS: Final = 28  # bits of the bound of a windowed frame's peak, after its shift
PEAK_BLOCK: Final = 64  # samples that share one bound of their peak
FEATURE_BITS: Final = 14  # bits of a spectrum's parts that a magnitude is computed from
MAGNITUDE_Q14: Final = ((16_314, 2_148), (15_202, 6_297), (13_054, 10_017))  # (c, d) of c a + d b: SPEC.md, 5
NORM_BITS: Final = 15  # bits of the norm that a bias is multiplied by
BIAS_FRACTION_BITS: Final = 3
TRACKED_BANDS: Final = features.TRACKED_BANDS
TRACKED_BITS: Final = 14  # bits of tracked features: rounding the largest up still fits int16
TRACKING_START: Final = features.TRACKING_START
TRACKING_FAST_SHIFT: Final = 2  # a floor moves by 1/4 of its distance from the level
TRACKING_SLOW_SHIFT: Final = 7  # a floor that rises slowly moves by 1/128
MEMORY_PAIRS: Final = features.MEMORY_PAIRS
MEMORY_FEATURES: Final = features.FEATURE_KINDS["memory"].count()
STEADY_RISE: Final = features.STEADY_RISE  # of two bands above their slow mean, in a hop that counts as steady
STEADY_DEVIATION: Final = features.STEADY_DEVIATION
MEMORY_START: Final = features.MEMORY_START  # ticks in which means adapt faster, and to which ticks are counted
MEMORY_FRACTION_BITS: Final = 6  # bits of a pair's state below a step of its level
MEMORY_FAST_SHIFT, MEMORY_MIDDLE_SHIFT, MEMORY_SLOW_SHIFT = features.MEMORY_SHIFTS
LOG_FRACTION_BITS: Final = 5  # bits of a binary logarithm: 32 steps an octave
LOG_INDEX_BITS: Final = 6  # bits behind the leading one that a logarithm is looked up by
LEAST_LOG_ORIGIN: Final = 512  # limits of the logarithm, in steps, that counts as 0: SPEC.md, 7
MOST_LOG_ORIGIN: Final = 1023
OVERLAP_FRACTION_BITS: Final = 8  # bits of the sums of overlap-add
THIRD_Q16: Final = 21_845  # 1/3: squared Hann windows sum to 3/2 2**k, and the last shift is one bit less
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
START_SHIFT: Final = MEMORY_START.bit_length() - 1  # the votes of a start fade within MEMORY_START ticks
MAX_RULE_VOTES: Final = voting_model.MAX_RULE_VOTES
RESPONSE_SHIFT: Final = 2  # from 1/64 of a unit to a step of the response
RESPONSE_ORIGIN: Final = voting_model.RESPONSE_ORIGIN  # the index of a sum of 0
RESPONSES: Final = voting_model.RESPONSES

MOST_ATTENUATION: Final = attenuation.MOST_ATTENUATION  # dB
ATTENUATION_OFF: Final = attenuation.ATTENUATION_OFF  # no limit
ENERGY_SHIFT: Final = 20  # of the sum of squared gains, so that 255 times what is left fits 32 bits
MOST_ACTIVITY: Final = 255
STEP_DB_Q16: Final = 6_165  # 10 log10(2) / 32: dB of a step of the logarithm of a sum of squares

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


RUNTIME_FORMAT: Final = 6  # the format of blsh_model_t and the arithmetic: firmware refuses another


def rounded_shift(value: int, bits: int) -> int:
    """Return value / 2**bits, rounded half up; bits >= 0."""
    return (value + (1 << bits >> 1)) >> bits


def shifted(value: int, left: int) -> int:
    """Return value * 2**left; a negative `left` divides and rounds half up."""
    return value << left if left >= 0 else rounded_shift(value, -left)


def mul_q16(value: int, factor: int) -> int:
    """Return floor(value * factor / 2**16), `factor` an int16: the one multiplication of the transforms."""
    return value * factor >> 16


@cache
def window_q14(geometry: Geometry) -> npt.NDArray[np.int16]:
    """Return the window that a frame is analysed by, int16 (N,), Q1.14."""
    return _rounded_q14(spectra.analysis_window(geometry))


@cache
def synthesis_q14(geometry: Geometry) -> npt.NDArray[np.int16]:
    """Return the window of the last M samples of a frame, int16 (M,), Q1.14; where M = N the one of analysis."""
    return _rounded_q14(spectra.synthesis_window(geometry))


def _rounded_q14(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    table = np.floor(values * Q14_ONE + 0.5).astype(np.int16)
    table.flags.writeable = False
    return table


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


def least_q14() -> npt.NDArray[np.int16]:
    """Return the least gain with a limit of attenuation of 0 to 60 dB, int16 (61,), Q1.14."""
    return _rounded_q14(np.array([attenuation.least_gain(limit) for limit in range(MOST_ATTENUATION + 1)]))


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


RADICES: Final = {512: (4, 4, 2, 4, 4), 256: (4, 4, 4, 4), 128: (4, 2, 2, 2, 4)}
"""The radix of each stage of a transform, by its points. Each list reads the same from both ends: so the reversal of
digits is its own inverse, and a transform orders its points in place, by swaps."""


def digit_reversed(index: int, points: int) -> int:
    """Return the place of sample `index` before the first stage of a transform of so many points."""
    place = 0
    for radix in RADICES[points]:
        index, digit = divmod(index, radix)
        place = place * radix + digit
    return place


def spectrum_shift(window: int) -> int:
    """Return f: the spectrum of a frame of N samples is its DFT scaled by 2**-f; 9, 7 and 9 for 1024, 512 and 256.

    Each stage of the transform but the first divides by 4, and the split of the real spectrum by 2.
    """
    return 2 * len(RADICES[window // 2]) - 1


def mask_shift(window: int) -> int:
    """Return the bits by which a spectrum is raised before its gains: 3 for 256, else 0.

    The three radix-2 stages of the smallest transform leave as many bits free. Without them the way back would begin
    with too few: its worst frames came to 63 dB of noise, and with them to 81.
    """
    return 3 if window == 256 else 0


def round_trip_shift(window: int) -> int:
    """Return r: after both transforms and gains of 1 a frame is scaled by 2**-(r + 2); 9, 6 and 8 for these sizes."""
    return 2 * spectrum_shift(window) - (window // 2).bit_length() + 1 - mask_shift(window)


def tracked_fraction_bits(window: int) -> int:
    """Return the fraction bits of the levels and noise floors of `tracked`: 8, 7 and 8 for 1024, 512 and 256.

    They are enough for the slow rate to move a floor, and leave the root of the largest level below 2**31.
    """
    return (spectrum_shift(window) + 7) // 2


def overlap_scale(geometry: Geometry) -> tuple[bool, int]:
    """Return what sums of overlap-add are divided by: whether by 3/2, and k, by 2**k besides."""
    gain = spectra.overlap_gain(geometry)
    exponent = int(np.log2(gain))
    return gain != 2.0**exponent, exponent
