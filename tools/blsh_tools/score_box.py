# SPDX-License-Identifier: Apache-2.0
"""Score the models of the box on the mixtures of the peers, and keep the scores in one file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from blsh_codegen.emit.generate import GenerateOptions
from blsh_codegen.spec.constants import RUNTIME_FORMAT
from blsh_tools.evaluate_model import EvaluateOptions, ReducedModel, evaluate_model
from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.peer_scores import load_recipes
from blsh_trainer.files import write_text_if_changed
from blsh_trainer.model.artifact import load_model
from blsh_trainer.model.boxed_models import boxed_models
from blsh_trainer.progress import Progress, named

ENGINE: Final = "fixed"
_DIGITS = 4
_SHOWN = ("mixtures", "metrics", "seed", "summary", "peers")


def score_box(
    models: Mapping[str, Path],
    corpus: Corpus,
    file: Path,
    options: EvaluateOptions,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score `models`, files by name, as `options` say, and return what `file` holds then.

    `file` is written after each model. A model that it has scores of, with the same SHA-256, arithmetic, metrics and
    number of mixtures, is not scored again. Other models of the box keep their scores; names that the box does not have
    go. BlshError as of evaluate_model, and for a file that is not one of scores.
    """
    kept = {name: scores for name, scores in _read(file).items() if name in boxed_models()}
    for name, path in models.items():
        artifact = load_model(path)
        reduced = ReducedModel(artifact, GenerateOptions(entries=artifact.entries), options.engine)
        identity = {**reduced.told, "runtime_format": RUNTIME_FORMAT}
        if not _still_holds(kept.get(name), identity, options):
            scores = evaluate_model(reduced, corpus, options, named(progress, name)).to_dict()
            kept[name] = _rounded({**identity, **{key: scores[key] for key in _SHOWN if key in scores}})
            _write(file, kept)
    return {"models": {name: kept[name] for name in models}}


def _still_holds(old: Any, identity: Mapping[str, Any], options: EvaluateOptions) -> bool:
    if not isinstance(old, dict) or any(old.get(key) != value for key, value in identity.items()):
        return False
    count = len(load_recipes()) if options.count is None else options.count
    wanted = (count, list(options.snrs_db), list(options.of_mixtures), options.seed)
    had = old.get("mixtures", {})
    return (had.get("mixtures"), had.get("snrs_db"), old.get("metrics"), old.get("seed")) == wanted


def _rounded(value: Any) -> Any:
    """Return JSON values with floats of _DIGITS decimals: far finer than any interval, and shorter."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, _DIGITS) if isinstance(value, float) else value


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    try:
        models = json.loads(file.read_text(encoding="utf-8"))["models"]
    except OSError as error:
        raise BlshError(f"cannot read {file}: {error.strerror or error}; choose another file") from error
    except (ValueError, KeyError, TypeError):
        models = None
    if not isinstance(models, dict):
        raise BlshError(f"{file} is no file of `blsh bench-box`; choose another, or remove it")
    return models


def _write(file: Path, models: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text_if_changed(file, json.dumps({"models": models}, indent=1, sort_keys=True) + "\n")
