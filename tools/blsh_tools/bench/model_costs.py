# SPDX-License-Identifier: Apache-2.0
"""The costs of a model on a Cortex-M0, M4 and M55: measured where a benchmark has its shape, else estimated."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from blsh_codegen.cost.estimate import estimate
from blsh_codegen.cost.measured_costs import load_costs
from blsh_codegen.emit.generate import GenerateOptions, integer_model, reduced_model
from blsh_firmware.build.project_files import firmware_digest
from blsh_firmware.measure.bench_images import M0_ROW
from blsh_firmware.measure.bench_inputs import describe_model, noisy_speech
from blsh_hil.boards.table import find_board
from blsh_tools.bench.frontier_costs import BOARDS
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.model.artifact import AnyModel

MEASURED, ESTIMATED = "measured", "estimated"
BENCH: Final = "bench-firmware.json"
_ROWS = {core: (M0_ROW, board) if core == "M0" else (board,) for core, board in BOARDS.items()}
_MEMORY_OF = "M4"
_HOPS = 96
_IDENTITY = ("name", "sha256")


@dataclass(frozen=True)
class ModelCosts:
    """The costs of a model.

    millions: million instructions a second, mean over speech in noise, on "M0", "M4" and "M55". flash_bytes: tables,
    code and serial server on M4. ram_bytes: state, stack and one hop of samples, on M4. source: MEASURED or ESTIMATED.
    """

    millions: dict[str, float]
    flash_bytes: int
    ram_bytes: int
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return asdict(self)


def model_costs(model: AnyModel, options: GenerateOptions, corpus: Corpus, results: Path) -> ModelCosts:
    """Return the costs of `model` reduced as `options` say.

    They are read from bench-firmware.json in the folder `results` where it was measured with these sources and has a
    model of the same shape; else they are estimated for noisy speech of the corpus's test split.
    """
    measured = _measured(reduced_model(model, options), results / BENCH)
    return _estimated(model, options, corpus) if measured is None else measured


def _measured(model: AnyModel, file: Path) -> ModelCosts | None:
    try:
        bench = json.loads(file.read_text(encoding="utf-8"))
        if bench["firmware_sha256"] != firmware_digest():
            return None
        for case, like in bench["models"].items():
            rows = {row["board"]: row for row in bench["rows"] if row["case"] == case}
            found = {core: _fitting(rows, boards, like, model) for core, boards in _ROWS.items()}
            if all(found.values()):
                return _of_rows({core: row for core, row in found.items() if row is not None})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # no benchmark, or one that an older version wrote
    return None


def _fitting(
    rows: Mapping[str, Mapping[str, Any]], boards: tuple[str, ...], like: Mapping[str, Any], model: AnyModel
) -> Mapping[str, Any] | None:
    """Return the row of one of `boards` that was measured with a model of the shape of `model`, or None."""
    shape = {name: value for name, value in describe_model(model).items() if name not in _IDENTITY}
    for row in (rows[board] for board in boards if board in rows):
        of = {**{name: value for name, value in like.items() if name not in _IDENTITY}, "entries": row["entries"]}
        if of == shape:
            return row
    return None


def _of_rows(rows: Mapping[str, Mapping[str, Any]]) -> ModelCosts:
    memory = rows[_MEMORY_OF]
    return ModelCosts(
        {core: float(row["instructions"]["millions_per_second"]) for core, row in rows.items()},
        memory["flash"]["code"] + memory["flash"]["tables"],
        memory["ram"]["state"] + memory["ram"]["stack_computed"] + 2 * memory["hop"],
        MEASURED,
    )


def _estimated(model: AnyModel, options: GenerateOptions, corpus: Corpus) -> ModelCosts:
    integers, costs, samples = integer_model(model, options), load_costs(), noisy_speech(corpus, _HOPS, model.geometry)
    found = {
        core: estimate(integers, costs.core(find_board(board).core), costs.board(board), samples)
        for core, board in BOARDS.items()
    }
    memory = found[_MEMORY_OF]
    return ModelCosts(
        {core: round(each.millions_per_second, 3) for core, each in found.items()},
        memory.flash_bytes,
        memory.state_bytes + memory.stack_bytes + 2 * model.geometry.hop,
        ESTIMATED,
    )
