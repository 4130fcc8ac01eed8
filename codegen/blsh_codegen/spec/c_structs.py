# SPDX-License-Identifier: Apache-2.0
"""Describe the structs and constants of the C core, once for all of Python and for any size of a pointer.

From this description come the sizes on a board and the models that the host library is given. The C text of
`layout_check` compares it with the headers; the host library is compiled with it, so the two cannot differ.
"""

import ctypes
from collections.abc import Sequence
from functools import cache, reduce
from operator import or_
from typing import Any, Final, NamedTuple, Self

from blsh_codegen.spec.constants import (
    ALL_KINDS,
    ATTENUATION_OFF,
    BIAS_FRACTION_BITS,
    BLOCK,
    ENERGY_SHIFT,
    FEATURE_BITS,
    LEAST_LOG_ORIGIN,
    LEAST_VOTES,
    LOG_FRACTION_BITS,
    LOG_INDEX_BITS,
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
    MOST_ACTIVITY,
    MOST_ATTENUATION,
    MOST_LOG_ORIGIN,
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
    SMALL_ENTRIES,
    START_SHIFT,
    STEADY_DEVIATION,
    STEADY_RISE,
    STEP_DB_Q16,
    THIRD_Q16,
    TRACKED_BANDS,
    TRACKED_BITS,
    TRACKING_FAST_SHIFT,
    TRACKING_SLOW_SHIFT,
    TRACKING_START,
    VOTE_BANDS,
    VOTE_LEVEL_BITS,
    VOTE_RECIPROCAL_BITS,
    VOTE_SHIFT,
    VOTE_WEIGHTS,
    ZERO_BITS_LONG,
    ZERO_BITS_SHORT,
    ModelKind,
)
from blsh_trainer.signals.geometry import LARGEST_HOP, LEAST_HOP, WINDOWS, Geometry

BOARD_POINTER: Final = ctypes.c_uint32
HOST_POINTER: Final = ctypes.c_void_p

_CONSTANTS = {
    "RUNTIME_FORMAT": RUNTIME_FORMAT,
    **{f"WINDOW_{window}": 1 << place for place, window in enumerate(WINDOWS)},
    "LEAST_HOP": LEAST_HOP,
    "LARGEST_HOP": LARGEST_HOP,
    "PEAK_BITS": PEAK_BITS,
    "PEAK_BLOCK": PEAK_BLOCK,
    "OVERLAP_FRACTION_BITS": OVERLAP_FRACTION_BITS,
    "THIRD_Q16": THIRD_Q16,
    "FEATURE_BITS": FEATURE_BITS,
    "MAX_MEL_BANDS": MAX_MEL_BANDS,
    "MEL_SUM_MAX": MEL_SUM_MAX,
    "TRACKED_BANDS": TRACKED_BANDS,
    "TRACKED_BITS": TRACKED_BITS,
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
    "LEAST_LOG_ORIGIN": LEAST_LOG_ORIGIN,
    "MOST_LOG_ORIGIN": MOST_LOG_ORIGIN,
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
    "MOST_ATTENUATION": MOST_ATTENUATION,
    "ATTENUATION_OFF": ATTENUATION_OFF,
    "ENERGY_SHIFT": ENERGY_SHIFT,
    "MOST_ACTIVITY": MOST_ACTIVITY,
    "STEP_DB_Q16": STEP_DB_Q16,
}
"""The numbers of blsh_constants.h."""

