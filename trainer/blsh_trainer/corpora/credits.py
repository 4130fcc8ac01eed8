# SPDX-License-Identifier: Apache-2.0
"""The rights in a corpus's recordings, as its manifest states them: what a model's card says of them."""

from typing import Any

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.corpus_entry import Credit
from blsh_trainer.signals.audio import probe_audio


def corpus_credits(corpus: Corpus) -> list[dict[str, Any]]:
    """Return the credits of each corpus that `corpus` was merged from, or of itself, as JSON values.

    Each has "name", "sha256" (Corpus.sha256 of that corpus alone), and of its `train` split "files", "minutes" and
    "credits": a row for each licence, source and author, with "licence" (None: not stated), "files" and "minutes", and
    "licence_class", "source" and "author" where the manifest states them. A recorded pair counts as two files. Where
    cells of the licence column are empty, "unlicensed" has their number in all splits and the "first" path.
    BlshError for a recording that cannot be read.
    """
    return [
        {"name": part.name, "sha256": part.sha256, **_rights(member), **unlicensed(member)}
        for part, member in zip(corpus.parts or (corpus,), corpus.members, strict=True)
    ]


def unlicensed(corpus: Corpus) -> dict[str, Any]:
    """Return {"unlicensed": ...} as in corpus_credits, of a corpus that was not merged; {} without empty cells."""
    empty = [entry.path for _, entry in corpus.files() if entry.credit.licence == ""]
    return {"unlicensed": {"files": len(empty), "first": empty[0]}} if empty else {}


def _rights(corpus: Corpus) -> dict[str, Any]:
    amounts: dict[Credit, list[float]] = {}  # files, seconds
    for path, entry in corpus.files():
        if entry.split == "train":
            shape, amount = probe_audio(path), amounts.setdefault(entry.credit, [0, 0.0])
            amount[0] += 1
            amount[1] += shape.frames / shape.rate_hz
    return {
        "files": sum(int(files) for files, _ in amounts.values()),
        "minutes": _minutes(sum(seconds for _, seconds in amounts.values())),
        "credits": [_row(credit, *amounts[credit]) for credit in sorted(amounts, key=_order)],
    }


def _order(credit: Credit) -> tuple[str, ...]:
    return credit.licence or "", credit.licence_class, credit.source, credit.author


def _row(credit: Credit, files: float, seconds: float) -> dict[str, Any]:
    stated = {"licence_class": credit.licence_class, "source": credit.source, "author": credit.author}
    return {
        "licence": credit.licence,
        **{name: text for name, text in stated.items() if text},
        "files": int(files),
        "minutes": _minutes(seconds),
    }


def _minutes(seconds: float) -> float:
    return round(seconds / 60, 2)
