# SPDX-License-Identifier: Apache-2.0
"""What a model's card says of the recordings that it was learned from, in words: licences, sources and authors."""

from typing import Any

from blsh_trainer.model.artifact import AnyModel
from blsh_trainer.model.card import CORPORA, Card

ATTRIBUTION_FILE = "ATTRIBUTION.txt"
"""The name of the file that holds `attribution_text` beside a model in C."""
NOT_STATED = "licence not stated"
NO_LICENCE = "no licence (its cell in the manifest is empty)"


def attribution_text(model: AnyModel) -> str:
    """Return a text to hand on with a model: each licence of its training recordings, with sources and authors."""
    head = f"Recordings that the model {model.name} was learned from\nmodel SHA-256 {model.sha256}\n\n"
    return head + credits_text(model)


def credits_text(model: AnyModel) -> str:
    """Return the part of `attribution_text` that models of the same recordings share."""
    lines = [
        "Licences, sources and authors as the manifests of the corpora state them. Whoever passes the model on",
        "names the authors where their licence asks for it, as CC BY does.",
    ]
    corpora = model.card.get(CORPORA)
    if corpora is None:
        lines += [
            "",
            "The model's card does not list its recordings: earlier versions of blsh did not. Train it again.",
        ]
    for corpus in corpora or []:
        lines += ["", f"Corpus {corpus['name']}, SHA-256 {corpus['sha256']}", _amount(corpus)]
        for licence, rows in _by_licence(corpus).items():
            lines += ["", f"  {licence}", *(f"    {_origin(row)}: {_amount(row)}" for row in rows)]
    return "\n".join([*lines, *(["", *warned] if (warned := licence_warnings(corpora or [])) else [])]) + "\n"


def licence_rows(card: Card) -> list[list[str]]:
    """Return a row for each corpus and licence of a card: corpus, licence, sources, files and minutes."""
    rows = []
    for corpus in card.get(CORPORA, []):
        for licence, found in _by_licence(corpus).items():
            sources = {(row.get("source"), row.get("author")) for row in found}
            files, minutes = sum(row["files"] for row in found), sum(row["minutes"] for row in found)
            rows.append([corpus["name"], licence, f"{len(sources):,}", f"{files:,}", f"{minutes:.1f}"])
    return rows


def licence_warnings(corpora: list[dict[str, Any]]) -> list[str]:
    """Return a sentence for each corpus whose manifest leaves licences empty. corpora: as corpus_credits returns."""
    return [
        f"Warning: {counted(empty['files'])} of corpus {corpus['name']} with an empty licence column, the first "
        f"{empty['first']}; fill it in, or find out whether the recordings may be used."
        for corpus in corpora
        if (empty := corpus.get("unlicensed"))
    ]


def counted(recordings: int) -> str:
    """Return a number of recordings in words."""
    return f"{recordings:,} recording{'' if recordings == 1 else 's'}"


def _by_licence(corpus: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in corpus["credits"]:
        licence = NOT_STATED if row["licence"] is None else row["licence"] or NO_LICENCE
        found.setdefault(licence, []).append(row)
    return found


def _origin(row: dict[str, Any]) -> str:
    return ", ".join(row[name] for name in ("source", "author") if name in row) or "source not stated"


def _amount(row: dict[str, Any]) -> str:
    return f"{counted(row['files'])}, {row['minutes']:g} minutes"
