# SPDX-License-Identifier: Apache-2.0
"""Read the scores of a model from JSON: of a file of `blsh evaluate -o`, or of the box of models."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.evaluate import MIXTURE
from blsh_trainer.evaluation.metrics import METRICS
from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.boxed_models import BOX

MODEL: Final = "model"
"""The name of the scored model among the systems of an evaluation."""
SCORES: Final = BOX / "scores.json"
"""Under "models", the scores of each model of the box by its name, as `blsh bench-box` writes them."""


@dataclass(frozen=True)
class Level:
    """The mean of a figure over `n` mixtures, and its 95 % interval from `low` to `high`."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class ScoreSheet:
    """The scores of one model.

    model_sha256, engine: what was scored. mixtures: their recipe, JSON values. snrs_db, metrics: in the order of the
    file. levels: by system (MODEL or MIXTURE), SNR and metric. gains: the model less the unprocessed mixture, mixture
    by mixture, by SNR and metric. differences: the model less a peer, mixture by mixture, by peer, SNR and metric;
    empty without peers. entries, bits: of the dictionary that was scored.
    """

    model_sha256: str
    engine: str
    mixtures: dict[str, Any]
    snrs_db: tuple[float, ...]
    metrics: tuple[str, ...]
    levels: dict[tuple[str, float, str], Level]
    differences: dict[tuple[str, float, str], Level]
    gains: dict[tuple[float, str], Level]
    entries: int
    bits: int

    @property
    def peers(self) -> tuple[str, ...]:
        """The names of the peers, in the order of the file."""
        return tuple(dict.fromkeys(peer for peer, _, _ in self.differences))

    @property
    def mixture_count(self) -> int:
        """The number of mixtures at each SNR."""
        return int(self.mixtures["mixtures"])


def sheet_of(found: Mapping[str, Any]) -> ScoreSheet:
    """Return the scores that `blsh evaluate --json` prints.

    A figure that is undefined on every mixture is left out. KeyError, TypeError or ValueError for other values.
    """
    levels = {
        (row["system"], float(row["snr_db"]), row["metric"]): _level(row, row["mean"])
        for row in found["summary"]
        if row["mean"] is not None and row["system"] in (MODEL, MIXTURE)
    }
    compared = found.get("peers", [])
    keys = [(row["peer"], float(row["snr_db"]), row["metric"]) for row in compared]
    sheet = ScoreSheet(
        str(found["model_sha256"]),
        str(found["engine"]),
        dict(found["mixtures"]),
        tuple(float(snr_db) for snr_db in found["mixtures"]["snrs_db"]),
        tuple(metric for metric in found["metrics"] if metric in METRICS),
        levels,
        {key: _level(row, row["difference"]) for key, row in zip(keys, compared, strict=True)},
        {
            (float(row["snr_db"]), row["metric"]): _level(row, row["improvement"], "improvement_")
            for row in found["summary"]
            if row["mean"] is not None and row["system"] == MODEL
        },
        int(found["dictionary_entries"]),
        int(found["bits"]),
    )
    if not any(system == MODEL for system, _, _ in sheet.levels) or sheet.mixture_count < 1:
        raise ValueError("no scores of a model")
    return sheet


def read_scores(file: Path, model: AnyModel) -> ScoreSheet:
    """Return the scores in a file of `blsh evaluate -o`. BlshError for another file, or scores of another model."""
    make = f"make it with: blsh evaluate MODEL CORPUS -o {file}"
    try:
        sheet = sheet_of(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise BlshError(f"cannot read {file}: {error.strerror or error}; {make}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BlshError(f"{file} is no file of scores; {make}") from error
    if sheet.model_sha256 != model.sha256:
        raise BlshError(
            f"{file} has scores of the model with SHA-256 {sheet.model_sha256[:16]}, this one has "
            f"{model.sha256[:16]}; {make}"
        )
    return sheet


def boxed_scores(model: AnyModel, file: Path = SCORES) -> ScoreSheet | None:
    """Return the scores that the box has of `model`, which is found by its SHA-256; None where it has none."""
    if not file.is_file():
        return None
    try:
        models = json.loads(file.read_text(encoding="utf-8"))["models"].values()
        return next((sheet_of(each) for each in models if each["model_sha256"] == model.sha256), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BlshError(f"{file} is no file of scores; renew it with: blsh bench-box CORPUS -o {file}") from error


def _level(row: Mapping[str, Any], mean: float, prefix: str = "") -> Level:
    return Level(float(mean), float(row[f"{prefix}low"]), float(row[f"{prefix}high"]), int(row["n"]))
