# SPDX-License-Identifier: Apache-2.0
"""Generalisation: which noise types count as heard, and the gap of systems whose gain is known."""

import pytest

from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.errors import BlshError
from blsh_trainer.evaluation.generalisation import generalisation, heard_and_unheard

from .conftest import tiny_rows, write_corpus


class Nothing:
    def denoise(self, x):
        return x


@pytest.fixture
def extra(tmp_path):
    """A corpus whose valid split has one noise type that no train split has, and two that both have."""
    rows = tiny_rows()
    for row in rows:
        if row["path"].startswith("noise/valid_2"):
            row["speaker_or_type"] = "juicer"
    return load_corpus(write_corpus(tmp_path / "extra", rows))


def test_heard_types_are_those_of_any_train_split(tiny_corpus, extra):
    heard, unheard = heard_and_unheard(tiny_corpus, extra)
    assert {each.speaker_or_type for each in heard.select("noise", "valid")} == {"kind0", "kind1", "kind2"}
    assert {each.speaker_or_type for each in unheard.select("noise", "valid")} == {"juicer"}
    assert heard.select("speech", "valid") == tiny_corpus.select("speech", "valid")
    assert unheard.root == extra.root


def test_a_system_that_does_nothing_has_no_gap(tiny_corpus, extra):
    found = generalisation(Nothing(), tiny_corpus, extra, jobs=1)
    assert found.gap_db == found.heard.mean == found.unheard.mean == 0.0
    assert found.unheard_types == ("juicer",) and found.heard.mixtures == len(tiny_corpus.select("speech", "valid"))


def test_a_corpus_without_unheard_types_is_refused(tiny_corpus):
    with pytest.raises(BlshError, match="has no noise whose type is in no train split; give another corpus"):
        heard_and_unheard(tiny_corpus, tiny_corpus)