_PAIRS = dict(zip(("FLAT_Q14", "MIDDLE_Q14", "STEEP_Q14"), MAGNITUDE_Q14, strict=True))
"""The pairs of numbers in blsh_constants.h."""


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
    accepted, BLSH_KINDS. windows: the sizes of frames that are, BLSH_WINDOWS: 1 for 256 samples, 2 for 512, 4 for 1024.
    history, overlap: N - H and M - H. one_geometry: whether these are the only ones, of a single size of frames.
    """

    bits: int
    neighbours: int
    smoothed: int
    projections: int
    features: int
    found: int
    kinds: ModelKind
    windows: int
    history: int
    overlap: int
    one_geometry: bool

    @property
    def window(self) -> int:
        """Samples of the largest frame."""
        return WINDOWS[self.windows.bit_length() - 1]

    @property
    def bins(self) -> int:
        """Bins of the largest spectrum."""
        return self.window // 2 + 1

    @property
    def hop(self) -> int:
        """Samples of the largest hop."""
        return self.window - self.history if self.one_geometry else min(LARGEST_HOP, self.window // 2)

    @property
    def pairs(self) -> int:
        """Pairs of bands that `memory` features keep; 1 where no model votes."""
        return MEMORY_PAIRS if self.kinds & ~ModelKind.MASKS else 1

    @classmethod
    def of_masks(cls, bits: int, neighbours: int, smoothed: int, features: int, geometry: Geometry) -> Self:
        """Return the limits of models with masks, which have one dictionary, and projections of a bit each."""
        sizes = (bits, neighbours, smoothed, bits, features, neighbours)
        return cls(*sizes, ModelKind.MASKS, window_bit(geometry), geometry.history, geometry.lag, one_geometry=True)

    @classmethod
    def of_all(cls, limits: Sequence[Self]) -> Self:
        """Return the limits of a core for every model that one of `limits` is enough for. It is not empty."""
        numbers = ("bits", "neighbours", "smoothed", "projections", "features", "found", "history", "overlap")
        geometries = {(each.windows, each.history, each.overlap) for each in limits}
        return limits[0]._replace(
            **{name: max(getattr(each, name) for each in limits) for name in numbers},
            kinds=reduce(or_, (each.kinds for each in limits)),
            windows=reduce(or_, (each.windows for each in limits)),
            one_geometry=len(geometries) == 1 and limits[0].one_geometry,
        )

    def defines(self) -> dict[str, int]:
        """Return the numbers that blsh_limits.h defines, by their names there."""
        names = {"kinds": "KINDS", "windows": "WINDOWS", "one_geometry": "ONE_GEOMETRY"}
        return {f"BLSH_{names.get(name, f'MAX_{name.upper()}')}": int(value) for name, value in self._asdict().items()}

    def lacks(self, geometry: Geometry) -> str | None:
        """Return the number of a core with these limits that rules `geometry` out, in words; None where it runs it."""
        if not self.windows & window_bit(geometry):
            compiled = ", ".join(str(each) for place, each in enumerate(WINDOWS) if self.windows >> place & 1)
            return f"a window of {geometry.window} samples, and the core is compiled for {compiled}"
        for what, asked, most in (("N - H", geometry.history, self.history), ("M - H", geometry.lag, self.overlap)):
            if asked > most or (self.one_geometry and asked != most):
                return f"{what} = {asked} samples, and the core is compiled for {most}"
        return None


def window_bit(geometry: Geometry) -> int:
    """Return the bit of the window's size in BLSH_WINDOWS."""
    return 1 << WINDOWS.index(geometry.window)


_LONGEST: Final = WINDOWS[-1] - LEAST_HOP
_BINS: Final = WINDOWS[-1] // 2 + 1
CORE_LIMITS: Final = Limits(
    bits=MAX_BITS,
    neighbours=MAX_NEIGHBOURS,
    smoothed=_BINS,
    projections=MAX_BITS,
    features=_BINS,
    found=MAX_FOUND,
    kinds=ALL_KINDS,
    windows=2 ** len(WINDOWS) - 1,
    history=_LONGEST,
    overlap=_LONGEST,
    one_geometry=False,
)
"""The limits of a core that is compiled without blsh_limits.h."""


