# SPDX-License-Identifier: Apache-2.0
"""The corpora of commands: what is said about those given, and a synthetic one where no recordings are given."""

from pathlib import Path
from typing import TYPE_CHECKING

from blsh_tools.console import say

if TYPE_CHECKING:  # the commands import their modules when they run, so that `blsh --help` is quick
    from blsh_trainer.corpora.corpus import Corpus
    from blsh_trainer.progress import Progress

SYNTHETIC = Path("out/synthetic-corpus")


def say_remarks(corpus: "Corpus") -> None:
    """Say on stderr which recordings in the folders of `corpus` are not used, and which have an empty licence."""
    from blsh_trainer.corpora.credits import unlicensed
    from blsh_trainer.corpora.unread_files import CONVERT, described
    from blsh_trainer.model.attribution import licence_warnings

    if corpus.unread:
        say(f"Left out: {described(corpus.unread)}; {CONVERT}.")
    say_repeats(corpus)
    for warning in licence_warnings([{"name": each.name, **unlicensed(each)} for each in corpus.members]):
        say(warning)


def say_repeats(corpus: "Corpus") -> None:
    """Say on stderr how many recordings of a merged corpus are left out because two of its parts have them."""
    from blsh_trainer.model.attribution import counted

    if corpus.repeats:
        first, again = corpus.repeats[0]
        say(
            f"Left out: {counted(len(corpus.repeats))} that an earlier corpus has, too, in the same split, the first "
            f"{corpus.listed(again)} = {corpus.listed(first)}; `blsh corpus check` names them."
        )


def corpus_or_synthetic(folder: Path | None, seed: int, progress: "Progress") -> "Corpus":
    """Return the corpus in `folder`; for None, make a synthetic one, with `seed`, and say so on stderr."""
    from blsh_trainer.corpora.corpus import load_corpus
    from blsh_trainer.corpora.synthetic_corpus import make_corpus

    if folder is not None:
        return load_corpus(folder)
    say("No recordings given: a SYNTHETIC corpus is made (espeak-ng voices, synthesised noises).")
    say("For real recordings, give --corpus DIR, a folder with speech/SPEAKER/*.wav and noise/TYPE/*.wav.")
    return make_corpus(SYNTHETIC, seed, progress)
