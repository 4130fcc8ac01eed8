# SPDX-License-Identifier: Apache-2.0
"""`blsh card`: what a model is, what it was learned from, and to whom attribution is owed."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blsh_tools.console import say, show
from blsh_tools.options.arguments import DEFAULT_MODEL, AsJson, ModelFile
from blsh_tools.options.model import dictionary_size

if TYPE_CHECKING:  # the command imports its modules when it runs, so that `blsh --help` is quick
    from blsh_trainer.model.artifact import AnyModel


def card(
    model: ModelFile = DEFAULT_MODEL,
    attribution: Annotated[
        bool, typer.Option("--attribution", help="Print the licences, sources and authors of the recordings as a text.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a model's card: what it is, and the corpora, licences and authors of the recordings it was learned from.

    --attribution prints a text to pass on with the model, or with firmware that holds it: licences such as CC BY ask
    for it. `blsh export` and `blsh generate` write the same text beside the model.
    """
    from blsh_trainer.model.artifact import load_model
    from blsh_trainer.model.attribution import attribution_text, licence_rows, licence_warnings
    from blsh_trainer.model.card import CORPORA

    artifact = load_model(model)
    if attribution and not as_json:
        sys.stdout.write(attribution_text(artifact))
        return
    show(_result(artifact), as_json, _rows(artifact), "Model")
    _show_scores(artifact, as_json)
    listed = licence_rows(artifact.card)
    if listed and not as_json:
        show(None, False, listed, "Recordings of the train split", ["corpus", "licence", "sources", "files", "minutes"])
    for warning in licence_warnings(artifact.card.get(CORPORA, [])):
        say(warning)


def _result(model: "AnyModel") -> dict[str, Any]:
    from blsh_trainer.learning.joint.training_command import training_command

    return {
        "name": model.name,
        "model_sha256": model.sha256,
        "feature_kind": model.feature_kind,
        "mask_kind": model.mask_kind,
        "bits": model.bits,
        "dictionaries": model.dictionaries,
        "dictionary_entries": model.entries,
        "neighbours": model.neighbours,
        "card": model.card,
        "trained_by": training_command(model),
        "scores": boxed_rows(model),
    }


def _show_scores(model: "AnyModel", as_json: bool) -> None:
    """Show what the model in the box scores on the test split: the mean gain of each figure, with its interval."""
    from blsh_trainer.evaluation.metrics import METRICS
    from blsh_trainer.evaluation.score_sheet import boxed_scores

    sheet = boxed_scores(model)
    if sheet is None or as_json:
        return
    rows = []
    for metric in sheet.metrics:
        gains = [sheet.gains.get((snr_db, metric)) for snr_db in sheet.snrs_db]
        shown = METRICS[metric].shown
        rows.append([shown.name, *("-" if each is None else each.told(shown) for each in gains)])
    title = f"Gain over the mixture, {sheet.mixture_count} mixtures of the test split, with its 95 % interval"
    show(None, False, rows, title, ["", *(f"{snr_db:g} dB" for snr_db in sheet.snrs_db)])


def _rows(model: "AnyModel") -> list[tuple[str, str]]:
    from blsh_trainer.learning.joint.training_command import training_command
    from blsh_trainer.model.tuning import tuned_text

    corpus, valid = model.card.get("corpus", {}), model.card.get("metrics", {}).get("valid", {})
    rows = [
        ("name", model.name),
        ("sha256", model.sha256),
        ("code", f"{model.bits} bits of {model.feature_kind} features"),
        ("dictionary", _dictionary(model)),
    ]
    if corpus:
        rows.append(("learned from", f"{corpus['name']}, SHA-256 {corpus['sha256'][:16]}"))
    if valid:
        rows.append(("on valid", f"SI-SDR {valid['mean_improvement_db']:+.2f} dB at {valid['snr_db']:g} dB"))
    command, tuning = training_command(model), tuned_text(model)
    rows += [] if command is None else [("trained by", command)]
    return rows if tuning is None else [*rows, ("then tuned", tuning)]


def _dictionary(model: "AnyModel") -> str:
    what = "votes" if model.mask_kind == "votes" else f"{model.mask_kind} masks"
    return f"{dictionary_size(model)}, {what}, {model.neighbours} neighbours"
