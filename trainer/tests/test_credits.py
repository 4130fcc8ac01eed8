# SPDX-License-Identifier: Apache-2.0
"""The rights that manifests state, on a model's card, in its artifact and as a text."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from blsh_trainer.corpora.corpus import load_corpus
from blsh_trainer.corpora.corpus_entry import Credit
from blsh_trainer.corpora.credits import corpus_credits
from blsh_trainer.corpora.merging import load_corpora
from blsh_trainer.errors import BlshError
from blsh_trainer.learning.options import PAPER
from blsh_trainer.learning.train import train_model
from blsh_trainer.model.artifact import Model, load_model, save_model
from blsh_trainer.model.attribution import attribution_text, licence_rows, licence_warnings

pytestmark = pytest.mark.heavy

HEAD = "path,kind,split,speaker_or_type,source,licence,licence_class"
ROWS = """\
s1.wav,speech,train,anna,github.com/x/talk (Anna),CC BY 4.0,CC BY
s2.wav,speech,train,ben,github.com/x/talk (Ben),CC BY 4.0,CC BY
s3.wav,speech,train,ben,github.com/x/talk (Ben),CC BY 4.0,CC BY
s4.wav,speech,test,cleo,github.com/x/talk (Cleo),CC BY 4.0,CC BY
n1.wav,noise,train,rain,freesound,CC0,CC0
n2.wav,noise,test,rain,freesound,CC0,CC0"""
SECONDS = 1.5


def write(root: Path, rows: str, head: str = HEAD) -> Path:
    """Write a manifest, and a recording of SECONDS for each row, with samples of its own."""
    root.mkdir()
    for row in rows.splitlines():
        path = row.split(",")[0]
        seed = int.from_bytes(f"{root.name}/{path}".encode(), "little")
        noise = 0.1 * np.random.default_rng(seed).standard_normal(int(SECONDS * 16_000))
        soundfile.write(root / path, noise, 16_000)
    (root / "manifest.csv").write_text(f"{head}\n{rows}\n")
    return root


def trained(*folders: Path) -> Model:
    options = PAPER.with_(name="small", bits=4, neighbours=2, fit_frames=200, steps=2)
    return train_model(load_corpora(folders), options)


def test_licences_and_sources_of_the_training_split_are_counted(tmp_path):
    corpus = load_corpus(write(tmp_path / "talk", ROWS))
    (credits,) = corpus_credits(corpus)
    assert (credits["name"], credits["sha256"], credits["files"], credits["minutes"]) == ("talk", corpus.sha256, 4, 0.1)
    assert [tuple(row.values()) for row in credits["credits"]] == [
        ("CC BY 4.0", "CC BY", "github.com/x/talk (Anna)", 1, 0.03),
        ("CC BY 4.0", "CC BY", "github.com/x/talk (Ben)", 2, 0.05),
        ("CC0", "CC0", "freesound", 1, 0.03),
    ]
    assert "unlicensed" not in credits


@pytest.mark.parametrize(
    ("head", "cells", "credit"),
    [
        ("licence", "MIT", Credit("MIT")),
        ("License;Author", "MIT;Ann, E.", Credit("MIT", author="Ann, E.")),
        ("LICENSE_CLASS;source", "BSD;here", Credit(None, "BSD", "here")),
        ("gender", "f", Credit()),
        ("licence", "", Credit("")),
        ("source;licence", "here", Credit("", source="here")),
    ],
)
def test_columns_of_rights_may_be_missing_in_any_order_and_spelling(tmp_path, head, cells, credit):
    columns = HEAD.split(",")[:4]
    rows = [f"{row};{cells}" for row in ("s.wav;speech;train;a", "n.wav;noise;train;b")]
    for row in rows:
        soundfile.write(tmp_path / row.split(";")[0], np.random.default_rng(len(row)).random(900 + len(row)), 16_000)
    (tmp_path / "manifest.csv").write_text("\n".join([";".join([*columns, head]), *rows]))
    assert {entry.credit for entry in load_corpus(tmp_path).entries} == {credit}


def test_a_manifest_without_licences_and_other_layouts_say_not_stated(tiny_corpus, tiny_model):
    (credits,) = corpus_credits(tiny_corpus)
    assert [row["licence"] for row in credits["credits"]] == [None]
    assert credits["credits"][0]["files"] == credits["files"] == 12 + 6
    text = attribution_text(tiny_model)
    assert "  licence not stated\n    source not stated: 18 recordings, " in text and "Warning" not in text


def test_an_empty_licence_is_warned_of_with_its_number_and_first_path(tmp_path):
    rows = ROWS.replace("(Ben),CC BY 4.0,CC BY", "(Ben),,")
    corpus = load_corpus(write(tmp_path / "talk", rows))
    credits = corpus_credits(corpus)
    assert credits[0]["unlicensed"] == {"files": 2, "first": "s2.wav"}
    (warning,) = licence_warnings(credits)
    assert "2 recordings of corpus talk with an empty licence column, the first s2.wav; fill it in" in warning
    model = trained(tmp_path / "talk")
    assert warning in attribution_text(model)
    assert ["talk", "no licence (its cell in the manifest is empty)", "1", "2", "0.1"] in licence_rows(model.card)


def test_the_card_of_merged_corpora_lists_each_and_what_was_used_of_it(tmp_path):
    one = write(tmp_path / "one", ROWS)
    more = ROWS.replace("CC BY 4.0", "MIT").replace("anna", "dora").replace("ben", "emil").replace("cleo", "fred")
    two = write(tmp_path / "two", more)
    (two / "s2.wav").write_bytes((one / "s2.wav").read_bytes())
    model = trained(one, two)
    assert model.card["corpus"]["name"] == "one + two"
    first, second = model.card["corpora"]
    assert (first["name"], first["sha256"], first["files"]) == ("one", load_corpus(one).sha256, 4)
    assert (second["name"], second["sha256"], second["files"]) == ("two", load_corpus(two).sha256, 3)
    assert {row["licence"] for row in second["credits"]} == {"MIT", "CC0"}
    text = attribution_text(model)
    assert f"Corpus one, SHA-256 {first['sha256']}\n4 recordings, 0.1 minutes" in text
    assert "  MIT\n    github.com/x/talk (Anna): 1 recording, 0.03 minutes" in text
    assert str(tmp_path) not in json.dumps(model.card)


# ---- the artifact -----------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_model(tmp_path / "model.npz", trained(write(tmp_path / "talk", ROWS)))
    return tmp_path / "model.npz"


def rewrite(file: Path, **changes: np.ndarray | None) -> None:
    with np.load(file) as loaded:
        arrays = dict(loaded) | changes
    np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


def as_array(value: object) -> np.ndarray:
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)


def test_credits_come_back_and_do_not_change_the_identity(saved):
    model = load_model(saved)
    assert len(model.card["corpora"][0]["credits"]) == 3
    with np.load(saved) as arrays:
        card = json.loads(arrays["card"].tobytes())
    assert "corpora" not in card and card["sha256"] == model.sha256
    bare = {key: value for key, value in model.card.items() if key != "corpora"}
    assert Model(**{**vars_of(model), "card": bare}).sha256 == model.sha256
    assert model.truncate(2).card["corpora"] == model.card["corpora"]


def vars_of(model: Model) -> dict[str, object]:
    return {name: getattr(model, name) for name in Model.__dataclass_fields__}


def test_an_artifact_without_credits_still_loads(saved):
    before = load_model(saved).sha256
    rewrite(saved, corpora=None)
    model = load_model(saved)
    assert model.sha256 == before and "corpora" not in model.card
    assert "does not list its recordings" in attribution_text(model)
    assert licence_rows(model.card) == []


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (as_array({"corpora": [], "sha256": "0" * 64}), "credits of its recordings have another SHA-256"),
        (as_array({"corpora": [{"minutes": float("nan")}], "sha256": ""}), r"is not JSON \(it holds NaN\)"),
        (as_array([1]), "is a list; expected a JSON object"),
        (np.zeros((2, 2)), r"array 'corpora' is float64 with shape \(2, 2\); expected uint8 in 1 dimension"),
    ],
)
def test_credits_that_were_changed_are_refused(saved, array, message):
    rewrite(saved, corpora=array)
    with pytest.raises(BlshError, match=message):
        load_model(saved)
