# SPDX-License-Identifier: Apache-2.0
"""Say on a model's card what it was learned from, and by what."""

from collections.abc import Sequence
from importlib import metadata
from typing import Any

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.credits import corpus_credits
from blsh_trainer.model.card import CORPORA, Card


def provenance(corpus: Corpus, frames: Any, options: Card, libraries: Sequence[str]) -> Card:
    """Return the card of a model before its scores; nothing in it depends on the clock or on paths of this machine.

    frames: how many it was learned from, as JSON values. options: all of them, with the seed. libraries: the
    distributions whose versions count.
    """
    return {
        "corpus": {"name": corpus.name, "sha256": corpus.sha256, **_left_out(corpus)},
        CORPORA: corpus_credits(corpus),
        "frames": frames,
        "metrics": {},
        "options": options,
        "seed": options["seed"],
        "versions": {name: _version(name) for name in ("blsh-mcu", *libraries)},
    }


def _left_out(corpus: Corpus) -> Card:
    return {"without": list(corpus.left_out)} if corpus.left_out else {}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
