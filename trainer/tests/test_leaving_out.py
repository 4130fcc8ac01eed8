# SPDX-License-Identifier: Apache-2.0
"""Recordings that are not wanted are left out of a corpus, and the card of its models says so."""

from pathlib import Path

import pytest

from blsh_trainer.corpora.credits import corpus_credits
from blsh_trainer.corpora.merging import load_corpora
from blsh_trainer.errors import BlshError
from blsh_trainer.learning.provenance import provenance

from .test_credits import ROWS, write

MORE = """\
t1.wav,speech,train,dora,github.com/y/read,CC BY-NC 3.0,CC BY-NC
m1.wav,noise,train,wind,github.com/y/loud,CC0,CC0"""


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / "talk", ROWS), write(tmp_path / "more", MORE)]


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["*(Ben)"], ["s1.wav", "s4.wav", "n1.wav", "n2.wav", "t1.wav", "m1.wav"]),
        (["CC BY-NC*", "s1.wav"], ["s2.wav", "s3.wav", "s4.wav", "n1.wav", "n2.wav", "m1.wav"]),
        (["github.com/y/*"], ["s1.wav", "s2.wav", "s3.wav", "s4.wav", "n1.wav", "n2.wav"]),
    ],
)
def test_what_matches_is_left_out(folders: list[Path], patterns: list[str], left: list[str]) -> None:
    whole, corpus = load_corpora(folders), load_corpora(folders, without=patterns)
    assert [entry.path for entry in corpus.entries] == left
    assert corpus.left_out == tuple(patterns) and corpus.sha256 != whole.sha256
    assert sum(part["files"] for part in corpus_credits(corpus)) == sum(
        entry.split == "train" for entry in corpus.entries
    )
    card = provenance(corpus, 0, {"seed": 0}, ())
    assert card["corpus"] == {"name": "talk + more", "sha256": corpus.sha256, "without": patterns}
    assert "without" not in provenance(whole, 0, {"seed": 0}, ())["corpus"]


def test_of_one_corpus_too(folders: list[Path]) -> None:
    corpus = load_corpora(folders[:1], without=["*2.wav"])
    assert [entry.path for entry in corpus.entries] == ["s1.wav", "s3.wav", "s4.wav", "n1.wav"]
    assert corpus.sha256 != load_corpora(folders[:1]).sha256


def test_a_recording_that_would_be_refused_may_be_left_out(folders: list[Path]) -> None:
    """The checks are of what is left: a copy in another split is no fault once it is gone."""
    (folders[1] / "m1.wav").write_bytes((folders[0] / "n2.wav").read_bytes())
    with pytest.raises(BlshError, match="are the same recording"):
        load_corpora(folders)
    assert len(load_corpora(folders, without=["m1.wav"]).entries) == 7


@pytest.mark.parametrize(
    ("pattern", "words"),
    [("ESC-50", "matches 'ESC-50'; .* with \\*"), ("CC0", "no noise in split 'train'"), ("", "matches ''")],
)
def test_what_cannot_be_left_out_is_told(folders: list[Path], pattern: str, words: str) -> None:
    with pytest.raises(BlshError, match=words):
        load_corpora(folders, without=[pattern])
