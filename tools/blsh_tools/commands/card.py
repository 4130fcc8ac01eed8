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
    result = _result(artifact)
    show(result, as_json, _rows(artifact), "Model")
    scores = result["scores"]
    if scores and not as_json:
        snrs_db = list(dict.fromkeys(each["snr_db"] for each in scores))
        title = f"Gain over the mixture, {scores[0]['mixtures']} mixtures of the test split, with its 95 % interval"
        show(
            None,
            False,
            _score_rows(scores, snrs_db, artifact.geometry.rate_hz),
            title,
            ["", *(f"{snr_db:g} dB" for snr_db in snrs_db)],
        )
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
        "scores": _scores(model),
    }


def _scores(model: "AnyModel") -> list[dict[str, Any]]:
    """Return what the model in the box gains on mixtures of the test split, by figure and SNR; nothing for others."""
    from blsh_trainer.evaluation.score_sheet import boxed_scores

    sheet = boxed_scores(model)
    if sheet is None:
        return []
    return [
        {"metric": metric, "snr_db": snr_db, "mixtures": gain.n, "gain": gain.mean, "low": gain.low, "high": gain.high}
        for (snr_db, metric), gain in sheet.gains.items()
    ]


def _score_rows(scores: list[dict[str, Any]], snrs_db: list[float], rate_hz: int) -> list[list[str]]:
    from blsh_trainer.evaluation.metrics import METRICS

    rows = []
    for metric in dict.fromkeys(each["metric"] for each in scores):
        shown = METRICS[metric].shown_at(rate_hz)
        of = {s["snr_db"]: shown.estimate(s["gain"], s["low"], s["high"], "+") for s in scores if s["metric"] == metric}
        rows.append([shown.title, *(of.get(snr_db, "-") for snr_db in snrs_db)])
    return rows


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
