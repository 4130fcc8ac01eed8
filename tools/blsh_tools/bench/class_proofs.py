# SPDX-License-Identifier: Apache-2.0
"""Judge by the suite's reports whether every board computed what the reference says, in each class of products."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from blsh_codegen.spec.stages import STAGES
from blsh_hil.boards.host import HOST
from blsh_hil.prove.real_time import TOO_SLOW
from blsh_hil.report.board_report import BoardReport, load_reports
from blsh_tools.bench.demand import Demand, absent
from blsh_tools.bench.firmware_costs import virtual_boards
from blsh_trainer.errors import BlshError
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.signals.geometry import CLASSES

_ASKED: Final = "0"
_RUN: Final = "make hil-geometry"


def proof_bars(models: Mapping[str, AnyModel], folder: Path) -> list[Demand]:
    """Return the bar of each class: no value differs on the host and on every virtual board.

    models: of the classes. folder: holds a folder for each class, with the reports of `blsh hil --board all`.
    """
    return [
        _bar(name, models[name], folder / name) if name in models else _open(name, absent(name)) for name in CLASSES
    ]


def _bar(name: str, model: AnyModel, folder: Path) -> Demand:
    try:
        reports = load_reports(folder)
    except BlshError:
        return _open(name, f"not measured: no reports in {folder}; run: {_RUN}")
    others = [each.board for each in reports if not _is_of(each, model)]
    if others:
        return _open(name, f"not measured with this model on {', '.join(others)}; run: {_RUN}")
    hops, values, differing = (sum(getattr(r, what) for r in reports) for what in ("hops", "values", "mismatches"))
    boards = [each.board for each in reports]
    told = f"{differing:,} of {values:,} values, {hops:,} hops x {len(STAGES)} stages, on {', '.join(boards)}"
    faults = _faults(reports)
    told += _slow(reports)
    figures = {"differing": differing, "values": values, "hops": hops, "boards": boards}
    met = None if faults and not differing else not differing and bool(values)
    return Demand(_what(name), _ASKED, "", "; ".join([told, *faults]), met, None, figures)


def _faults(reports: Sequence[BoardReport]) -> list[str]:
    """Return in words which boards were not proven, and which runs of the suite did not pass."""
    missing = [board for board in (HOST, *virtual_boards()) if board not in {each.board for each in reports}]
    found = [f"not measured on {', '.join(missing)}; run: {_RUN}"] if missing else []
    return [*found, *(f"{each.board}: {each.verdict}" for each in reports if each.verdict != "passed")]


def _slow(reports: Sequence[BoardReport]) -> str:
    """Return in words which boards do not keep up with real time, as `blsh hil --any-speed` lets them."""
    slow = [each.board for each in reports if any(TOO_SLOW in test.text for test in each.tests)]
    return f"; {TOO_SLOW}: {', '.join(slow)}" if slow else ""


def _is_of(report: BoardReport, model: AnyModel) -> bool:
    """Return whether a board of the run said that it has `model`; a run that found no board has no other model."""
    hellos = [hello.get("model_sha256") for hello in report.hello.values()]
    return not hellos or model.sha256 in hellos


def _open(name: str, why: str) -> Demand:
    return Demand(_what(name), _ASKED, "", why, None)


def _what(name: str) -> str:
    return f"{name}: values that differ from the reference, on every board"
