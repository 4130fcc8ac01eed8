# SPDX-License-Identifier: Apache-2.0
"""Describe the structs and constants of the C core, once for all of Python and for any size of a pointer.

From this description come the sizes on a board and the models that the host library is given. The C text of
`layout_check` compares it with the headers; the host library is compiled with it, so the two cannot differ.
"""

import ctypes
from functools import cache
from typing import Any, Final, NamedTuple, Self

from blsh_codegen.spec.constants import (
    ALL_KINDS,
    BIAS_FRACTION_BITS,
    BINS,
    BLOCK,
    FEATURE_BITS,
    HISTORY,
    HOP,
    LEAST_VOTES,
    LOG_FRACTION_BITS,
    LOG_INDEX_BITS,
    LOG_ORIGIN,
    LONG_CODE_BITS,
    MAGNITUDE_Q14,
    MAX_BITS,
    MAX_DICTIONARIES,
    MAX_ENTRIES,
    MAX_FOUND,
    MAX_MEL_BANDS,
    MAX_NEIGHBOURS,
    MAX_RULE_VOTES,
    MAX_SMOOTHING,
    MAX_THRESHOLDS,
    MEL_SUM_MAX,
    MEMORY_FAST_SHIFT,
    MEMORY_FEATURES,
    MEMORY_FRACTION_BITS,
    MEMORY_MIDDLE_SHIFT,
    MEMORY_PAIRS,
    MEMORY_SLOW_SHIFT,
    MEMORY_START,
    MOST_VOTES,
    NORM_BITS,
    OVERLAP_FRACTION_BITS,
    PEAK_BITS,
    PEAK_BLOCK,
    Q14_ONE,
    RESPONSE_ORIGIN,
    RESPONSE_SHIFT,
    RESPONSES,
    RUNTIME_FORMAT,
    SAMPLE_RATE_HZ,
    SMALL_ENTRIES,
    START_SHIFT,
    STEADY_DEVIATION,
    STEADY_RISE,
    THIRD_Q16,
    TRACKED_BANDS,
    TRACKED_BITS,
    TRACKED_FRACTION_BITS,
    TRACKING_FAST_SHIFT,
    TRACKING_SLOW_SHIFT,
    TRACKING_START,
    VOTE_BANDS,
    VOTE_LEVEL_BITS,
    VOTE_RECIPROCAL_BITS,
    VOTE_SHIFT,
    VOTE_WEIGHTS,
    WINDOW,
    ZERO_BITS_LONG,
    ZERO_BITS_SHORT,
    ModelKind,
)

BOARD_POINTER: Final = ctypes.c_uint32
HOST_POINTER: Final = ctypes.c_void_p

