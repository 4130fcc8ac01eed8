# SPDX-License-Identifier: Apache-2.0
"""Several corpora as one: their entries one after the other, checked for speakers and recordings that they share."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from blsh_trainer.corpora.corpus import Corpus, checked, read_corpus
from blsh_trainer.corpora.leaving_out import leave_out
from blsh_trainer.errors import BlshError


def load_corpora(
    folders: Sequence[str | os.PathLike[str]],
    noise: str | os.PathLike[str] | None = None,
    split_seed: int = 0,
    refuse_copies: bool = True,
    without: Sequence[str] = (),
) -> Corpus:
    """Return the corpora in `folders` merged into one, in their order; of one folder, what load_corpus returns.

    without: patterns of recordings that are left out (leaving_out.py).

    A speaker or a type of noise that two corpora name alike counts as one. A recording that two corpora have, in the
    same split, is kept where it comes first; see Corpus.repeats. Recordings are compared by their samples: a lossy
    copy, or one at another rate, is another recording.

    BlshError as of load_corpus, but speech and noise for training need only be there when all corpora are together.
    BlshError, too, for no folder, a folder given twice, a folder of noises beside several corpora, a speaker or a
    recording that lies in different splits of two corpora, a recording of a recorded pair that another corpus has, and
    a corpus that has no recording of its own. BlshError as of leave_out.
    """
    if not folders:
        raise BlshError("no corpus is given; give a folder of recordings")
    if noise is not None and len(folders) > 1:
        raise BlshError(
            f"{os.fspath(noise)} is given as noise for {len(folders)} corpora; --noise goes with one corpus. Put the "
            "speech and the noises into a folder as speech/ and noise/ (links will do), and give it without --noise"
        )
    place = None if noise is None else Path(noise)
    corpora = [read_corpus(Path(folder), place, split_seed) for folder in folders]
    corpus = corpora[0] if len(corpora) == 1 else _merged(corpora)
    return checked(leave_out(corpus, without), refuse_copies)


def _merged(corpora: list[Corpus]) -> Corpus:
    parts: list[Corpus] = []
    for corpus in corpora:
        for part in parts:
            if part.root.samefile(corpus.root):
                raise BlshError(f"{part.root} and {corpus.root} are the same corpus; give each corpus once")
        parts.append(replace(corpus, name=_new_name(corpus.name, [part.name for part in parts])))
    return Corpus(
        name=" + ".join(part.name for part in parts),
        root=parts[0].root,
        entries=tuple(replace(entry, part=at) for at, part in enumerate(parts) for entry in part.entries),
        layout=" + ".join(dict.fromkeys(part.layout for part in parts)),
        parts=tuple(parts),
    )


def _new_name(name: str, taken: list[str]) -> str:
    """Return `name`, or where an earlier corpus has it, the first of name-2, name-3, ... that none has."""
    number, chosen = 1, name
    while chosen in taken:
        number += 1
        chosen = f"{name}-{number}"
    return chosen
