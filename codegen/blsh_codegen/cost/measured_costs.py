# SPDX-License-Identifier: Apache-2.0
"""Read and write measured costs: those of each step on a core, and of the firmware without its model on a board.

`blsh estimate --calibrate` measures them on firmware that it builds and runs, and writes them to `costs.json`. Every
estimate reads them there. A test builds the firmware again and fails where its size is no longer the one in the file.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.costs_file import COSTS_FILE
from blsh_codegen.cost.stage_work import MANY_NEIGHBOURS, Work
from blsh_codegen.spec.constants import RUNTIME_FORMAT, ModelKind, overlap_scale
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing
from blsh_trainer.signals.geometry import LARGEST_HOP, RECORDER, Geometry


@dataclass(frozen=True)
class CoreCosts:
    """Costs on a core. lanes: words that it works on at once. instructions: of each term of the work of each stage."""

    lanes: int
    instructions: Mapping[str, Mapping[str, float]]

    def of(self, stage: str, work: Work) -> npt.NDArray[np.float64]:
        """Return the instructions of a stage in each hop, (T,). Raises BlshError for a term that was never measured."""
        known = self.instructions.get(stage, {})
        missing = [term for term in work.terms if term not in known]
        if missing:
            raise BlshError(f"{COSTS_FILE.name} has no cost of {missing[0]!r} in the stage {stage}; {RENEW}")
        costs: npt.NDArray[np.float64] = work.counts @ np.array([known[term] for term in work.terms])
        return costs


@dataclass(frozen=True)
class BoardSizes:
    """Bytes that the firmware takes on a board beside its model.

    flash_bytes: the code for models with masks, and the tables that all models share. flash_bytes_many: the same with
    MANY_NEIGHBOURS or more, which take more code to count. flash_bytes_small_votes, flash_bytes_large_votes: the same
    for the two kinds of voting models. All of them are of the geometry RECORDER; flash_bytes_apart: what each of
    geometry_terms adds in another one. ram_bytes: variables without the state of the stream, with hops of LARGEST_HOP;
    ram_bytes_a_sample: of them, for each sample of a hop. stack_bytes: the most that was in use.
    """

    flash_bytes: int
    flash_bytes_many: int
    flash_bytes_small_votes: int
    flash_bytes_large_votes: int
    ram_bytes: int
    stack_bytes: int
    flash_bytes_apart: Mapping[str, int]
    ram_bytes_a_sample: int

    def code_bytes(self, kind: ModelKind, neighbours: int, geometry: Geometry) -> int:
        """Return the bytes of flash beside the tables of a model of this kind with `neighbours` neighbours.

        Raises BlshError for a geometry whose code was never measured.
        """
        terms = geometry_terms(geometry)
        missing = [term for term in terms if term not in self.flash_bytes_apart]
        if missing:
            raise BlshError(f"{COSTS_FILE.name} has no code of {missing[0]!r}; {RENEW}")
        return self._code_bytes(kind, neighbours) + sum(self.flash_bytes_apart[term] for term in terms)

    def variable_bytes(self, geometry: Geometry) -> int:
        """Return the bytes of variables beside the state of a stream, with hops of this geometry."""
        return self.ram_bytes - self.ram_bytes_a_sample * (LARGEST_HOP - geometry.hop)

    def _code_bytes(self, kind: ModelKind, neighbours: int) -> int:
        if kind is ModelKind.SMALL_VOTES:
            return self.flash_bytes_small_votes
        if kind is ModelKind.LARGE_VOTES:
            return self.flash_bytes_large_votes
        return self.flash_bytes if neighbours < MANY_NEIGHBOURS else self.flash_bytes_many


def geometry_terms(geometry: Geometry) -> tuple[str, ...]:
    """Return in what the code for a geometry differs from that for RECORDER: a term for each difference."""
    window = f"frames of {geometry.window}"
    hop = f"hops of {geometry.hop}"
    sums = "no thirds"  # no third is taken of sums of overlap-add
    given = (geometry.window != RECORDER.window, geometry.hop != RECORDER.hop, not overlap_scale(geometry)[0])
    return tuple(term for term, differs in zip((window, hop, sums), given, strict=True) if differs)


@dataclass(frozen=True)
class Costs:
    """The contents of costs.json."""

    compiler: str
    cores: dict[str, CoreCosts]
    boards: dict[str, BoardSizes]

    def core(self, name: str) -> CoreCosts:
        """Return the costs on the core `name`. Raises BlshError where it was not measured."""
        if name not in self.cores:
            raise BlshError(f"core {name} was not measured, only {', '.join(sorted(self.cores))}; {RENEW}")
        return self.cores[name]

    def board(self, name: str) -> BoardSizes:
        """Return the sizes on the board `name`. Raises BlshError where it was not measured."""
        if name not in self.boards:
            raise BlshError(f"board {name} was not measured, only {', '.join(sorted(self.boards))}; {RENEW}")
        return self.boards[name]

    def to_json(self) -> str:
        """Return the text of costs.json: the same costs give the same bytes."""
        return json.dumps({"runtime_format": RUNTIME_FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


RENEW = "measure with: blsh estimate --calibrate"


@cache
def load_costs(path: Path = COSTS_FILE) -> Costs:
    """Return the measured costs. Raises BlshError for a file that is missing, damaged, or of another runtime format."""
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = fields.pop("runtime_format")
        costs = Costs(
            compiler=fields["compiler"],
            cores={name: CoreCosts(**row) for name, row in fields["cores"].items()},
            boards={name: BoardSizes(**row) for name, row in fields["boards"].items()},
        )
    except OSError as error:
        raise BlshError(f"cannot read {path}: {error.strerror or error}; {RENEW}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BlshError(f"{path} is not a table of costs ({error}); {RENEW}") from error
    if found != RUNTIME_FORMAT:
        raise BlshError(f"{path} is of runtime format {found}, this is {RUNTIME_FORMAT}; {RENEW}")
    return costs


def save_costs(costs: Costs, path: Path = COSTS_FILE) -> None:
    """Write `costs` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(costs.to_json(), encoding="utf-8", newline="\n")
    load_costs.cache_clear()