_CONSTANTS = {
    "RUNTIME_FORMAT": RUNTIME_FORMAT,
    "SAMPLE_RATE_HZ": SAMPLE_RATE_HZ,
    "WINDOW": WINDOW,
    "HOP": HOP,
    "HISTORY": HISTORY,
    "BINS": BINS,
    "PEAK_BITS": PEAK_BITS,
    "PEAK_BLOCK": PEAK_BLOCK,
    "OVERLAP_FRACTION_BITS": OVERLAP_FRACTION_BITS,
    "THIRD_Q16": THIRD_Q16,
    "FEATURE_BITS": FEATURE_BITS,
    "MAX_MEL_BANDS": MAX_MEL_BANDS,
    "MEL_SUM_MAX": MEL_SUM_MAX,
    "TRACKED_BANDS": TRACKED_BANDS,
    "TRACKED_BITS": TRACKED_BITS,
    "TRACKED_FRACTION_BITS": TRACKED_FRACTION_BITS,
    "TRACKING_START": TRACKING_START,
    "TRACKING_FAST_SHIFT": TRACKING_FAST_SHIFT,
    "TRACKING_SLOW_SHIFT": TRACKING_SLOW_SHIFT,
    "NORM_BITS": NORM_BITS,
    "BIAS_FRACTION_BITS": BIAS_FRACTION_BITS,
    "BLOCK": BLOCK,
    "LONG_CODE_BITS": LONG_CODE_BITS,
    "ZERO_BITS_SHORT": ZERO_BITS_SHORT,
    "ZERO_BITS_LONG": ZERO_BITS_LONG,
    "MAX_ENTRIES": MAX_ENTRIES,
    "MAX_SMOOTHING": MAX_SMOOTHING,
    "GAIN_ONE_Q14": Q14_ONE,
    "MEMORY_FEATURES": MEMORY_FEATURES,
    "MEMORY_PAIRS": MEMORY_PAIRS,
    "MEMORY_START": MEMORY_START,
    "MEMORY_FRACTION_BITS": MEMORY_FRACTION_BITS,
    "MEMORY_FAST_SHIFT": MEMORY_FAST_SHIFT,
    "MEMORY_MIDDLE_SHIFT": MEMORY_MIDDLE_SHIFT,
    "MEMORY_SLOW_SHIFT": MEMORY_SLOW_SHIFT,
    "LOG_FRACTION_BITS": LOG_FRACTION_BITS,
    "LOG_INDEX_BITS": LOG_INDEX_BITS,
    "LOG_ORIGIN": LOG_ORIGIN,
    "MAX_THRESHOLDS": MAX_THRESHOLDS,
    "MAX_DICTIONARIES": MAX_DICTIONARIES,
    "VOTE_BANDS": VOTE_BANDS,
    "VOTE_LEVEL_BITS": VOTE_LEVEL_BITS,
    "VOTE_WEIGHTS": VOTE_WEIGHTS,
    "VOTE_RECIPROCAL_BITS": VOTE_RECIPROCAL_BITS,
    "VOTE_SHIFT": VOTE_SHIFT,
    "LEAST_VOTES": LEAST_VOTES,
    "MOST_VOTES": MOST_VOTES,
    "MAX_RULE_VOTES": MAX_RULE_VOTES,
    "START_SHIFT": START_SHIFT,
    "STEADY_RISE": STEADY_RISE,
    "STEADY_DEVIATION": STEADY_DEVIATION,
    "RESPONSE_SHIFT": RESPONSE_SHIFT,
    "RESPONSE_ORIGIN": RESPONSE_ORIGIN,
    "RESPONSES": RESPONSES,
    "KIND_MASKS": int(ModelKind.MASKS),
    "KIND_SMALL_VOTES": int(ModelKind.SMALL_VOTES),
    "KIND_LARGE_VOTES": int(ModelKind.LARGE_VOTES),
    "SMALL_ENTRIES": SMALL_ENTRIES,
}
"""The numbers of blsh_constants.h."""

_PAIRS = dict(zip(("FLAT_Q14", "MIDDLE_Q14", "STEEP_Q14"), MAGNITUDE_Q14, strict=True))
"""The pairs of numbers in blsh_constants.h."""

_LIMITS = {"MAX_BITS": MAX_BITS, "MAX_NEIGHBOURS": MAX_NEIGHBOURS, "MAX_FOUND": MAX_FOUND}


_CHECK_HEAD = """\
#include "blsh.h"
#define FIRST_OF(a, b) (a)
#define SECOND_OF(a, b) (b)
#define FIRST(pair) FIRST_OF(pair)
#define SECOND(pair) SECOND_OF(pair)
"""


class Limits(NamedTuple):
    """The largest model that fits the state: BLSH_MAX_... of blsh_limits.h.

    neighbours: of a dictionary; found: of all. smoothed: bands of a smoothed mask. kinds: the kinds of models that are
    accepted, BLSH_KINDS.
    """

    bits: int
    neighbours: int
    smoothed: int
    projections: int
    features: int
    found: int
    kinds: ModelKind

    @property
    def pairs(self) -> int:
        """Pairs of bands that `memory` features keep; 1 where no model votes."""
        return MEMORY_PAIRS if self.kinds & ~ModelKind.MASKS else 1

    @classmethod
    def of_masks(cls, bits: int, neighbours: int, smoothed: int, features: int = BINS) -> Self:
        """Return the limits of models with masks, which have one dictionary, and projections of a bit each."""
        return cls(bits, neighbours, smoothed, bits, features, neighbours, ModelKind.MASKS)


CORE_LIMITS: Final = Limits(MAX_BITS, MAX_NEIGHBOURS, BINS, MAX_BITS, BINS, MAX_FOUND, ALL_KINDS)
"""The limits of a core that is compiled without blsh_limits.h."""


