# SPDX-License-Identifier: Apache-2.0
"""Keep what the models of the box cost, so that a list of them takes no estimate.

A model's costs follow from the model, the measured costs of the firmware and the code of the estimate. The file names
the first two by their SHA-256; a test computes every model's costs anew and so holds the third.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from blsh_codegen.cost.costs_file import costs_digest
from blsh_tools.options.arguments import DEFAULT_BOARD
from blsh_tools.options.model import PlanOptions
from blsh_trainer.errors import BlshError
from blsh_trainer.files import write_text_if_changed
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.boxed_models import BOX
from blsh_trainer.progress import Progress

BOX_COSTS: Final = BOX / "costs.json"
"""Under "models", the costs of each model of the box by its name, as `blsh models --renew` writes them."""
RENEW: Final = "renew it with: blsh models --renew"


@dataclass(frozen=True)
class ModelCosts:
    """The estimated needs of a model on DEFAULT_BOARD, as `blsh estimate` tells them.

    flash_bytes, ram_bytes: of the whole firmware. millions_per_second: instructions, in the mean, two decimals.
    """

    flash_bytes: int
    ram_bytes: int
    millions_per_second: float


def box_costs(files: Mapping[str, Path], file: Path, progress: Progress | None = None) -> dict[str, ModelCosts]:
    """Return the costs of the artifacts `files`, by their names: as `file` has them, else by an estimate.

    BlshError for an artifact that cannot be read, and for a `file` that is not one of costs.
    """
    known = _known(file)
    found = {name: known.get(load_model(path).sha256) for name, path in files.items()}
    estimated = estimated_costs({name: files[name] for name, costs in found.items() if costs is None}, progress)
    return {name: costs or estimated[name] for name, costs in found.items()}


def renew_box_costs(files: Mapping[str, Path], file: Path, progress: Progress | None = None) -> dict[str, ModelCosts]:
    """Estimate the costs of the artifacts `files`, by their names, write them to `file`, and return them."""
    found = estimated_costs(files, progress)
    models = {name: {**asdict(costs), "model_sha256": load_model(files[name]).sha256} for name, costs in found.items()}
    write_text_if_changed(file, json.dumps({**_basis(), "models": models}, indent=1, sort_keys=True) + "\n")
    return found


def estimated_costs(files: Mapping[str, Path], progress: Progress | None = None) -> dict[str, ModelCosts]:
    """Return the costs of the artifacts `files`, by their names, by an estimate of some tenths of a second each."""
    found = {}
    if progress is not None and files:
        progress("estimating", 0, len(files))
    for done, (name, path) in enumerate(files.items(), 1):
        found[name] = _estimated(path)
        if progress is not None:
            progress("estimating", done, len(files))
    return found


def _estimated(path: Path) -> ModelCosts:
    from blsh_tools.bench.estimate_model import estimate_model  # a second, which the file is there to save

    needs = estimate_model(path, PlanOptions(board=DEFAULT_BOARD)).plan.estimate
    return ModelCosts(needs.flash_bytes, needs.ram_bytes, round(needs.millions_per_second, 2))


def _basis() -> dict[str, Any]:
    """Return what the costs of all models in a file rest on."""
    return {"board": DEFAULT_BOARD, "costs_sha256": costs_digest()}


def _known(file: Path) -> dict[str, ModelCosts]:
    """Return the costs in `file` by the SHA-256 of their models; none where it is missing or rests on other costs."""
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        basis = _basis()
        if {name: found[name] for name in basis} != basis:
            return {}
        rows = [dict(row) for row in found["models"].values()]
        return {str(row.pop("model_sha256")): ModelCosts(**row) for row in rows}
    except OSError as error:
        raise BlshError(f"cannot read {file}: {error.strerror or error}; {RENEW}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BlshError(f"{file} is no file of costs; {RENEW}") from error
