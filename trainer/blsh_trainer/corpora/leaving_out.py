# SPDX-License-Identifier: Apache-2.0
"""A corpus without some of its recordings: those whose rights, or whose sound, somebody does not want."""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from blsh_trainer.corpora.corpus import Corpus
from blsh_trainer.corpora.corpus_entry import Entry
from blsh_trainer.errors import BlshError


def leave_out(corpus: Corpus, patterns: Sequence[str]) -> Corpus:
    """Return `corpus` without the recordings that match a pattern, in all splits; its SHA-256 is another then.

    A pattern is that of a shell, in which * stands for any text, slashes too. It is compared with the path of a
    recording in its corpus, and with the words of its manifest on source, author and licence.

    BlshError for a pattern that matches nothing.
    """
    for pattern in patterns:
        if not any(_matches(entry, pattern) for entry in corpus.entries):
            raise BlshError(
                f"no recording of {corpus.place} matches {pattern!r}; a pattern is compared with the whole path, "
                "source, author or licence, so begin or end it with * where more stands around it"
            )
    left = tuple(entry for entry in corpus.entries if not any(_matches(entry, pattern) for pattern in patterns))
    return replace(corpus, entries=left, left_out=tuple(patterns)) if patterns else corpus


def _matches(entry: Entry, pattern: str) -> bool:
    credit = entry.credit
    words = (entry.path, credit.source, credit.author, credit.licence or "", credit.licence_class)
    return any(fnmatchcase(word, pattern) for word in words if word)