@cache
def model_struct(pointer: Any = HOST_POINTER) -> type[ctypes.Structure]:
    """Return blsh_model_t. pointer: the type of its pointers."""
    numbers, words = ctypes.c_uint16, ctypes.c_uint32
    tables = ("projection_q7", "bias_q3", "planes", "bounds", "masks", "gain_q14")
    bands = ("band_edge", "mel_first", "mel_count", "mel_weight_q16")
    votes = ("threshold", "group_edge", "vote", "weight", "bit_vote", "response_q14")
    numbers_of_votes = ("smoothing_down", "projections", "thresholds", "dictionaries", "start_votes", "steady_votes")
    fields = [
        ("runtime_format", words),
        ("name", ctypes.c_char_p if pointer is HOST_POINTER else pointer),
        ("model_sha256", ctypes.c_uint8 * 32),
        ("dictionary_crc32", words),
        *((name, numbers) for name in ("feature_kind", "features", "bits", "neighbours")),
        ("entries", words),
        *((name, numbers) for name in ("radius", "mask_bands", "mask_level_bits", "smoothing", *numbers_of_votes)),
        *((name, pointer) for name in (*tables, *bands, *votes)),
    ]
    return type("blsh_model_t", (ctypes.Structure,), {"_fields_": fields})


@cache
def state_struct(limits: Limits = CORE_LIMITS, pointer: Any = HOST_POINTER) -> type[ctypes.Structure]:
    """Return blsh_state_t, compiled with `limits`. An unnamed union has the name of its first member here."""
    halves, words = ctypes.c_int16, ctypes.c_int32
    frame = _struct("frame", shift=words, values=words * (2 * BINS))
    neighbour = _struct("blsh_neighbour_t", index=words, distance=words)
    steps: dict[str, dict[str, Any]] = {
        "spectral": {"magnitude": halves * _row(BINS), "level": words * TRACKED_BANDS},
        "projected": {"feature": halves * _row(limits.features), "accumulator": words * limits.projections},
        "searched": {"ranking": words * limits.found, "counted_plane": words * (limits.bits // 2 + 8)},
        "voted": {"neighbour": neighbour * limits.found, "vote": words * VOTE_BANDS},
    }
    structs = [_struct(name, **members) for name, members in steps.items()]
    fields = [
        ("model", pointer),
        ("history", halves * HISTORY),
        ("peak", halves * (WINDOW // PEAK_BLOCK)),
        ("overlap", words * HISTORY),
        ("hops", words),
        ("noise_floor", _union(words * TRACKED_BANDS, halves * 6 * limits.pairs)),
        ("smoothed", halves * limits.smoothed),
        ("frame", frame),
        ("spectral", _union(*structs, halves * BINS)),
        ("code", words * -(-limits.bits // 32)),
        ("rule_votes", words),
    ]
    return type("blsh_state_t", (ctypes.Structure,), {"_fields_": fields})


def board_bytes(struct: Any, *limits: Limits) -> int:
    """Return the bytes of model_struct or state_struct on a board, whose pointers have 4."""
    return ctypes.sizeof(struct(*limits, pointer=BOARD_POINTER))


def layout_check(pointer: Any = HOST_POINTER, limits: Limits = CORE_LIMITS) -> str:
    """Return C that compiles only where the core has these constants, and its structs these offsets and sizes."""
    constants = _CONSTANTS | (_LIMITS if limits == CORE_LIMITS else {})
    claims = [f"BLSH_{name} == {value}" for name, value in constants.items()]
    for name, pair in _PAIRS.items():
        claims += [f"{which}(BLSH_{name}) == {value}" for which, value in zip(("FIRST", "SECOND"), pair, strict=True)]
    for struct in (model_struct(pointer), state_struct(limits, pointer)):
        names = [field[0] for field in struct._fields_]
        claims += [f"offsetof({struct.__name__}, {name}) == {getattr(struct, name).offset}" for name in names]
        claims.append(f"sizeof({struct.__name__}) == {ctypes.sizeof(struct)}")
    return _CHECK_HEAD + "".join(f'_Static_assert({claim}, "c_structs.py says so");\n' for claim in claims)


def _row(features: int) -> int:
    return -(-features // 8) * 8


def _struct(name: str, **members: Any) -> Any:
    return type(name, (ctypes.Structure,), {"_fields_": list(members.items())})


def _union(*members: type[Any]) -> type[ctypes.Union]:
    return type("union", (ctypes.Union,), {"_fields_": [(f"_{place}", each) for place, each in enumerate(members)]})