@cache
def model_struct(pointer: Any = HOST_POINTER) -> type[ctypes.Structure]:
    """Return blsh_model_t. pointer: the type of its pointers."""
    numbers, words = ctypes.c_uint16, ctypes.c_uint32
    tables = ("projection_q7", "window_q14", "synthesis_q14", "bias_q3", "planes", "bounds", "masks", "gain_q14")
    bands = ("band_edge", "mel_first", "mel_count", "mel_weight_q16")
    votes = ("threshold", "group_edge", "vote", "weight", "bit_vote", "response_q14")
    numbers_of_votes = ("smoothing_down", "projections", "thresholds", "dictionaries", "start_votes", "steady_votes")
    times = ("rate_hz", "window", "hop", "synthesis", "log_origin", "attenuation")
    fields = [
        ("runtime_format", words),
        ("name", ctypes.c_char_p if pointer is HOST_POINTER else pointer),
        ("model_sha256", ctypes.c_uint8 * 32),
        ("dictionary_crc32", words),
        *((name, numbers) for name in ("feature_kind", "features", "bits", "neighbours")),
        ("entries", words),
        *((name, numbers) for name in ("radius", "mask_bands", "mask_level_bits", "smoothing")),
        *((name, numbers) for name in (*numbers_of_votes, *times)),
        *((name, pointer) for name in (*tables, *bands, *votes)),
    ]
    return type("blsh_model_t", (ctypes.Structure,), {"_fields_": fields})


@cache
def state_struct(limits: Limits = CORE_LIMITS, pointer: Any = HOST_POINTER) -> type[ctypes.Structure]:
    """Return blsh_state_t, compiled with `limits`. An unnamed union has the name of its first member here."""
    halves, words = ctypes.c_int16, ctypes.c_int32
    bins = limits.bins
    frame = _struct("frame", shift=words, values=words * (2 * bins))
    neighbour = _struct("blsh_neighbour_t", index=words, distance=words)
    steps: dict[str, dict[str, Any]] = {
        "spectral": {"magnitude": halves * _row(max(bins, limits.features)), "level": words * TRACKED_BANDS},
        "filtered": {"feature": halves * MAX_MEL_BANDS, "magnitude": halves * bins},
        "projected": {"feature": halves * _row(limits.features), "accumulator": words * limits.projections},
        "searched": {"ranking": words * limits.found, "scratch": words * search_words(limits.bits, limits.kinds)},
        "voted": {"neighbour": neighbour * limits.found, "vote": words * (16 * (limits.window.bit_length() - 6))},
    }
    structs = [_struct(name, **members) for name, members in steps.items()]
    fields = [
        ("model", pointer),
        ("history", halves * limits.history),
        ("peak", halves * (limits.window // PEAK_BLOCK)),
        ("overlap", words * limits.overlap),
        ("ticks", halves),
        ("tick_samples", halves),
        ("noise_floor", _union(words * TRACKED_BANDS, halves * 6 * limits.pairs)),
        ("smoothed", halves * limits.smoothed),
        ("frame", frame),
        ("spectral", _union(*structs, halves * bins)),
        ("code", words * -(-limits.bits // 32)),
        ("rule_votes", words),
        ("input_level", halves),
        ("least_gain", halves),
        ("activity", ctypes.c_uint8),
        ("reduction_db", ctypes.c_uint8),
    ]
    return type("blsh_state_t", (ctypes.Structure,), {"_fields_": fields})


def search_words(bits: int, kinds: ModelKind) -> int:
    """Return the words that a search of codes of `bits` bits works with, in a core for models of these kinds."""
    ranked = 4 * (ZERO_BITS_LONG + 1) if kinds & ModelKind.SMALL_VOTES else 0
    return bits // 2 + 8 + ranked


def board_bytes(struct: Any, *limits: Limits) -> int:
    """Return the bytes of model_struct or state_struct on a board, whose pointers have 4."""
    return ctypes.sizeof(struct(*limits, pointer=BOARD_POINTER))


def layout_check(pointer: Any = HOST_POINTER, limits: Limits = CORE_LIMITS) -> str:
    """Return C that compiles only where the core has these constants, and its structs these offsets and sizes."""
    constants = {f"BLSH_{name}": value for name, value in _CONSTANTS.items()}
    constants |= {**limits.defines(), "BLSH_MAX_BINS": limits.bins, "BLSH_MAX_HOP": limits.hop}
    claims = [f"{name} == {value}" for name, value in constants.items()]
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
