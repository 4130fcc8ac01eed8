# SPDX-License-Identifier: Apache-2.0
"""The corpus of commands that make a synthetic one where no recordings are given."""

from pathlib import Path
from typing import TYPE_CHECKING

from blsh_tools.console import say

if TYPE_CHECKING:  # the commands import their modules when they run, so that `blsh --help` is quick
    from blsh_trainer.corpora.corpus import Corpus
    from blsh_trainer.progress import Progress

SYNTHETIC = Path("out/synthetic-corpus")


def corpus_or_synthetic(folder: Path | None, seed: int, progress: "Progress") -> "Corpus":
    """Return the corpus in `folder`; for None, make a synthetic one, with `seed`, and say so on stderr."""
    from blsh_trainer.corpora.corpus import load_corpus
    from blsh_trainer.corpora.synthetic_corpus import make_corpus

    if folder is not None:
        return load_corpus(folder)
    say("No recordings given: a SYNTHETIC corpus is made (espeak-ng voices, synthesised noises).")
    say("For real recordings, give --corpus DIR, a folder as docs/tutorial.md describes.")
    return make_corpus(SYNTHETIC, seed, progress)
