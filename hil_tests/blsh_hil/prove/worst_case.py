# SPDX-License-Identifier: Apache-2.0
"""Search for the signal that costs a core most with a model: the proof of real time plays it on the board.

Only the search for neighbours costs more in one hop than in another. Its cost depends on the code, and the code on the
signal. An evolutionary search breeds signals by the cost of their last hop, as `search_work` estimates it. A second
search breeds codes: its result is an upper bound that no signal may reach.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.measured_costs import CoreCosts
from blsh_codegen.cost.search_work import SEARCH_TERMS, Dictionary, Search
from blsh_codegen.cost.stage_work import Work, fixed_work, neighbour_work, signal_codes
from blsh_codegen.model.quantise import IntegerModel, MaskIntegers
from blsh_codegen.spec.constants import MEMORY_START, TRACKING_START
from blsh_hil.prove.recipes import SEGMENTS, Segment

Samples = npt.NDArray[np.int16]
Bits = npt.NDArray[np.bool_]

_ELITE: Final = 12  # the number of signals and codes that are kept as parents
_LITTER: Final = 8  # the number of codes that are tried between two selections


@dataclass(frozen=True)
class WorstCase:
    """The result of the search. All costs are estimated instructions of a hop.

    signals: int16 (S, n), whole hops each from the start of a stream, the costliest last hop first. estimates: the cost
    of each last hop, (S,). tried: how many signals and codes were looked at. before: the largest cost of the signals
    that the search began with. any_code: the cost of the costliest code, whether or not a signal has this code.
    """

    signals: npt.NDArray[np.int16]
    estimates: npt.NDArray[np.float64]
    tried: int
    before: float
    any_code: float


class HopCost:
    """Estimates the instructions that a hop with a code takes, from the measured costs of a core."""

    def __init__(self, model: IntegerModel, costs: CoreCosts) -> None:
        self.model, self.costs = model, costs
        self._dictionary = Dictionary(model) if isinstance(model, MaskIntegers) else None

    def of(self, code: Bits) -> float:
        """Return the cost of a hop with one code, bool (L,)."""
        work = fixed_work(self.model, code[None])
        if self._dictionary is None:
            work["neighbours"] = neighbour_work(self.model, code[None], self.costs.lanes)
        else:  # made once: most of the time goes into it
            work["neighbours"] = Work(SEARCH_TERMS, Search(self._dictionary, code, self.costs.lanes).run()[None])
        return float(sum(self.costs.of(stage, of)[0] for stage, of in work.items()))


def find_worst_case(
    model: IntegerModel,
    costs: CoreCosts,
    signals: Sequence[Samples],
    rng: np.random.Generator,
    trials: int = 300,
) -> WorstCase:
    """Breed `trials` signals from `signals` (int16 whole hops each), then `trials` codes.

    Each signal is as long as its last hop looks back: one window, with features that remember past their start.
    """
    cost = HopCost(model, costs)
    kind, geometry = model.feature_kind, model.geometry
    start = MEMORY_START if kind.memory else TRACKING_START if kind.tracked else 0  # ticks
    length = geometry.tick * start + geometry.window
    pool = _pieces(signals, length, trials // 2, rng)
    codes = [_last_code(model, piece) for piece in pool]
    known = sorted(zip(map(cost.of, codes), range(len(pool)), strict=True), reverse=True)
    elite = [(estimate, pool[at], codes[at]) for estimate, at in known[:_ELITE]]
    before = elite[0][0]
    for _ in range(trials - len(pool)):
        parent = elite[int(len(elite) * rng.random() ** 2)][1]
        child = _varied(parent, pool, rng)
        code = _last_code(model, child)
        elite = _ranked([*elite, (cost.of(code), child, code)])
    any_code, looked_at = _worst_code(cost, [code for _, _, code in elite], trials, rng)
    return WorstCase(
        signals=np.stack([signal for _, signal, _ in elite]),
        estimates=np.array([estimate for estimate, _, _ in elite]),
        tried=trials + looked_at,
        before=before,
        any_code=any_code,
    )


def _last_code(model: IntegerModel, signal: Samples) -> Bits:
    last: Bits = signal_codes(model, signal)[-1]
    return last


def _ranked(candidates: list[tuple[float, Samples, Bits]]) -> list[tuple[float, Samples, Bits]]:
    """Return the costliest candidates first, each code once: equal codes would crowd out the others."""
    kept: dict[bytes, tuple[float, Samples, Bits]] = {}
    for each in sorted(candidates, key=lambda candidate: -candidate[0]):
        kept.setdefault(each[2].tobytes(), each)
    return list(kept.values())[:_ELITE]


def _pieces(signals: Sequence[Samples], length: int, count: int, rng: np.random.Generator) -> list[Samples]:
    """Return up to `count` pieces of `length` samples, equally many of each signal. Shorter signals are repeated."""
    share = max(1, count // len(signals))
    pieces: list[Samples] = []
    for signal in signals:
        whole: Samples = signal if len(signal) >= length else np.resize(signal, length)
        starts = np.unique(rng.integers(0, len(whole) - length + 1, min(share, max(1, len(whole) // length))))
        pieces += [whole[start : start + length] for start in starts.tolist()]
    return pieces[:count]


def _varied(parent: Samples, pool: Sequence[Samples], rng: np.random.Generator) -> Samples:
    """Return a child of `parent`: mixed with another piece, or changed in a stretch or as a whole."""
    child = parent.astype(np.float64)
    other = pool[int(rng.integers(len(pool)))].astype(np.float64)
    start, stop = sorted(rng.integers(0, len(child) + 1, 2).tolist())
    match int(rng.integers(6)):
        case 0:
            share = rng.random()
            child = share * child + (1 - share) * other
        case 1:
            child[start:stop] = other[start:stop]
        case 2:
            drawn = Segment(str(rng.choice(SEGMENTS)), len(child), int(rng.integers(0, 12)), int(rng.integers(2**31)))
            child[start:stop] = drawn.samples()[start:stop]
        case 3:
            child *= 2.0 ** rng.uniform(-3, 3)
        case 4:
            tone = np.cos(np.arange(len(child)) * rng.uniform(0, np.pi) + rng.uniform(0, 6))
            child += tone * 2.0 ** rng.uniform(0, 14)
        case _:
            child = np.diff(child, prepend=0.0) if rng.random() < 0.5 else np.convolve(child, [0.5, 0.5])[: len(child)]
    return np.clip(np.round(child), -32768, 32767).astype(np.int16)


def _worst_code(cost: HopCost, codes: Sequence[Bits], trials: int, rng: np.random.Generator) -> tuple[float, int]:
    """Turn bits of `codes` and of random codes; return the largest cost found, and how many codes were tried."""
    drawn = [rng.random(cost.model.bits) < 0.5 for _ in range(_ELITE)]
    elite = sorted(((cost.of(code), code.tobytes()) for code in [*codes, *drawn]), reverse=True)[:_ELITE]
    tried = len(codes) + len(drawn)
    while tried < trials:
        for _ in range(_LITTER):
            code = np.frombuffer(elite[int(len(elite) * rng.random() ** 2)][1], np.bool_).copy()
            turned = rng.integers(0, len(code), int(rng.integers(1, 2 + len(code) // 8)))
            code[turned] ^= True
            elite.append((cost.of(code), code.tobytes()))
            tried += 1
        elite = sorted(set(elite), reverse=True)[:_ELITE]
    return elite[0][0], tried
