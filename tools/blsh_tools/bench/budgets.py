# SPDX-License-Identifier: Apache-2.0
"""The budgets of the firmware, a row each: the demand, its board, and the judgement of the figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from blsh_codegen.spec.stages import STAGES
from blsh_firmware.measure.bench_images import M0_ROW
from blsh_firmware.measure.bench_inputs import BUDGET_ENTRIES
from blsh_trainer.experiments.verdict import Bar

M0, M4, M55, SMALLEST = M0_ROW, "mps2-an386", "mps3-an547", "microbit"
_KIB: Final = 1024
_FFT_BUDGET = {M0: 160_000, M4: 45_000, M55: 35_000}
_SEARCH_BUDGET = {M0: 16.0, M4: 8.0, M55: 1.5}
_HOP_BUDGET = {M0: 500_000, M4: 160_000, M55: 80_000}
_SHARE: Final = 0.15
_EXEMPT = ("spectrum", "output", "neighbours")  # functions counted one by one: the two transforms and the search
_RAM_BYTES, _CODE_BYTES, _SMALLEST_BYTES = 12 * _KIB, 16 * _KIB, 16 * _KIB

Row = Mapping[str, Any]
"""A row of bench-firmware.json."""

Rows = Mapping[str, Row]
"""The rows of the budgets' model, by board."""


@dataclass(frozen=True)
class _Verdict:
    """A measurement, in words and as JSON values, and whether it keeps the budget."""

    told: str
    met: bool
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Budget:
    """A demand on a board (None: on every board). judge(rows of the board, most) returns the verdict."""

    what: str
    board: str | None
    judge: Callable[[Rows, float], _Verdict]
    most: float

    def bar(self, rows: Rows, boards: Sequence[str], lacking: str | None) -> Bar:
        """Return the bar; without a verdict where a row is missing. lacking: why there are no rows at all."""
        missing = [board for board in (boards if self.board is None else [self.board]) if board not in rows]
        if missing:
            return Bar(self.what, lacking or f"not measured on {', '.join(missing)}; run: make bench-firmware", None)
        verdict = self.judge(rows if self.board is None else {self.board: rows[self.board]}, self.most)
        return Bar(self.what, verdict.told, verdict.met, verdict.figures)


def bench_bars(rows: Rows, boards: Sequence[str], lacking: str | None = None) -> list[Bar]:
    """Return the bars whose figures `blsh bench-firmware` measures.

    boards: all virtual boards. lacking: why there are no rows.
    """
    return [budget.bar(rows, boards, lacking) for budget in _BUDGETS]


def _only(rows: Rows) -> Row:
    (row,) = rows.values()
    return row


def _transforms(rows: Rows, most: float) -> _Verdict:
    counts = {name: of["maximum"] for name, of in _only(rows)["instructions"]["transforms"].items()}
    told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return _Verdict(told, max(counts.values()) <= most, counts)


def _search(rows: Rows, most: float) -> _Verdict:
    row = _only(rows)
    mean = row["instructions"]["search_per_entry"]
    worst = row["instructions"]["stages"]["neighbours"]["maximum"] / row["entries"]
    told = f"{mean:.2f}; {worst:.2f} at most; {row['entries']:,} entries"
    return _Verdict(told, mean <= most and row["entries"] == BUDGET_ENTRIES, {"mean": mean, "most": worst})


def _whole(rows: Rows, most: float) -> _Verdict:
    row = _only(rows)
    of = row["instructions"]
    told = f"{of['mean']:,}; {of['maximum']:,} at most; {of['millions_per_second']:.2f} million a second"
    met = of["mean"] <= most and row["entries"] == BUDGET_ENTRIES
    return _Verdict(told, met, {"mean": of["mean"], "most": of["maximum"]})


def _shares(rows: Rows, most: float) -> _Verdict:
    shares = {
        (board, stage): row["instructions"]["stages"][stage]["mean"] / row["instructions"]["mean"]
        for board, row in rows.items()
        for stage in STAGES
        if stage not in _EXEMPT
    }
    (board, stage), largest = max(shares.items(), key=lambda item: item[1])
    told = f"at most {100 * largest:.1f} %: {stage} on {board}"
    return _Verdict(told, largest <= most, {"share": round(largest, 4), "board": board, "stage": stage})


def _ram(rows: Rows, most: float) -> _Verdict:
    image = {board: row["ram"]["state"] + row["ram"]["stack_computed"] for board, row in rows.items()}
    own = {board: row["ram"]["state"] + row["ram"]["stack_of_a_hop"] + 2 * row["hop"] for board, row in rows.items()}
    board = max(image, key=lambda name: image[name])
    server = f"the server has {rows[board]['ram']['application']:,} more, its ring included"
    told = f"{image[board]:,} on {board} ({server}); in one's own firmware at most {max(own.values()):,}"
    return _Verdict(told, max(*image.values(), *own.values()) <= most, {"image": image, "own_firmware": own})


def _runs(rows: Rows, most: float) -> _Verdict:
    row = _only(rows)
    taken = row["ram"]["state"] + row["ram"]["application"] + row["ram"]["stack_computed"]
    told = f"{taken:,} bytes in all with {row['entries']:,} entries; {row['instructions']['hops']} hops counted there"
    return _Verdict(told, taken <= most, {"bytes": taken})


def _code(rows: Rows, most: float) -> _Verdict:
    flash = _only(rows)["flash"]
    told = f"{flash['code']:,} with server and drivers; the core's functions {flash['core_code']:,}"
    return _Verdict(told, flash["code"] <= most, flash)


def _stack(rows: Rows, beyond: float) -> _Verdict:
    pairs = {board: (row["ram"]["stack_painted"], row["ram"]["stack_computed"]) for board, row in rows.items()}
    told = "; ".join(f"{board} {painted:,} of {computed:,}" for board, (painted, computed) in pairs.items())
    met = all(painted - computed <= beyond for painted, computed in pairs.values())
    return _Verdict(told, met, {"bytes": pairs})


_BUDGETS = (
    *(
        _Budget(f"FFT, forward and inverse: at most {most:,} instructions on {board}", board, _transforms, most)
        for board, most in _FFT_BUDGET.items()
    ),
    *(
        _Budget(f"search: at most {most:g} instructions per entry on {board}", board, _search, most)
        for board, most in _SEARCH_BUDGET.items()
    ),
    _Budget(
        f"no stage but the transforms and the search above {100 * _SHARE:g} % of a hop, on any board",
        None,
        _shares,
        _SHARE,
    ),
    *(
        _Budget(f"whole hop: at most {most:,} instructions on {board}", board, _whole, most)
        for board, most in _HOP_BUDGET.items()
    ),
    _Budget(f"RAM: state, stack and buffers at most {_RAM_BYTES:,} bytes, on every board", None, _ram, _RAM_BYTES),
    _Budget(f"it runs on {SMALLEST}, with 16 KiB of RAM", SMALLEST, _runs, _SMALLEST_BYTES),
    _Budget(f"code: at most {_CODE_BYTES:,} bytes on {M4}", M4, _code, _CODE_BYTES),
    _Budget("stack: what was painted over is at most what was computed, on every board", None, _stack, 0),
)
