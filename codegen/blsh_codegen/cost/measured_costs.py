"""Measured costs: what each step of a hop costs on a core, and what the firmware takes on a board beside its model.

They stand in `costs.json`, written by `blsh estimate --calibrate` from firmware that was built and run, and read for
every estimate. A test builds the firmware again and fails where the table no longer tells its size.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from blsh_codegen.cost.stage_work import MANY_NEIGHBOURS, Work
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_trainer.errors import BlshError
from blsh_trainer.files import replacing

COSTS_FILE = Path(__file__).with_name("costs.json")


@dataclass(frozen=True)
class CoreCosts:
    """Instructions on a core, for each stage and each term of its work. lanes: words it works on at once."""

    lanes: int
    instructions: Mapping[str, Mapping[str, float]]

    def of(self, stage: str, work: Work) -> npt.NDArray[np.float64]:
        """Instructions (T,) of a stage in each hop. BlshError for a term that was never measured."""
        known = self.instructions.get(stage, {})
        missing = [term for term in work.terms if term not in known]
        if missing:
            raise BlshError(f"{COSTS_FILE.name} has no cost of {missing[0]!r} in the stage {stage}; {RENEW}")
        costs: npt.NDArray[np.float64] = work.counts @ np.array([known[term] for term in work.terms])
        return costs


@dataclass(frozen=True)
class BoardSizes:
    """Bytes that the firmware takes on a board beside the model.

    flash_bytes: code and the tables that all models share; flash_bytes_many: with MANY_NEIGHBOURS or more, whose votes
    are counted by more code. ram_bytes: variables but the state of the stream. stack_bytes: the most that was in use.
    """

    flash_bytes: int
    flash_bytes_many: int
    ram_bytes: int
    stack_bytes: int

    def code_bytes(self, neighbours: int) -> int:
        """Flash beside the model's tables, with K of `neighbours`."""
        return self.flash_bytes if neighbours < MANY_NEIGHBOURS else self.flash_bytes_many


@dataclass(frozen=True)
class Costs:
    """The contents of costs.json."""

    compiler: str
    cores: dict[str, CoreCosts]
    boards: dict[str, BoardSizes]

    def core(self, name: str) -> CoreCosts:
        """The costs on that core. BlshError where it was not measured."""
        if name not in self.cores:
            raise BlshError(f"core {name} was not measured, only {', '.join(sorted(self.cores))}; {RENEW}")
        return self.cores[name]

    def board(self, name: str) -> BoardSizes:
        """The sizes on that board. BlshError where it was not measured."""
        if name not in self.boards:
            raise BlshError(f"board {name} was not measured, only {', '.join(sorted(self.boards))}; {RENEW}")
        return self.boards[name]

    def to_json(self) -> str:
        """Canonical text: the same costs, the same bytes."""
        return json.dumps({"runtime_format": RUNTIME_FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


RENEW = "measure with: blsh estimate --calibrate"


@cache
def load_costs(path: Path = COSTS_FILE) -> Costs:
    """The measured costs. BlshError for a file that is missing, damaged, or of another runtime format."""
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
    """Write the table, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(costs.to_json(), encoding="utf-8", newline="\n")
    load_costs.cache_clear()
